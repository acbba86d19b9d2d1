"""The API's description, completed in one place: how one is known, and every refusal that a route may answer."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.routing import RouteContext

from app.api.context import SAFE_METHODS
from app.api.gate import IDENTITY, SESSION_COOKIE
from app.api.policies import policies_of, routes
from app.api.problems import MEDIA_TYPE

BEARER, COOKIE = "token", "session"
SCHEMES = {
    BEARER: {"type": "http", "scheme": "bearer", "description": "An API token; without accounts the first-visit key."},
    COOKIE: {"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE, "description": "What logging in sets."},
}
PROBLEM = {
    "type": "object",
    "title": "Problem",
    "description": "An error as RFC 9457 says it; `detail` tells a person what to do.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
REFUSALS = {
    "401": "Nobody that is known asks.",
    "403": "The caller may not do this, or a page of another site asks.",
    "404": "There is no such thing, or it is another team's.",
    "409": "Not possible as things stand now.",
    "413": "The body is larger than this route reads.",
    "415": "The body is of another type than this route reads.",
    "422": "Something is wrong with what was sent; `errors` names the fields.",
    "429": "Tried too often; wait a minute.",
    "503": "The database, a worker or an installed file is not there now; nothing was changed.",
    "507": "The disk has no room; nothing was changed.",
}
FRAMEWORKS_OWN = ("HTTPValidationError", "ValidationError")
"""What the framework takes a refused request to be described by; ours are problems."""


def complete_description(app: FastAPI) -> None:
    """Have /api/openapi.json say all that the gate, the guard and the error handlers answer."""
    written = app.openapi

    def completed() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(app, written())
        return app.openapi_schema

    app.openapi = completed  # type: ignore[method-assign]  # FastAPI's own way of extending it.


def _completed(app: FastAPI, document: dict[str, Any]) -> dict[str, Any]:
    parts = document.setdefault("components", {})
    parts["securitySchemes"] = SCHEMES
    schemas = parts.setdefault("schemas", {})
    for name in FRAMEWORKS_OWN:
        schemas.pop(name, None)
    schemas["Problem"] = PROBLEM
    for route, method, operation in _operations(app, document):
        is_open = policies_of(route) == {"anyone"}
        operation["security"] = [] if is_open else [{BEARER: []}, {COOKIE: []}]
        for status in _refusals(operation, method, is_open=is_open):
            operation["responses"][status] = {
                "description": REFUSALS[status],
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            }
    return document


def _operations(app: FastAPI, document: dict[str, Any]) -> Iterator[tuple[RouteContext, str, dict[str, Any]]]:
    for route in routes(app):
        described = document["paths"].get(route.path, {})
        for method in route.methods or ():
            if method.lower() in described:
                yield route, method, described[method.lower()]


def _refusals(operation: dict[str, Any], method: str, *, is_open: bool) -> Iterator[str]:
    """What may be refused follows from what is asked."""
    yield from ("403", "503")
    if not is_open:
        yield "401"
    if operation.get("parameters") or "requestBody" in operation:
        yield from ("404", "422")
    if "requestBody" in operation:
        yield from ("413", "415")
    if method not in SAFE_METHODS:
        yield from ("409", "507")
        if IDENTITY in operation.get("tags", ()):
            yield from ("401", "429")
