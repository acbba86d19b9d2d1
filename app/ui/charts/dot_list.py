"""One metric of every method as a list of dots: what a narrow screen shows instead of the heatmap."""

import plotly.graph_objects as go

from app.language import tr
from app.schemas import Cell, ConfigurationView, MetricCard, Number
from app.ui.cells import QUALITY, Matrix
from app.ui.charts.column_axis import ColumnAxis, column_axis
from app.ui.charts.points import Point, cell_text, describe_cell, label, said_verdict, text_trace
from app.ui.numbers import format_number
from app.ui.theme import Palette, Verdict

ROW_PX = 44
HEAD_PX = 30
FOOT_PX = 8
DROP = 0.22
"""How far the dot lies below the middle of its row, in rows; the words lie as far above."""


def dot_list(
    matrix: Matrix, metric: str, palette: Palette, *, seeds: int, rows: list[ConfigurationView] | None = None
) -> go.Figure:
    """Rows of 44 px: name and value above, dot and interval below, the reference as a line through all. rows: those
    that are drawn, from top to bottom; None: all."""
    rows, card = matrix.ordered(metric) if rows is None else rows, matrix.cards[metric]
    cells = [matrix.cell(row.id, metric) for row in rows]
    axis = column_axis(_ends(matrix.measured(metric)), log=card.quantity != "fraction")
    figure = go.Figure()
    if axis is not None:
        _reference_line(figure, matrix, metric, palette, axis, len(rows))
        _dots(figure, matrix, card, palette, axis, rows, cells)
    _words(figure, matrix, metric, palette, rows, cells, seeds)
    _layout(figure, card, palette, axis, len(rows))
    return figure


def _ends(cells: list[Cell]) -> list[float]:
    means = [cell.mean for cell in cells if cell.mean is not None]
    return means + [end for cell in cells if cell.interval and cell.n > 1 for end in cell.interval]


def _reference_line(
    figure: go.Figure, matrix: Matrix, metric: str, palette: Palette, axis: ColumnAxis, rows: int
) -> None:
    """A rail under every name, and on it where the reference stands."""
    rails: tuple[list[float | None], list[float | None]] = ([], [])
    for i in range(rows):
        rails[0].extend((0, 1, None))
        rails[1].extend((i + DROP, i + DROP, None))
    figure.add_trace(
        go.Scatter(x=rails[0], y=rails[1], mode="lines", line={"color": palette.line, "width": 1}, hoverinfo="skip")
    )
    reference = matrix.cell(matrix.comparison.reference or 0, metric)
    if reference is None or reference.mean is None or not 0 <= axis.place(reference.mean) <= 1:
        return
    x = axis.place(reference.mean)
    for i in range(rows):
        line = {"color": palette.tie, "width": 1}
        figure.add_shape(type="line", x0=x, x1=x, y0=i + 0.02, y1=i + 0.44, line=line, layer="below")


def _dots(
    figure: go.Figure,
    matrix: Matrix,
    card: MetricCard,
    palette: Palette,
    axis: ColumnAxis,
    rows: list[ConfigurationView],
    cells: list[Cell | None],
) -> None:
    """The family's marker at the value: hollow for a single run or a tie, a triangle where it is off the scale."""
    for i, (row, cell) in enumerate(zip(rows, cells, strict=True)):
        if cell is None or cell.mean is None:
            continue
        family, place = palette.family(row.family), axis.place(cell.mean)
        colour = _colour(matrix, card, palette, row) or family.colour
        if cell.interval is not None and cell.n > 1:
            ends = [min(1.0, max(0.0, axis.place(end))) for end in cell.interval]
            line = {"color": colour, "width": 1.6}
            figure.add_trace(go.Scatter(x=ends, y=[i + DROP] * 2, mode="lines", line=line, hoverinfo="skip"))
        hollow = (cell.n == 1 and not card.exact) or _verdict(matrix, card, row) == "tie"
        inside = 0 <= place <= 1
        symbol = (
            family.marker + ("-open" if hollow else "") if inside else f"triangle-{'left' if place < 0 else 'right'}"
        )
        point = describe_cell(matrix, row, card, cell)
        figure.add_trace(
            go.Scatter(
                x=[min(1.0, max(0.0, place))],
                y=[i + DROP],
                mode="markers",
                marker={"symbol": symbol, "size": 10, "color": colour, "line": {"width": 1.6, "color": colour}},
                hovertext=[point.text],
                hoverinfo="text",
                customdata=[point.numbers],
                cliponaxis=False,
            )
        )


def _verdict(matrix: Matrix, card: MetricCard, row: ConfigurationView) -> Verdict | None:
    difference = matrix.differences.get(row.id) if card.key == QUALITY else None
    return difference.verdict if difference else None


def _colour(matrix: Matrix, card: MetricCard, palette: Palette, row: ConfigurationView) -> str | None:
    verdict = _verdict(matrix, card, row)
    return palette.verdict(verdict) if verdict else None


def _words(
    figure: go.Figure,
    matrix: Matrix,
    metric: str,
    palette: Palette,
    rows: list[ConfigurationView],
    cells: list[Cell | None],
    seeds: int,
) -> None:
    ys = [i - DROP for i in range(len(rows))]
    names = [Point(row.label, [label(row.label)]) for row in rows]
    figure.add_trace(text_trace([0.0] * len(rows), ys, names, palette.ink, textposition="middle right", size=13))
    values = [_value(matrix, metric, palette, row, cell, seeds) for row, cell in zip(rows, cells, strict=True)]
    figure.add_trace(text_trace([1.0] * len(rows), ys, values, palette.ink, textposition="middle left", size=13))


def _value(
    matrix: Matrix, metric: str, palette: Palette, row: ConfigurationView, cell: Cell | None, seeds: int
) -> Point:
    text = cell_text(matrix, cell, palette, asked=seeds)
    verdict = _verdict(matrix, matrix.cards[metric], row)
    word = tr("reference") if row.id == matrix.comparison.reference else said_verdict(verdict) if verdict else None
    if word is None:
        return Point(f"<b>{text.text}</b>", text.numbers)
    colour = palette.verdict(verdict) if verdict else palette.ink_2
    return Point(f"<b>{text.text}</b>  <span style='color:{colour}'>{word}</span>", text.numbers)


def _tick(value: float, card: MetricCard) -> Number:
    return Number(value=value, quantity=card.quantity, statistic="tick", metric=card.key)


def _layout(figure: go.Figure, card: MetricCard, palette: Palette, axis: ColumnAxis | None, rows: int) -> None:
    ticks = axis.ticks() if axis else []
    figure.update_layout(
        template="none",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=False,
        dragmode=False,
        height=HEAD_PX + ROW_PX * rows + FOOT_PX,
        margin={"l": 6, "r": 6, "t": HEAD_PX, "b": FOOT_PX},
        font={"family": palette.font, "size": 12, "color": palette.ink},
        hoverlabel={"bgcolor": palette.surface, "font": {"color": palette.ink, "size": 12}, "align": "left"},
    )
    figure.update_xaxes(
        range=[-0.02, 1.02],
        side="top",
        tickvals=[axis.place(tick) for tick in ticks] if axis else [],
        ticktext=[format_number(_tick(tick, card)) for tick in ticks],
        tickfont={"size": 11, "color": palette.ink_2},
        showgrid=False,
        ticks="",
        zeroline=False,
        fixedrange=True,
    )
    figure.update_yaxes(range=[rows - 0.5, -0.5], visible=False, fixedrange=True)
