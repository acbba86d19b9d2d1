"""Reading Dash components without a browser: their text, and digits that no source covers."""

from collections.abc import Iterator
from typing import Any

from dash.development.base_component import Component

COVERED = ("data-source", "data-label", "data-id", "data-quote", "data-figure")


def text_of(node: Any) -> str:
    """The text a person reads."""
    if isinstance(node, Component):
        return text_of(getattr(node, "children", None))
    if isinstance(node, list | tuple):
        return "".join(text_of(child) for child in node)
    return "" if node is None else str(node)


def elements(node: Any) -> Iterator[Component]:
    """The component and everything inside it."""
    if isinstance(node, Component):
        yield node
        yield from elements(getattr(node, "children", None))
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
        return [] if any(name in properties for name in COVERED) else uncovered_digits(properties.get("children"))
    if isinstance(node, list | tuple):
        return [found for child in node for found in uncovered_digits(child)]
    text = "" if node is None else str(node)
    return [text] if any(character.isdecimal() for character in text) else []
