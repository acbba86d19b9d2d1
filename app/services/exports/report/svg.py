"""Small pieces of inline SVG. Colours are the page's variables, so a figure follows its theme and its print."""

import math
from collections.abc import Iterable

from app.colours import MARKERS
from app.services.exports.report.markup import Child, Markup, element

CHARACTER = 0.56
"""The width of a character of the system's fonts, in font sizes: enough for laying out labels."""


def figure(children: Child, *, width: float, height: float, label: str, class_: str) -> Markup:
    """A figure that is an image with a name to a screen reader."""
    return element(
        "svg",
        children,
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
        role="img",
        aria_label=label,
        class_=class_,
    )


def text(
    x: float, y: float, words: str, *, size: float = 12, anchor: str = "start", class_: str | None = None
) -> Markup:
    """A line of text; y is its baseline."""
    return element("text", words, x=x, y=y, font_size=size, text_anchor=anchor, class_=class_)


def text_width(words: str, size: float) -> float:
    """About how wide a line of text is."""
    return CHARACTER * size * len(words)


def line(x0: float, y0: float, x1: float, y1: float, class_: str) -> Markup:
    return element("line", x1=x0, y1=y0, x2=x1, y2=y1, class_=class_)


def titled(title: str, *children: Child) -> Markup:
    """Shapes that say on hover what they are."""
    return element("g", element("title", title), *children)


def marker(family: str, x: float, y: float, *, size: float = 5, hollow: bool = False) -> Markup:
    """The family's shape in its colour; hollow marks a tie."""
    shape, _ = MARKERS.get(family, MARKERS["reference"])
    known = family if family in MARKERS else "reference"
    class_ = f"f-{known.replace('_', '-')}" + (" hollow" if hollow else "")
    if shape == "circle":
        return element("circle", cx=x, cy=y, r=size, class_=class_)
    points = _corners(shape)
    way = " ".join(f"{x + size * dx:.1f},{y + size * dy:.1f}" for dx, dy in points)
    return element("path", d=f"M{way.replace(' ', 'L')}Z", class_=class_)


def _corners(shape: str) -> list[tuple[float, float]]:
    """The outline of a marker of size 1 around 0, 0."""
    plus = 0.38
    outlines: dict[str, list[tuple[float, float]]] = {
        "square": [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
        "diamond": [(0, -1.2), (1.2, 0), (0, 1.2), (-1.2, 0)],
        "triangle-up": [(0, -1.1), (1.1, 0.9), (-1.1, 0.9)],
        "triangle-down": [(0, 1.1), (1.1, -0.9), (-1.1, -0.9)],
        "cross": [
            *((-plus, -1.1), (plus, -1.1), (plus, -plus), (1.1, -plus), (1.1, plus), (plus, plus)),
            *((plus, 1.1), (-plus, 1.1), (-plus, plus), (-1.1, plus), (-1.1, -plus), (-plus, -plus)),
        ],
        "x": [
            *((-1.1, -0.7), (-0.7, -1.1), (0, -0.4), (0.7, -1.1), (1.1, -0.7), (0.4, 0)),
            *((1.1, 0.7), (0.7, 1.1), (0, 0.4), (-0.7, 1.1), (-1.1, 0.7), (-0.4, 0)),
        ],
        "bowtie": [(-1.1, -0.9), (0, -0.2), (1.1, -0.9), (1.1, 0.9), (0, 0.2), (-1.1, 0.9)],
        "hexagon2": list(_star([1.1], 6)),
        "star": list(_star([1.3, 0.55], 10)),
    }
    return outlines.get(shape, outlines["square"])


def _star(radii: list[float], points: int) -> Iterable[tuple[float, float]]:
    for k in range(points):
        radius, angle = radii[k % len(radii)], 2 * math.pi * k / points - math.pi / 2
        yield radius * math.cos(angle), radius * math.sin(angle)


def round_ticks(lo: float, hi: float, most: int = 6) -> list[float]:
    """Round values from lo to hi, at most `most`."""
    steps = (mantissa * 10.0**power for power in range(-12, 13) for mantissa in (1, 2, 5))
    step = next(step for step in steps if (hi - lo) / step <= most - 1)
    return [round(k * step, 12) for k in range(math.ceil(lo / step), math.floor(hi / step) + 1)]
