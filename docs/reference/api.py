"""The API's reference, from the same description that a running server gives at /api/openapi.json."""

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from docs.reference.markdown import code, plain, sentences, table

Schema = dict[str, Any]
OPERATIONS = ("get", "post", "put", "patch", "delete")
ANSWERS_OF_ALL = {"422"}
"""What every route may answer, said once."""


POLICIES = {
    "anyone": "anyone, without being known",
    "viewer": "viewers, members and admins of the team",
    "member": "members and admins of the team",
    "admin": "admins of the team",
    "operator": "operators of the installation",
}
"""A policy -> who it lets through."""


@dataclass(frozen=True)
class Described:
    """What a server says of its routes, and the policy that each declares: (method, path) -> who."""

    document: Schema
    policies: dict[tuple[str, str], str]


@cache
def described() -> Described:
    """The routes of an application with an empty home."""
    from app.api.policies import policies_of, routes
    from app.main import create_app
    from app.settings import Settings

    with tempfile.TemporaryDirectory() as home:
        app = create_app(Settings(home=Path(home), database_url=None))
        app.state.engine.dispose()
        declared = {
            (method, str(route.path)): who
            for route in routes(app)
            for method in getattr(route, "methods", None) or ()
            for who in policies_of(route)
        }
        return Described(app.openapi(), declared)


def groups() -> dict[str, list[tuple[str, str, Schema]]]:
    """Tag -> its routes as (method, path, operation)."""
    found: dict[str, list[tuple[str, str, Schema]]] = defaultdict(list)
    for path, entry in described().document["paths"].items():
        for method in OPERATIONS:
            if method in entry:
                found[entry[method].get("tags", ["other"])[0]].append((method.upper(), path, entry[method]))
    return dict(sorted(found.items()))


def slug(tag: str) -> str:
    return tag.replace(" ", "-")


def navigation() -> list[Any]:
    """The pages as the site's navigation lists them."""
    return [
        {"All routes": "api/index.md"},
        *({tag.capitalize(): f"api/{slug(tag)}.md"} for tag in groups()),
        {"Documents": "api/documents.md"},
    ]


def pages() -> dict[str, str]:
    """Path -> Markdown of every page."""
    found = {f"api/{slug(tag)}.md": _group(tag, routes) for tag, routes in groups().items()}
    return {"api/index.md": _overview()} | found | {"api/documents.md": _documents()}


def _overview() -> str:
    parts = [
        "# API\n",
        "Everything that the pages do goes through this API, under `/api/v1`. A running server describes it at"
        " `/api/docs`, and at `/api/openapi.json` for machines; these pages are made from the same description.\n",
        "- **Errors** are `application/problem+json` (RFC 9457) with a sentence in `detail` that says what to do.\n"
        "- **Lists** are `{items, next_cursor}`: ask again with `cursor=` until `next_cursor` is null.\n"
        "- **Values** are seconds, bytes and fractions, times ISO 8601 in UTC. A missing value is null.\n"
        "- **Writes** may carry an `Idempotency-Key` where the route lists it: the same key with the same body answers"
        " what was made the first time.\n"
        "- Names of sentences follow `Accept-Language` (English, Chinese); machine-readable exports never do.\n"
        "- **For** says who a route lets through; each may also do what the ones before it may: anyone, viewer, member,"
        " admin. An operator runs the installation. How to be known: [security](../security.md).\n"
        "- What is **not yours** and what is **not there** answer the same 404.\n",
    ]
    for tag, routes in groups().items():
        rows = [
            [
                code(f"{method} {path}"),
                f"[{_summary(op)}]({slug(tag)}.md#{_anchor(op)})",
                described().policies[method, path],
            ]
            for method, path, op in routes
        ]
        parts += [f"## {tag.capitalize()}\n", table(["route", "what it does", "for"], rows)]
    return "\n".join(parts)


def _anchor(operation: Schema) -> str:
    return str(operation["operationId"]).lower().replace("_", "-")


def _summary(operation: Schema) -> str:
    return plain(operation["summary"].capitalize())


def _group(tag: str, routes: list[tuple[str, str, Schema]]) -> str:
    return "\n".join([f"# {tag.capitalize()}\n", *(line for route in routes for line in _route(*route))])


def _route(method: str, path: str, operation: Schema) -> Iterator[str]:
    yield f"## {_summary(operation)} {{#{_anchor(operation)}}}\n"
    yield f"```http\n{method} {path}\n```\n"
    yield f"{sentences(operation.get('description', ''))}\n"
    who = described().policies[method, path]
    yield f"**For** {POLICIES[who]}.\n"
    if parameters := operation.get("parameters", []):
        rows = [
            [code(entry["name"]), entry["in"], _kind(entry["schema"]), "yes" if entry.get("required") else "no"]
            for entry in parameters
        ]
        yield table(["parameter", "in", "value", "required"], rows)
    for kind, body in operation.get("requestBody", {}).get("content", {}).items():
        yield f"**Body** (`{kind}`): {_kind(body['schema'])}\n"
    for status, answer in operation.get("responses", {}).items():
        if status not in ANSWERS_OF_ALL:
            yield f"**Answers {status}**: {_answer(answer)}\n"


def _answer(answer: Schema) -> str:
    contents = answer.get("content", {})
    kinds = [_kind(body.get("schema", {})) if "json" in kind else code(kind) for kind, body in contents.items()]
    return " or ".join(kinds) or plain(answer.get("description", "nothing"))


def _documents() -> str:
    schemas = described().document["components"]["schemas"]
    parts = ["# Documents\n", "The bodies that routes read and answer. What has no default is required.\n"]
    for name, schema in sorted(schemas.items()):
        parts += [f"## {_title(name)} {{#{name.lower()}}}\n", f"{sentences(schema.get('description', ''))}\n"]
        parts.append(_fields(schema))
    return "\n".join(parts)


def _title(name: str) -> str:
    """A document's name; "page of RunView" for what the framework calls Page_RunView_."""
    outer, _, inner = name.rstrip("_").partition("_")
    return plain(f"{outer.lower()} of {inner}" if inner and name.endswith("_") else name)


def _fields(schema: Schema) -> str:
    if "enum" in schema:
        return f"{_kind(schema)}\n"
    needed = set(schema.get("required", []))
    rows = [
        [
            code(name),
            _kind(field),
            "required" if name in needed else _default(field),
            sentences(field.get("description", "")),
        ]
        for name, field in schema.get("properties", {}).items()
    ]
    return table(["field", "value", "default", "meaning"], rows) if rows else f"{_kind(schema)}\n"


def _default(field: Schema) -> str:
    return code(json.dumps(field["default"], ensure_ascii=False)) if "default" in field else ""


def _kind(schema: Schema) -> str:
    """What a value may be, in words; a document is a link."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{_title(name)}](documents.md#{name.lower()})"
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(_kind(choice) for choice in choices))
    if "allOf" in schema:
        return _kind(schema["allOf"][0])
    if "enum" in schema or "const" in schema:
        return ", ".join(code(choice) for choice in schema.get("enum", [schema.get("const")]))
    return _plain_kind(schema)


def _plain_kind(schema: Schema) -> str:
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if kind == "object":
        inner = schema.get("additionalProperties")
        return f"object of {_kind(inner)}" if isinstance(inner, dict) and inner else "object"
    bounds = [
        f"{sign} {schema[key]}"
        for key, sign in (
            ("minimum", "≥"),
            ("exclusiveMinimum", "&gt;"),
            ("maximum", "≤"),
            ("minLength", "length ≥"),
            ("maxLength", "length ≤"),
        )
        if key in schema
    ]
    return ", ".join([str(schema.get("format", kind)), *bounds])
