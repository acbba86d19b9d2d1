"""HTML and SVG from plain data: text is escaped unless it was made here."""

from collections.abc import Iterable
from html import escape

EMPTY = frozenset({"meta", "line", "rect", "path", "circle", "polyline", "col"})


class Markup(str):
    """Text that is HTML or SVG already. Only `element` and `joined` make it."""


Child = str | None | Iterable["Child"]


def element(name: str, /, *children: Child, **attributes: str | float | None) -> Markup:
    """An element. `class_` is class, other underscores in names are dashes; an attribute that is None is left out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_text(value), quote=True)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in EMPTY:
        return Markup(f"<{name}{written}/>" if name not in ("meta", "col") else f"<{name}{written}>")
    return Markup(f"<{name}{written}>{joined(children)}</{name}>")


def joined(children: Child) -> Markup:
    """Children one after the other; bare text escaped."""
    if children is None:
        return Markup("")
    if isinstance(children, Markup):
        return children
    if isinstance(children, str):
        return Markup(escape(children))
    return Markup("".join(joined(child) for child in children))


def _text(value: str | float) -> str:
    """Coordinates need no more than two places."""
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
