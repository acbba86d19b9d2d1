"""The forest: each method's quality minus the reference's, with both of its intervals."""

from dataclasses import dataclass

from app.formats import MINUS, format_number
from app.language import tr
from app.matrix import QUALITY, Matrix, gap
from app.schemas import ConfigurationView, Difference
from app.services.exports.report.markup import Markup
from app.services.exports.report.numbers import origin
from app.services.exports.report.svg import figure, line, marker, round_ticks, text, text_width, titled
from app.services.exports.report.tables import VERDICT_WORDS

Pair = tuple[ConfigurationView, Difference]
FAR_OUT = 4.0
"""How many times the middle difference one may be and still be placed on the axis."""
LINE, SIZE = 26.0, 12.0


def forest(matrix: Matrix, *, narrow: bool) -> Markup | None:
    """None where nothing is compared. narrow: names stand above their lines instead of beside them."""
    pairs = [(row, matrix.differences[row.id]) for row in matrix.ordered(QUALITY) if row.id in matrix.differences]
    if not pairs:
        return None
    plot = _plot(pairs, narrow=narrow)
    rows = [_row(plot, place, row, difference) for place, (row, difference) in enumerate(pairs)]
    reference = matrix.configurations[matrix.comparison.reference or 0].label
    name = tr("{score} minus that of {reference}", score=matrix.headline, reference=reference)
    class_ = "figure only-narrow" if narrow else "figure only-wide"
    drawn = [_axis(plot, pairs[0][1].quantity), *rows]
    return figure(drawn, width=plot.width, height=plot.height, label=name, class_=class_)


@dataclass(frozen=True)
class _Plot:
    """Where values stand. left, right: x of the axis' ends; lo, hi: the values there."""

    width: float
    left: float
    right: float
    lo: float
    hi: float
    rows: int
    step: float

    @property
    def height(self) -> float:
        return self.rows * self.step + 34

    def x(self, value: float) -> float:
        share = (value - self.lo) / (self.hi - self.lo)
        return self.left + (self.right - self.left) * min(1.0, max(0.0, share))

    def y(self, place: int) -> float:
        """The line of a row."""
        return (place + 1) * self.step - self.step / 2 + (0 if self.step == LINE else 9)


def _plot(pairs: list[Pair], *, narrow: bool) -> _Plot:
    lo, hi = _span([difference for _, difference in pairs])
    names = max(text_width(row.label, SIZE) for row, _ in pairs)
    width = 350.0 if narrow else 940.0
    left = 6.0 if narrow else min(240.0, 34 + names)
    step = LINE + 16 if narrow else LINE
    return _Plot(width=width, left=left, right=width - 98, lo=lo, hi=hi, rows=len(pairs), step=step)


def _span(differences: list[Difference]) -> tuple[float, float]:
    """Holds zero and every interval but those of methods that are far out, which stand at the edge."""
    sizes = sorted(abs(difference.value) for difference in differences)
    most = FAR_OUT * sizes[len(sizes) // 2]
    near = [found for found in differences if abs(found.value) <= most] or differences
    ends = [0.0, *(end for found in near for end in (*found.corrected, *found.interval))]
    air = 0.05 * (max(ends) - min(ends)) or 1.0
    return min(ends) - air, max(ends) + air


def _axis(plot: _Plot, quantity: str) -> list[Markup]:
    bottom = plot.height - 24
    shown = 100 if quantity == "points" else 1
    parts = [line(plot.x(0), 2, plot.x(0), bottom, "zero"), line(plot.left, bottom, plot.right, bottom, "axis")]
    for tick in round_ticks(shown * plot.lo, shown * plot.hi):
        x, words = plot.x(tick / shown), f"{tick:+g}".replace("-", MINUS) if tick else "0"
        parts.append(line(x, bottom, x, bottom + 4, "axis"))
        parts.append(text(x, bottom + 16, words, size=11, anchor="middle", class_="soft"))
    unit = tr("points") if quantity == "points" else quantity
    return [*parts, text(plot.right + 12, bottom + 16, unit, size=11, class_="soft")]


def _row(plot: _Plot, place: int, row: ConfigurationView, difference: Difference) -> Markup:
    """Thin: at the level that Holm used; thick: 95 %; hollow: a tie; an arrow where it stands off the axis."""
    y, verdict = plot.y(place), difference.verdict
    value = gap(difference, difference.value, "difference")
    name_y = y - 13 if plot.step != LINE else y + 4
    outside = not plot.lo <= difference.value <= plot.hi
    x = plot.x(difference.value)
    words = f"{format_number(value)} {tr(VERDICT_WORDS[verdict])}"
    intervals = [
        line(plot.x(lo), y, plot.x(hi), y, f"v-{verdict} {width}")
        for (lo, hi), width in ((difference.corrected, "thin"), (difference.interval, "thick"))
    ]
    mark = (
        text(x, y + 4, "◂" if difference.value < plot.lo else "▸", anchor="middle", class_=f"t-{verdict}")
        if outside
        else marker(row.family, x, y, hollow=verdict == "tie")
    )
    return titled(
        f"{row.label}: {origin(value)}",
        marker(row.family, 12, name_y - 4),
        text(24, name_y, row.label, size=SIZE),
        *([] if outside else intervals),
        mark,
        text(plot.right + 12, y + 4, words, size=SIZE, class_=f"t-{verdict}"),
    )
