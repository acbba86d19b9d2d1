"""Two metrics of every configuration against each other, with the front that nothing beats and how sure it is."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import plotly.graph_objects as go

from app.language import filled, tr
from app.schemas import Axis, Number, Pareto, ParetoAxis, ParetoPoint
from app.ui.cells import QUALITY, SHORT_TITLES, head_unit
from app.ui.charts.column_axis import ColumnAxis, column_axis
from app.ui.charts.names import Named, sides
from app.ui.charts.points import Name, Point, Words, halo, text_trace
from app.ui.numbers import format_number
from app.ui.theme import Palette

HEIGHT = 390
NARROW_HEIGHT = 430
SIZES = (8.0, 18.0)
"""Of a marker in px, from the worst to the best value of a third metric; without one the first, and two more on the
front."""
FILLED = 0.5
"""From this share of draws on the front a marker is filled, and named on a narrow screen."""
NAMED = 0.2
LOGARITHMIC = frozenset({"count", "bytes", "seconds", "per_second", "joules"})
"""Quantities of which equal ratios take equal room."""
PLANES = {False: (880.0, 300.0), True: (240.0, 340.0)}
"""Narrow or not -> width and height in px of what lies between the axes, on the smallest screen of either kind."""
EDGE = 0.12
"""Nearer than this to the lower edge, the words at the floor stand above it."""
ON_PAPER: tuple[Axis, Axis] = ("x", "y")


@dataclass(frozen=True)
class Plane:
    """What the drawing functions share: where each point stands, as a share of either axis."""

    found: Pareto
    palette: Palette
    headline: str

    @cached_property
    def scales(self) -> dict[Axis, ColumnAxis]:
        return {axis: self._scale(axis) for axis in self.found.axes}

    def _scale(self, axis: Axis) -> ColumnAxis:
        ends = [
            point.numbers[name].value
            for point in self.found.points
            for name in (axis, f"{axis}_lo", f"{axis}_hi")
            if name in point.numbers
        ]
        least = self.found.least_quality
        if axis == self.quality and least is not None:
            ends.append(least.value)
        log = self.found.axes[axis].quantity in LOGARITHMIC
        return column_axis(ends, log=log) or ColumnAxis(lo=0.0, hi=1.0, log=False)

    @cached_property
    def quality(self) -> Axis | None:
        """The axis that shows quality, where one does."""
        return next((axis for axis, card in self.found.axes.items() if card.key == QUALITY), None)

    def place(self, axis: Axis, value: float) -> float:
        """0..1 along an axis, stopped at its ends."""
        return min(1.0, max(0.0, self.scales[axis].place(value)))

    def at(self, point: ParetoPoint) -> tuple[float, float]:
        return self.place("x", point.x), self.place("y", point.y)

    def interval(self, axis: Axis, point: ParetoPoint) -> tuple[float, float]:
        """The ends of a point's whisker along an axis that it has one on."""
        lo, hi = (self.place(axis, point.numbers[f"{axis}_{end}"].value) for end in ("lo", "hi"))
        return lo, hi

    def off_scale(self, point: ParetoPoint) -> bool:
        """Zero has no place on a logarithmic axis, nor has what is far out."""
        return any(not 0 <= self.scales[axis].place(point.numbers[axis].value) <= 1 for axis in ON_PAPER)

    def short(self, card: ParetoAxis) -> str:
        """A metric's short name, quality by the task's own name of its score."""
        if card.key == QUALITY:
            return self.headline
        return tr(SHORT_TITLES[card.key]) if card.key in SHORT_TITLES else card.title

    def title(self, axis: Axis) -> str:
        card = self.found.axes[axis]
        name, unit = self.short(card), head_unit(card)
        return f"{name[:1].upper()}{name[1:]}, {unit} {'↑' if card.better == 'higher' else '↓'}"


def pareto(found: Pareto, palette: Palette, *, headline: str, narrow: bool = False) -> go.Figure:
    """Filled: on the front in half of the draws or more. The line is the front of the means; with a third metric there
    is none, and larger markers are better in it. headline: the task's own name of its score."""
    plane = Plane(found, palette, headline)
    figure = go.Figure()
    _floor(figure, plane)
    _line(figure, plane)
    _whiskers(figure, plane)
    placed = _sides(plane, FILLED if narrow else NAMED, narrow)
    for point in sorted(found.points, key=lambda point: point.front_share):
        figure.add_trace(_marker(plane, point, placed[point.configuration]))
    _layout(figure, plane, narrow)
    return figure


def _floor(figure: go.Figure, plane: Plane) -> None:
    """A dashed line where the quality floor is, with its value in a text trace of its own."""
    least, axis = plane.found.least_quality, plane.quality
    if least is None or axis not in ON_PAPER:
        return
    at = plane.place(axis, least.value)
    ends = {"y0": at, "y1": at, "x0": 0, "x1": 1} if axis == "y" else {"x0": at, "x1": at, "y0": 0, "y1": 1}
    line = {"color": plane.palette.ink_2, "width": 1.2, "dash": "dash"}
    figure.add_shape(type="line", layer="below", line=line, **ends)
    said = Words().all(filled("quality floor {value}", value=least)).point()
    inner = "top left" if at < EDGE else "bottom left"
    x, y, side = (1.0, at, inner) if axis == "y" else (at, 0.0, "top right")
    style = {"textposition": side, "size": 11, "shadow": halo(plane.palette)}
    figure.add_trace(text_trace([x], [y], [said], plane.palette.ink_2, **style))


def _line(figure: go.Figure, plane: Plane) -> None:
    """The steps of the front: everything on their one side is beaten by a point on them."""
    if "z" in plane.found.axes:
        return
    front = sorted(plane.at(point) for point in plane.found.points if point.on_front)
    shape = "hv" if plane.found.axes["x"].better == "lower" else "vh"
    figure.add_trace(
        go.Scatter(
            x=[x for x, _ in front],
            y=[y for _, y in front],
            mode="lines",
            line={"color": plane.palette.accent, "width": 1.6, "shape": shape},
            hoverinfo="skip",
            cliponaxis=False,
        )
    )


def _whiskers(figure: go.Figure, plane: Plane) -> None:
    """95 % intervals along either axis, one trace for each family's colour."""
    for family in dict.fromkeys(point.family for point in plane.found.points):
        xs: list[float | None] = []
        ys: list[float | None] = []
        for point in (point for point in plane.found.points if point.family == family):
            x, y = plane.at(point)
            if "x_lo" in point.numbers:
                xs += [*plane.interval("x", point), None]
                ys += [y, y, None]
            if "y_lo" in point.numbers:
                xs += [x, x, None]
                ys += [*plane.interval("y", point), None]
        line = {"color": plane.palette.family(family).colour, "width": 1}
        figure.add_trace(go.Scatter(x=xs, y=ys, mode="lines", line=line, opacity=0.55, hoverinfo="skip"))


def _marker(plane: Plane, point: ParetoPoint, side: str | None) -> go.Scatter:
    """The family's marker, hollow below half of the draws; a triangle at the edge where it is off the scale. side: of
    the name with its share of draws, None: without a name."""
    x, y = plane.at(point)
    hover = _describe(plane, point)
    return go.Scatter(
        x=[x],
        y=[y],
        mode="markers" if side is None else "markers+text",
        name=point.label,
        marker=_mark(plane, point, x),
        text=None if side is None else [_name(point).text],
        textposition=side,
        textfont={"size": 11, "color": plane.palette.ink, "shadow": halo(plane.palette)},
        hovertext=[hover.text],
        hoverinfo="text",
        customdata=[hover.numbers],
        cliponaxis=False,
    )


def _mark(plane: Plane, point: ParetoPoint, x: float) -> dict[str, Any]:
    family = plane.palette.family(point.family)
    symbol = family.marker + ("" if point.front_share >= FILLED else "-open")
    if plane.off_scale(point):
        symbol = "triangle-left" if x == 0 else "triangle-right" if x == 1 else "triangle-down"
    line = {"width": 1.6, "color": family.colour}
    return {"symbol": symbol, "size": _size(plane, point), "color": family.colour, "line": line}


def _size(plane: Plane, point: ParetoPoint) -> float:
    smallest, largest = SIZES
    if point.z is None:
        return smallest + (2 if point.on_front else 0)
    share = plane.place("z", point.z)
    best = share if plane.found.axes["z"].better == "higher" else 1 - share
    return smallest + best * (largest - smallest)


def _describe(plane: Plane, point: ParetoPoint) -> Point:
    """A point's hover: its values with intervals, its place, the share of draws, and the runs."""
    words = Words().name(point.label)
    for axis, card in plane.found.axes.items():
        spoken = plane.headline if card.key == QUALITY else plane.short(card).lower()
        words.say(f"<br>{spoken} <b>").number(point.numbers[axis]).say("</b>")
        if f"{axis}_lo" in point.numbers:
            words.say(" [").number(point.numbers[f"{axis}_lo"]).say(", ").number(point.numbers[f"{axis}_hi"]).say("]")
    words.say("<br>").all(filled("on the front in {share} of the draws", share=point.numbers["front_share"]))
    labels = {other.configuration: other.label for other in plane.found.points}
    for others, said in (
        (point.dominated_by, filled("beaten by {methods}", methods=None)),
        (point.equal_to, filled("the same values as {methods}", methods=None)),
    ):
        words.all(_with_names(said, [labels[key] for key in others]) if others else [])
    runs = sorted({run for axis in plane.found.axes for run in point.numbers[axis].run_ids})
    return words.source(point.numbers["y"].source, runs).point()


def _with_names(said: list[Any], labels: list[str]) -> list[Any]:
    """A line of a hover with names in the one place of its message."""
    names: list[Any] = [piece for label in labels for piece in (", ", Name(label))][1:]
    return ["<br>", *[part for piece in said for part in (names if piece is None else [piece])]]


def _sides(plane: Plane, least: float, narrow: bool) -> dict[int, str | None]:
    """Configuration -> the side of its name, of the points that are on the front in many draws and have room for it;
    the surest first."""
    width, height = PLANES[narrow]
    surest = sorted(plane.found.points, key=lambda point: -point.front_share)
    named = []
    for point in surest:
        x, y = plane.at(point)
        characters = len(_name(point).text) - len("<b></b>") if point.front_share >= least else 0
        named.append(Named(x * width, y * height, _size(plane, point), characters))
    found = sides(named, width=width, height=height)
    return {point.configuration: side for point, side in zip(surest, found, strict=True)}


def _name(point: ParetoPoint) -> Point:
    return Words().name(point.label).say(" ").number(point.numbers["front_share"]).point()


def _layout(figure: go.Figure, plane: Plane, narrow: bool) -> None:
    palette = plane.palette
    figure.update_layout(
        template="none",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=False,
        dragmode=False,
        height=NARROW_HEIGHT if narrow else HEIGHT,
        margin={"l": 80, "r": 18, "t": 22, "b": 48},
        font={"family": palette.font, "size": 12, "color": palette.ink},
        hoverlabel={"bgcolor": palette.surface, "font": {"color": palette.ink, "size": 12}, "align": "left"},
    )
    figure.update_xaxes(**_axis(plane, "x"))
    figure.update_yaxes(**_axis(plane, "y"))


def _axis(plane: Plane, axis: Axis) -> dict[str, Any]:
    scale, palette = plane.scales[axis], plane.palette
    return {
        "range": [-0.03, 1.03],
        "tickvals": [scale.place(tick) for tick in scale.ticks()],
        "ticktext": [format_number(_tick(tick, plane.found.axes[axis])) for tick in scale.ticks()],
        "tickfont": {"size": 11, "color": palette.ink_2},
        "title": {"text": plane.title(axis), "font": {"size": 11, "color": palette.ink_2}, "standoff": 8},
        "gridcolor": palette.line,
        "zeroline": False,
        "fixedrange": True,
    }


def _tick(value: float, card: ParetoAxis) -> Number:
    return Number(value=value, quantity=card.quantity, statistic="tick", metric=card.key)
