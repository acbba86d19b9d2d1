"""Every environment variable, from the fields of Settings and what stands below them."""

import ast
import inspect
from types import UnionType
from typing import Any, Union, get_args, get_origin

from annotated_types import Ge, Gt
from pydantic.fields import FieldInfo

from app.settings import Settings
from docs.reference.markdown import code, plain, sentences, table


def meanings() -> dict[str, str]:
    """Field -> the text below it in the source."""
    tree = ast.parse(inspect.getsource(Settings)).body[0]
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for field, below in zip(tree.body, tree.body[1:], strict=False):
        said = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and said:
            found[field.target.id] = inspect.cleandoc(below.value.value)  # type: ignore[attr-defined]
    return found


def pages() -> dict[str, str]:
    """Path -> Markdown."""
    said = meanings()
    rows = [
        [code(variable(name, field)), _kind(field), _default(field), sentences(said[name])]
        for name, field in Settings.model_fields.items()
    ]
    return {
        "configuration.md": "\n".join(
            [
                "# Configuration\n",
                "Environment variables, read by `app/settings.py` and nothing else. Paths are made absolute. Web and"
                " workers of one installation need the same database, store and roots.\n",
                table(["variable", "value", "default", "meaning"], rows),
            ]
        )
    }


def variable(name: str, field: FieldInfo) -> str:
    """The environment variable of a field."""
    return str(field.validation_alias or f"{Settings.model_config['env_prefix']}{name.upper()}")


def _kind(field: FieldInfo) -> str:
    bounds = [f"≥ {bound.ge:,}" for bound in field.metadata if isinstance(bound, Ge)]
    bounds += [f"> {bound.gt:,}" for bound in field.metadata if isinstance(bound, Gt)]
    return plain(", ".join([_named(field.annotation), *bounds]))


NAMES = {"Path": "a path", "str": "text", "SecretStr": "a secret", "bool": "1 or 0", "int": "a whole number"}


def _named(kind: Any) -> str:
    if get_origin(kind) in (Union, UnionType):
        return _named(next(part for part in get_args(kind) if part is not type(None)))
    if choices := [part for part in get_args(kind) if isinstance(part, str)]:
        return " or ".join(choices)
    inner = get_args(kind)[0] if get_args(kind) else kind
    name = getattr(inner, "__name__", str(inner))
    return NAMES.get(name, "a number" if name == "float" else name)


def _default(field: FieldInfo) -> str:
    if field.default is None or field.default == "":
        return "none"
    return code(int(field.default) if isinstance(field.default, bool) else field.default)
