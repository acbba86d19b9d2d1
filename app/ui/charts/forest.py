"""The forest of differences in quality, drawn on the rows of the heatmap."""

from app.language import tr
from app.schemas import ConfigurationView, Difference
from app.ui.cells import QUALITY, Matrix
from app.ui.charts.column_axis import ColumnAxis, column_axis
from app.ui.charts.parts import Annotation, Axis, Parts, Shape, Trace, column_head
from app.ui.charts.points import Point, describe_gap, gap_text, text_trace
from app.ui.theme import Palette

EQUAL_POINTS = 0.03
"""Two methods are called equal only where the whole interval lies within three points."""
TEXT_ROOM = 0.6
"""Room right of the axis for the numbers, as a share of the axis."""


def forest(matrix: Matrix, palette: Palette, rows: list[ConfigurationView]) -> tuple[Parts, Axis]:
    """What is drawn on the second axis of columns, and that axis.

    Thin: at the level that Holm used for the pair; thick: 95 %; a hollow marker is a tie.
    """
    pairs = [(i, row, matrix.differences[row.id]) for i, row in enumerate(rows) if row.id in matrix.differences]
    equal = EQUAL_POINTS if matrix.cards[QUALITY].quantity == "fraction" else 0.0
    axis = _axis([difference for _, _, difference in pairs], equal)
    lines = [
        _lines([(i, getattr(d, name)) for i, _, d in pairs if d.verdict == verdict and _inside(axis, d.value)], axis)
        | {"line": {"color": palette.verdict(verdict), "width": width}}
        for name, width in (("corrected", 1.0), ("interval", 3.5))
        for verdict in ("tie", "better", "worse")
    ]
    parts = Parts(
        traces=[*lines, *_markers(matrix, palette, pairs, axis), _numbers(palette, pairs, axis)],
        shapes=_zone(palette, len(rows), equal),
        annotations=[_reference_word(matrix, palette, rows), _head(matrix, palette, axis)],
    )
    return parts.on("x2"), _scale(axis, palette, 100 if equal else 1)


def _scale(axis: ColumnAxis, palette: Palette, shown: int) -> Axis:
    """shown: how many of the unit on screen one is."""
    ticks = [tick / shown for tick in _ticks(shown * axis.lo, shown * axis.hi)]
    return {
        "anchor": "y",
        "range": [axis.lo, axis.hi + TEXT_ROOM * (axis.hi - axis.lo)],
        "tickvals": ticks,
        "ticktext": [f"{shown * tick:+.3g}".replace("-", "−").replace("+0", "0") for tick in ticks],
        "tickfont": {"size": 11, "color": palette.ink_2},
        "showgrid": False,
        "zeroline": False,
        "fixedrange": True,
    }


def _axis(differences: list[Difference], equal: float) -> ColumnAxis:
    """Holds every interval whose difference is not far out, zero, and the equal zone."""
    axis = column_axis([difference.value for difference in differences], log=False)
    assert axis is not None, "a forest has at least one difference"
    ends = [end for d in differences if _inside(axis, d.value) for end in (*d.corrected, *d.interval)]
    lo, hi = min([*ends, -equal]), max([*ends, equal])
    air = 0.03 * (hi - lo)
    return ColumnAxis(lo=lo - air, hi=hi + air, log=False)


def _inside(axis: ColumnAxis, value: float) -> bool:
    return 0 <= axis.place(value) <= 1


def _zone(palette: Palette, rows: int, equal: float) -> list[Shape]:
    """The equal zone in a soft shade (of a score that is a share), and the line of no difference."""
    height = {"y0": -0.5, "y1": rows - 0.5, "layer": "below"}
    zone = {"type": "rect", "x0": -equal, "x1": equal, "fillcolor": palette.accent_soft, "line": {"width": 0}}
    line = {"type": "line", "x0": 0, "x1": 0, "line": {"color": palette.tie, "width": 1.2}}
    return [zone | height, line | height]


def _lines(pairs: list[tuple[int, tuple[float, float]]], axis: ColumnAxis) -> Trace:
    xs: list[float | None] = []
    ys: list[float | None] = []
    for i, (lo, hi) in pairs:
        xs.extend((max(lo, axis.lo), min(hi, axis.hi), None))
        ys.extend((i, i, None))
    return {"type": "scatter", "x": xs, "y": ys, "mode": "lines", "hoverinfo": "skip"}


def _markers(
    matrix: Matrix, palette: Palette, pairs: list[tuple[int, ConfigurationView, Difference]], axis: ColumnAxis
) -> list[Trace]:
    """The family's marker at the difference: filled where one was shown, hollow for a tie, a triangle off the scale."""
    reference = matrix.configurations[matrix.comparison.reference or 0].label
    symbols, xs, points = [], [], []
    for _, row, difference in pairs:
        inside = _inside(axis, difference.value)
        marker = palette.family(row.family).marker + ("-open" if difference.verdict == "tie" else "")
        off_scale = "triangle-left" if difference.value < axis.lo else "triangle-right"
        symbols.append(marker if inside else off_scale)
        xs.append(min(max(difference.value, axis.lo), axis.hi))
        points.append(describe_gap(row, difference, reference))
    place = {"type": "scatter", "x": xs, "y": [i for i, _, _ in pairs], "mode": "markers", "cliponaxis": False}
    # A disc of the surface's colour under a hollow marker keeps the interval's line out of it.
    disc = {"symbol": "circle", "size": 10, "color": palette.surface, "line": {"width": 0}}
    colours = [palette.verdict(difference.verdict) for _, _, difference in pairs]
    marks = {"symbol": symbols, "size": 9, "color": colours, "line": {"width": 1.6, "color": colours}}
    said = {"hovertext": [point.text for point in points], "customdata": [point.numbers for point in points]}
    return [place | {"marker": disc, "hoverinfo": "skip"}, place | {"marker": marks, "hoverinfo": "text"} | said]


LONGEST_NAME = 20
"""Of a reference, in characters, that fits the head of the forest."""


def _numbers(palette: Palette, pairs: list[tuple[int, ConfigurationView, Difference]], axis: ColumnAxis) -> Trace:
    colours = [
        palette.ink if difference.verdict == "tie" else palette.verdict(difference.verdict)
        for _, _, difference in pairs
    ]
    points: list[Point] = [gap_text(d, colour=palette.verdict(d.verdict)) for _, _, d in pairs]
    x = axis.hi + 0.04 * (axis.hi - axis.lo)
    return text_trace([x] * len(pairs), [i for i, _, _ in pairs], points, colours, textposition="middle right")


def _reference_word(matrix: Matrix, palette: Palette, rows: list[ConfigurationView]) -> Annotation:
    place = next(i for i, row in enumerate(rows) if row.id == matrix.comparison.reference)
    return {
        "x": 0,
        "xshift": 8,
        "y": place,
        "xanchor": "left",
        "text": tr("reference"),
        "showarrow": False,
        "font": {"size": 11, "color": palette.ink_2},
    }


def _head(matrix: Matrix, palette: Palette, axis: ColumnAxis) -> Annotation:
    label = matrix.configurations[matrix.comparison.reference or 0].label
    reference = _lower(label) if len(label) <= LONGEST_NAME else tr("the reference")
    headline = matrix.headline[:1].upper() + matrix.headline[1:]
    card = matrix.cards[QUALITY]
    share = card.quantity == "fraction"
    title = tr("{score} minus {reference}", score=headline, reference=reference)
    said = [tr("points") if share else card.unit, tr("thin: all pairs"), *([tr("shade: equal zone")] if share else [])]
    under = f"<span style='color:{palette.ink_2}'>{' · '.join(said)}</span>"
    return column_head(f"<b>{title}</b><br>{under}", x=axis.lo)


def _lower(label: str) -> str:
    """A name in the middle of a line: "Full fine-tuning" without its capital, "LoRA r8" as it is."""
    first = label.split(maxsplit=1)[0][1:]
    return f"{label[:1].lower()}{label[1:]}" if first == first.lower() else label


def _ticks(lo: float, hi: float) -> list[float]:
    """Round values, zero among them, at most eight."""
    steps = (mantissa * 10.0**power for power in range(-3, 7) for mantissa in (1, 2, 5))
    step = next(step for step in steps if (hi - lo) / step <= 7)
    return [k * step for k in range(-100, 101) if lo <= k * step <= hi]
