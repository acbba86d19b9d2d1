"""Quality against trainable parameters: what a method buys with what it trains."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from app.formats import format_number, format_value
from app.language import tr
from app.matrix import QUALITY, Matrix
from app.schemas import Cell, ConfigurationView
from app.services.exports.report.markup import Markup
from app.services.exports.report.numbers import described
from app.services.exports.report.svg import figure, line, marker, round_ticks, text, text_width, titled

PARAMETERS = "trainable_parameters"
TOP, BOTTOM, LEFT, RIGHT = 14.0, 42.0, 56.0, 16.0
SIZE = 11.5
BARE_ZEROS = re.compile(r"\.0+(?!\d)")

Box = tuple[float, float, float, float]
"""left, top, right, bottom"""


@dataclass(frozen=True)
class _Dot:
    row: ConfigurationView
    parameters: Cell
    quality: Cell


@dataclass
class _Plot:
    """Where values stand, and what is taken already."""

    width: float
    height: float
    decades: tuple[int, int]
    lo: float
    hi: float
    taken: list[Box] = field(default_factory=list)

    def x(self, parameters: float) -> float:
        first, last = self.decades
        return LEFT + (self.width - LEFT - RIGHT) * (math.log10(parameters) - first) / (last - first)

    def y(self, quality: float) -> float:
        return TOP + (self.height - TOP - BOTTOM) * (self.hi - quality) / (self.hi - self.lo)


def scatter(matrix: Matrix, *, narrow: bool) -> Markup | None:
    """None where fewer than two methods have both figures."""
    dots = _dots(matrix)
    if len(dots) < 2:
        return None
    plot = _plot(dots, _floor(matrix), narrow=narrow)
    places = [(plot.x(dot.parameters.mean or 1), plot.y(dot.quality.mean or 0)) for dot in dots]
    plot.taken += [box for dot, place in zip(dots, places, strict=True) for box in _room(plot, dot, place)]
    drawn = [_drawn(matrix, plot, dot, place) for dot, place in zip(dots, places, strict=True)]
    label = tr("{score} against trainable parameters", score=matrix.headline)
    class_ = "figure only-narrow" if narrow else "figure only-wide"
    return figure([*_axes(matrix, plot), *drawn], width=plot.width, height=plot.height, label=label, class_=class_)


def without_place(matrix: Matrix) -> list[str]:
    """The names of rows whose quality is known and that train nothing but perhaps a head."""
    shown = {dot.row.id for dot in _dots(matrix)}
    rows = [row for row in matrix.ordered(QUALITY) if row.id not in shown and row.method != "untuned"]
    cells = [(row, matrix.cell(row.id, QUALITY)) for row in rows]
    return [row.label for row, cell in cells if cell is not None and cell.mean is not None]


def _dots(matrix: Matrix) -> list[_Dot]:
    """The rows that train something and have a quality: a logarithm has no place for none."""
    found = []
    for row in matrix.ordered(QUALITY):
        parameters, quality = matrix.cell(row.id, PARAMETERS), matrix.cell(row.id, QUALITY)
        if parameters and quality and parameters.mean and quality.mean is not None:
            found.append(_Dot(row, parameters, quality))
    return found


def _room(plot: _Plot, dot: _Dot, place: tuple[float, float]) -> list[Box]:
    """What a dot and its bar take up."""
    x, y = place
    bars = [dot.quality.interval] if dot.quality.interval else []
    return [(x - 7, y - 7, x + 7, y + 7), *((x - 2, plot.y(hi), x + 2, plot.y(lo)) for lo, hi in bars)]


def _floor(matrix: Matrix) -> tuple[ConfigurationView, Cell] | None:
    """The untuned row, which trains nothing."""
    for row in matrix.comparison.configurations:
        cell = matrix.cell(row.id, QUALITY)
        if row.method == "untuned" and cell is not None and cell.mean is not None:
            return row, cell
    return None


def _plot(dots: list[_Dot], floor: tuple[ConfigurationView, Cell] | None, *, narrow: bool) -> _Plot:
    means = [dot.parameters.mean or 1 for dot in dots]
    first, last = math.floor(math.log10(min(means))), math.ceil(math.log10(max(means)))
    ends = [end for dot in dots for end in (dot.quality.mean or 0, *(dot.quality.interval or ()))]
    ends += [floor[1].mean or 0] if floor else []
    air = 0.06 * (max(ends) - min(ends)) or 0.05
    size = (350.0, 300.0) if narrow else (940.0, 380.0)
    return _Plot(*size, decades=(first, max(last, first + 1)), lo=min(ends) - air, hi=max(ends) + air)


def _axes(matrix: Matrix, plot: _Plot) -> Iterable[Markup]:
    card = matrix.cards[QUALITY]
    right, bottom = plot.width - RIGHT, plot.height - BOTTOM
    for tick in round_ticks(plot.lo, plot.hi):
        y = plot.y(tick)
        yield line(LEFT, y, right, y, "grid")
        yield text(LEFT - 8, y + 4, format_value(tick, card.quantity), size=11, anchor="end", class_="soft")
    first, last = plot.decades
    for power in range(first, last + 1):
        x = plot.x(10.0**power)
        yield line(x, TOP, x, bottom, "grid")
        yield text(
            x,
            bottom + 16,
            BARE_ZEROS.sub("", format_value(10.0**power, "count")),
            size=11,
            anchor="middle",
            class_="soft",
        )
    words = (
        tr("trainable parameters → · {score} ↑", score=matrix.headline)
        if card.better == "higher"
        else tr("trainable parameters → · {score} ↓ is better", score=matrix.headline)
    )
    yield text(right, bottom + 33, words, size=11, anchor="end", class_="soft")
    floor = _floor(matrix)
    if floor is not None:
        row, cell = floor
        y = plot.y(cell.mean or 0)
        words = f"{row.label}: {format_number(matrix.mean(cell))}"
        yield titled(
            described(row, card, cell),
            line(LEFT, y, right, y, "floor"),
            text(right, y - 5, words, size=11, anchor="end", class_="soft"),
        )
        plot.taken.append((right - text_width(words, 11), y - 16, right, y + 3))


def _drawn(matrix: Matrix, plot: _Plot, dot: _Dot, place: tuple[float, float]) -> Markup:
    x, y = place
    interval = dot.quality.interval
    whisker = [line(x, plot.y(interval[0]), x, plot.y(interval[1]), "whisker")] if interval else []
    told = tr("; ").join(described(dot.row, matrix.cards[cell.metric], cell) for cell in (dot.quality, dot.parameters))
    return titled(told, *whisker, marker(dot.row.family, x, y, size=5.5), _label(plot, dot.row.label, x, y))


def _label(plot: _Plot, words: str, x: float, y: float) -> Markup | None:
    """The name beside its dot, where there is room for it; else the dot says it on hover and the table by number."""
    width = text_width(words, SIZE)
    for dx, dy, anchor in ((10, 4, "start"), (-10, 4, "end"), (0, -11, "middle"), (0, 20, "middle")):
        left = x + dx - {"start": 0.0, "end": width, "middle": width / 2}[anchor]
        box = (left, y + dy - 10, left + width, y + dy + 3)
        inside = box[0] >= LEFT and box[2] <= plot.width - 2 and box[3] <= plot.height - BOTTOM
        if inside and not any(_overlap(box, other) for other in plot.taken):
            plot.taken.append(box)
            return text(x + dx, y + dy, words, size=SIZE, anchor=anchor)
    return None


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
