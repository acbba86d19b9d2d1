"""The forest of differences in quality, drawn on the rows of the heatmap."""

import plotly.graph_objects as go

from app.language import tr
from app.schemas import ConfigurationView, Difference
from app.ui.cells import QUALITY, Matrix
from app.ui.charts.column_axis import ColumnAxis, column_axis
from app.ui.charts.points import Point, describe_gap, gap_text, text_trace
from app.ui.theme import Palette

EQUAL_POINTS = 0.03
"""Two methods are called equal only where the whole interval lies within three points."""
TEXT_ROOM = 0.6
"""Room right of the axis for the numbers, as a share of the axis."""


def draw_forest(figure: go.Figure, matrix: Matrix, palette: Palette, rows: list[ConfigurationView]) -> None:
    """Thin: at the level that Holm used for the pair; thick: 95 %; a hollow marker is a tie. Column 2 of `figure`."""
    pairs = [(i, row, matrix.differences[row.id]) for i, row in enumerate(rows) if row.id in matrix.differences]
    share = matrix.cards[QUALITY].quantity == "fraction"
    axis = _axis([difference for _, _, difference in pairs], EQUAL_POINTS if share else 0.0)
    _zone(figure, palette, len(rows), EQUAL_POINTS if share else 0.0)
    for name, width in (("corrected", 1.0), ("interval", 3.5)):
        for verdict in ("tie", "better", "worse"):
            of_verdict = [(i, getattr(d, name)) for i, _, d in pairs if d.verdict == verdict and _inside(axis, d.value)]
            figure.add_trace(_lines(of_verdict, axis, palette.verdict(verdict), width), 1, 2)
    _markers(figure, matrix, palette, pairs, axis)
    right = axis.hi + TEXT_ROOM * (axis.hi - axis.lo)
    figure.add_trace(_numbers(palette, pairs, axis), 1, 2)
    _reference_word(figure, matrix, palette, rows)
    _head(figure, matrix, palette, axis)
    shown = 100 if share else 1
    ticks = [tick / shown for tick in _ticks(shown * axis.lo, shown * axis.hi)]
    figure.update_xaxes(
        range=[axis.lo, right],
        tickvals=ticks,
        ticktext=[f"{shown * tick:+.3g}".replace("-", "−").replace("+0", "0") for tick in ticks],
        tickfont={"size": 11, "color": palette.ink_2},
        showgrid=False,
        zeroline=False,
        fixedrange=True,
        row=1,
        col=2,
    )


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


def _zone(figure: go.Figure, palette: Palette, rows: int, equal: float) -> None:
    """The equal zone in a soft shade (of a score that is a share), and the line of no difference."""
    zone = {"fillcolor": palette.accent_soft, "line": {"width": 0}, "layer": "below"}
    figure.add_shape(type="rect", x0=-equal, x1=equal, y0=-0.5, y1=rows - 0.5, row=1, col=2, **zone)
    line = {"color": palette.tie, "width": 1.2}
    figure.add_shape(type="line", x0=0, x1=0, y0=-0.5, y1=rows - 0.5, line=line, layer="below", row=1, col=2)


def _lines(pairs: list[tuple[int, tuple[float, float]]], axis: ColumnAxis, colour: str, width: float) -> go.Scatter:
    xs: list[float | None] = []
    ys: list[float | None] = []
    for i, (lo, hi) in pairs:
        xs.extend((max(lo, axis.lo), min(hi, axis.hi), None))
        ys.extend((i, i, None))
    return go.Scatter(x=xs, y=ys, mode="lines", line={"color": colour, "width": width}, hoverinfo="skip")


def _markers(
    figure: go.Figure,
    matrix: Matrix,
    palette: Palette,
    pairs: list[tuple[int, ConfigurationView, Difference]],
    axis: ColumnAxis,
) -> None:
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
    # A disc of the surface's colour under a hollow marker keeps the interval's line out of it.
    for size, shape in ((10, ["circle"] * len(pairs)), (9, symbols)):
        under = size == 10
        colours = [palette.surface if under else palette.verdict(d.verdict) for _, _, d in pairs]
        figure.add_trace(
            go.Scatter(
                x=xs,
                y=[i for i, _, _ in pairs],
                mode="markers",
                marker={
                    "symbol": shape,
                    "size": size,
                    "color": colours,
                    "line": {"width": 0 if under else 1.6, "color": colours},
                },
                cliponaxis=False,
                hoverinfo="skip" if under else "text",
                hovertext=None if under else [point.text for point in points],
                customdata=None if under else [point.numbers for point in points],
            ),
            1,
            2,
        )


LONGEST_NAME = 20
"""Of a reference, in characters, that fits the head of the forest."""


def _numbers(palette: Palette, pairs: list[tuple[int, ConfigurationView, Difference]], axis: ColumnAxis) -> go.Scatter:
    colours = [
        palette.ink if difference.verdict == "tie" else palette.verdict(difference.verdict)
        for _, _, difference in pairs
    ]
    points: list[Point] = [gap_text(d, colour=palette.verdict(d.verdict)) for _, _, d in pairs]
    x = axis.hi + 0.04 * (axis.hi - axis.lo)
    return text_trace([x] * len(pairs), [i for i, _, _ in pairs], points, colours, textposition="middle right")


def _reference_word(figure: go.Figure, matrix: Matrix, palette: Palette, rows: list[ConfigurationView]) -> None:
    place = next(i for i, row in enumerate(rows) if row.id == matrix.comparison.reference)
    figure.add_annotation(
        x=0,
        xshift=8,
        y=place,
        xanchor="left",
        text=tr("reference"),
        showarrow=False,
        font={"size": 11, "color": palette.ink_2},
        row=1,
        col=2,
    )


def _head(figure: go.Figure, matrix: Matrix, palette: Palette, axis: ColumnAxis) -> None:
    label = matrix.configurations[matrix.comparison.reference or 0].label
    reference = _lower(label) if len(label) <= LONGEST_NAME else tr("the reference")
    headline = matrix.headline[:1].upper() + matrix.headline[1:]
    card = matrix.cards[QUALITY]
    share = card.quantity == "fraction"
    title = tr("{score} minus {reference}", score=headline, reference=reference)
    said = [tr("points") if share else card.unit, tr("thin: all pairs"), *([tr("shade: equal zone")] if share else [])]
    figure.add_annotation(
        x=axis.lo,
        y=-0.5,
        yshift=3,
        xanchor="left",
        yanchor="bottom",
        align="left",
        showarrow=False,
        text=f"<b>{title}</b><br><span style='color:{palette.ink_2}'>{' · '.join(said)}</span>",
        font={"size": 11},
        row=1,
        col=2,
    )


def _lower(label: str) -> str:
    """A name in the middle of a line: "Full fine-tuning" without its capital, "LoRA r8" as it is."""
    first = label.split(maxsplit=1)[0][1:]
    return f"{label[:1].lower()}{label[1:]}" if first == first.lower() else label


def _ticks(lo: float, hi: float) -> list[float]:
    """Round values, zero among them, at most eight."""
    steps = (mantissa * 10.0**power for power in range(-3, 7) for mantissa in (1, 2, 5))
    step = next(step for step in steps if (hi - lo) / step <= 7)
    return [k * step for k in range(-100, 101) if lo <= k * step <= hi]
