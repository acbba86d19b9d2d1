"""A part of a page that no callback reaches into, sent as one tree and built by the browser itself (static/still.js).

Dash's renderer asks every component of a page whenever one of them is new: what it takes grows with their number
squared, to seconds for a table of a thousand cells. Such a part may be replaced as a whole, by another tree.
"""

import json
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

ATTRIBUTES = {"className": "class", "htmlFor": "for"}
Tree = str | dict[str, Any]


def still(part: Component) -> html.Div:
    """The part as a single component."""
    return html.Div(**stilled(part))


def still_inside(part: Component) -> Component:
    """The part itself, which callbacks may reach, with all that is in it as one tree."""
    properties = dict(part.to_plotly_json()["props"])
    return type(part)(**properties | stilled(properties.pop("children", None)))


def stilled(children: Any) -> dict[str, str]:
    """The property that an element has in place of these children."""
    return {"data-still": json.dumps(trees(children), ensure_ascii=False, separators=(",", ":"))}


def trees(children: Any) -> list[Tree]:
    """What stands in a component's place, as text and {tag, attributes, children}. Raises TypeError for what is not
    plain HTML."""
    if children is None:
        return []
    if isinstance(children, list | tuple):
        return [tree for child in children for tree in trees(child)]
    if isinstance(children, str | int | float):
        return [str(children)]
    properties = dict(children.to_plotly_json()["props"])
    inside = trees(properties.pop("children", None))
    attributes = {
        _attribute(name): _text(value) for name, value in properties.items() if value is not None and value is not False
    }
    return [{"tag": _tag(children), "attributes": attributes, "children": inside}]


def _tag(component: Component) -> str:
    if isinstance(component, dcc.Link):
        return "a"
    if component.to_plotly_json()["namespace"] != html.Div().to_plotly_json()["namespace"]:
        raise TypeError(f"{component!r} is no plain HTML and cannot be still")
    return type(component).__name__.lower()


def _attribute(name: str) -> str:
    return ATTRIBUTES.get(name, name if name.startswith(("data-", "aria-")) else name.lower())


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ";".join(f"{_dashed(name)}:{said}" for name, said in value.items())
    return "" if value is True else str(value)


def _dashed(name: str) -> str:
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)
