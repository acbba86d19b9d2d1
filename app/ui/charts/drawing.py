"""Drawings as trees of SVG elements: written here, put into the page by static/guide.js, coloured by its style sheet.

Dash has no components for SVG, and an image could not take the page's colours.
"""

from dataclasses import dataclass
from typing import Any

from dash import dcc, html

from app.schemas import Number
from app.ui.numbers import attributes, format_number

Node = dict[str, Any]
Label = list[str | Node]


@dataclass(frozen=True)
class Drawing:
    """What is drawn in a box of so many units, and the same as a sentence."""

    width: int
    height: int
    parts: list[Node]
    sentence: str

    @property
    def tree(self) -> Node:
        return node("svg", *self.parts, viewBox=f"0 0 {self.width} {self.height}")


def node(tag: str, *children: str | Node, **given: Any) -> Node:
    """An element; `class_name` is its class, and "_" in other names stands for "-"."""
    named = {("class" if name == "class_name" else name.replace("_", "-")): value for name, value in given.items()}
    if tag == "svg":
        named = given
    return {"tag": tag, "attributes": named, "children": list(children)}


def rect(x: float, y: float, width: float, height: float, class_name: str) -> Node:
    return node("rect", x=x, y=y, width=width, height=height, rx=2, class_name=class_name)


def arrow(*points: tuple[float, float]) -> Node:
    """A line through the points with a head at its end."""
    line = node("polyline", points=" ".join(f"{x},{y}" for x, y in points), class_name="drawn-line")
    (x0, y0), (x, y) = points[-2:]
    return node("g", line, _head(x, y, x - x0, y - y0))


def _head(x: float, y: float, dx: float, dy: float) -> Node:
    """A triangle with its tip at (x, y), along the longer of the two directions."""
    if abs(dx) >= abs(dy):
        back = 6 if dx > 0 else -6
        points = f"{x},{y} {x - back},{y - 3.5} {x - back},{y + 3.5}"
    else:
        back = 6 if dy > 0 else -6
        points = f"{x},{y} {x - 3.5},{y - back} {x + 3.5},{y - back}"
    return node("polygon", points=points, class_name="drawn-head")


def label(x: float, y: float, *pieces: str | Number | list[Any], anchor: str = "middle", quiet: bool = False) -> Node:
    """Words and sourced numbers; what `filled` gives may be among the pieces."""
    flat = [one for piece in pieces for one in (piece if isinstance(piece, list) else [piece])]
    return node(
        "text",
        *(_number(piece) if isinstance(piece, Number) else str(piece) for piece in flat),
        x=x,
        y=y,
        text_anchor=anchor,
        class_name="drawn-quiet" if quiet else "drawn-label",
    )


def _number(number: Number) -> Node:
    return {"tag": "tspan", "attributes": attributes(number), "children": [format_number(number)]}


def place(name: str, drawing: Drawing) -> html.Div:
    """Where a drawing stands: its box is there before it is drawn, so that nothing moves."""
    return html.Div(
        [
            dcc.Store(id={"type": "chapter-drawing", "name": name}, data=drawing.tree),
            html.Div(
                id={"type": "chapter-drawn", "name": name},
                className="drawing",
                role="img",
                style={"aspectRatio": f"{drawing.width} / {drawing.height}"},
                **{"aria-label": drawing.sentence, "data-drawing": name},
            ),
        ],
        className="drawing-place",
    )
