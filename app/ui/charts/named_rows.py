"""Rows of a name, a few words and a mark on a shared axis: as readable on a phone as on a desk."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from app.ui.charts.points import Point, text_trace
from app.ui.theme import Palette

ROW_PX = 44
HEAD_PX = 44
FOOT_PX = 10
DROP = 0.2
"""How far the mark lies below the middle of its row, in rows; the words lie as far above."""


@dataclass(frozen=True)
class NamedRow:
    """at: where the mark stands; lo, hi: its interval, None where it has none. symbol, colour: plotly's."""

    name: Point
    words: Point
    hover: Point
    at: float
    lo: float | None
    hi: float | None
    symbol: str
    colour: str


def rows_height(rows: int) -> int:
    """In px, known before anything is drawn so that nothing jumps when it is."""
    return HEAD_PX + ROW_PX * rows + FOOT_PX


def named_rows(rows: Sequence[NamedRow], palette: Palette, *, ends: tuple[float, float], title: str) -> go.Figure:
    """The first row on top. ends: of the axis; title: what it measures, above its ticks."""
    figure = go.Figure()
    figure.add_trace(_lines([(i, ends[0], ends[1]) for i in range(len(rows))], palette.line, 1.0))
    for colour in dict.fromkeys(row.colour for row in rows):
        held = [(i, row.lo, row.hi) for i, row in enumerate(rows) if row.colour == colour]
        spans = [(i, max(lo, ends[0]), min(hi, ends[1])) for i, lo, hi in held if lo is not None and hi is not None]
        figure.add_trace(_lines(spans, colour, 3.0))
    _marks(figure, rows, palette, ends)
    ys = [i - DROP for i in range(len(rows))]
    for at, side, points in (
        (ends[0], "middle right", [row.name for row in rows]),
        (ends[1], "middle left", [row.words for row in rows]),
    ):
        figure.add_trace(text_trace([at] * len(rows), ys, points, palette.ink, textposition=side, size=13))
    _lay_out(figure, palette, len(rows), ends, title)
    return figure


def _lines(spans: Sequence[tuple[int, float, float]], colour: str, width: float) -> go.Scatter:
    xs: list[float | None] = [x for _, lo, hi in spans for x in (lo, hi, None)]
    ys: list[float | None] = [y for i, _, _ in spans for y in (i + DROP, i + DROP, None)]
    return go.Scatter(x=xs, y=ys, mode="lines", line={"color": colour, "width": width}, hoverinfo="skip")


def _marks(figure: go.Figure, rows: Sequence[NamedRow], palette: Palette, ends: tuple[float, float]) -> None:
    """A disc of the surface's colour under a hollow mark keeps the interval's line out of it."""
    xs = [min(max(row.at, ends[0]), ends[1]) for row in rows]
    ys = [i + DROP for i in range(len(rows))]
    under = {"symbol": "circle", "size": 12, "color": palette.surface}
    figure.add_trace(go.Scatter(x=xs, y=ys, mode="markers", marker=under, hoverinfo="skip", cliponaxis=False))
    colours = [row.colour for row in rows]
    symbols = [row.symbol if ends[0] <= row.at <= ends[1] else _off(row.at < ends[0]) for row in rows]
    figure.add_trace(
        go.Scatter(
            x=xs,
            y=ys,
            mode="markers",
            marker={"symbol": symbols, "size": 10, "color": colours, "line": {"width": 1.6, "color": colours}},
            hovertext=[row.hover.text for row in rows],
            hoverinfo="text",
            customdata=[row.hover.numbers for row in rows],
            cliponaxis=False,
        )
    )


def _off(left: bool) -> str:
    return "triangle-left" if left else "triangle-right"


def _lay_out(figure: go.Figure, palette: Palette, rows: int, ends: tuple[float, float], title: str) -> None:
    figure.update_layout(
        template="none",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=False,
        dragmode=False,
        height=rows_height(rows),
        margin={"l": 8, "r": 8, "t": HEAD_PX, "b": FOOT_PX},
        font={"family": palette.font, "size": 12, "color": palette.ink},
        hoverlabel={"bgcolor": palette.surface, "font": {"color": palette.ink, "size": 12}, "align": "left"},
    )
    figure.update_xaxes(
        range=list(ends),
        side="top",
        title={"text": title, "font": {"size": 12, "color": palette.ink_2}, "standoff": 6},
        tickfont={"size": 11, "color": palette.ink_2},
        showgrid=False,
        zeroline=False,
        ticks="",
        fixedrange=True,
    )
    figure.update_yaxes(range=[rows - 0.5, -0.5], visible=False, fixedrange=True)
