"""A part of a page that never changes, sent as one tree and built by the browser itself (static/still.js).

Dash's renderer takes milliseconds for every component, seconds for a table of a thousand cells. No callback can reach
into such a part.
"""

import json
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

ATTRIBUTES = {"className": "class", "htmlFor": "for"}
Tree = str | dict[str, Any]


def still(part: Component) -> html.Div:
    """The part as a single component."""
    (tree,) = trees(part)
    return html.Div(**{"data-still": json.dumps(tree, ensure_ascii=False, separators=(",", ":"))})


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
    attributes = {_attribute(name): _text(value) for name, value in properties.items() if value not in (None, False)}
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
