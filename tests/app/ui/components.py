"""Reading Dash components without a browser: their text, and digits that no source covers."""

import json
from collections.abc import Iterator
from typing import Any

from dash import html
from dash.development.base_component import Component

COVERED = ("data-source", "data-label", "data-id", "data-quote", "data-figure")


def inside(component: Component) -> Any:
    """What stands in a component, sent as components or as a tree that the browser builds."""
    properties = component.to_plotly_json()["props"]
    if "data-still" in properties:
        return [_built(tree) for tree in json.loads(properties["data-still"])]
    return properties.get("children")


def _built(tree: Any) -> Any:
    if isinstance(tree, str):
        return tree
    attributes = {{"class": "className"}.get(name, name): value for name, value in tree["attributes"].items()}
    attributes = {name: value for name, value in attributes.items() if name in ("className", "id") or "-" in name}
    return getattr(html, tree["tag"].capitalize())([_built(child) for child in tree["children"]], **attributes)


def text_of(node: Any) -> str:
    """The text a person reads."""
    if isinstance(node, Component):
        return text_of(inside(node))
    if isinstance(node, list | tuple):
        return "".join(text_of(child) for child in node)
    return "" if node is None else str(node)


def elements(node: Any) -> Iterator[Component]:
    """The component and everything inside it."""
    if isinstance(node, Component):
        yield node
        yield from elements(inside(node))
    elif isinstance(node, list | tuple):
        for child in node:
            yield from elements(child)


def sources(node: Any) -> list[dict[str, Any]]:
    """The properties of every sourced element."""
    found = [element.to_plotly_json()["props"] for element in elements(node)]
    return [properties for properties in found if "data-source" in properties]


def uncovered_digits(node: Any) -> list[str]:
    """Texts with a digit outside every element that says a source, a name, an id or a quote."""
    if isinstance(node, Component):
        properties = node.to_plotly_json()["props"]
        return [] if any(name in properties for name in COVERED) else uncovered_digits(inside(node))
    if isinstance(node, list | tuple):
        return [found for child in node for found in uncovered_digits(child)]
    text = "" if node is None else str(node)
    return [text] if any(character.isdecimal() for character in text) else []
