"""The update of one layer: its singular values, and what the strongest directions hold and leave."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.language import tr
from app.schemas import LayerSpectrum, Number, NumberQuantity
from app.ui.charts.points import Point, entry
from app.ui.numbers import by_formula, format_number
from app.ui.theme import Palette

MOST_POINTS = 48
"""Drawn of a curve, evenly spread on its logarithmic axis."""

MOST_MARKERS = 16
"""More points than these run together, and a dotted line could not be told from a solid one."""

HEIGHT = 330


def spectrum_figure(layer: LayerSpectrum, palette: Palette, *, run_id: int) -> go.Figure:
    """Above: singular values. Below: the energy that the first r directions hold (line) and the relative error of
    keeping no more than them (dots). Marked: the ranks that hold 90 and 99 % of the energy."""
    ranks = _drawn_ranks(layer)
    figure = make_subplots(2, 1, shared_xaxes=True, vertical_spacing=0.14, row_heights=[0.45, 0.55])
    values = [_direction(layer, rank, run_id) for rank in ranks]
    kept = [_kept(layer, rank, run_id) for rank in ranks]
    figure.add_trace(_line(ranks, layer.singular_values, values, palette, "solid"), 1, 1)
    figure.add_trace(_line(ranks, layer.cumulative_energy, kept, palette, "solid"), 2, 1)
    figure.add_trace(_line(ranks, layer.approximation_error, kept, palette, "dot"), 2, 1)
    figure.add_trace(_marks(layer, palette, run_id), 2, 1)
    _lay_out(figure, len(layer.singular_values), palette)
    return figure


def spectrum_number(
    value: float, quantity: NumberQuantity, what: str, run_id: int, layer: str, **place: float
) -> Number:
    """A number of a layer's update with the formula that gives it from the run's file. place: rank or level."""
    at = "".join(f", {name} {number}" for name, number in place.items())
    return by_formula(value, quantity, f"{what}(run {run_id}, layer {layer}{at})", exact=True)


def energy_level(level: float) -> Number:
    """A share of the energy that ranks are given for."""
    return Number(value=level, quantity="probability", statistic="level", formula="energy_level")


def _drawn_ranks(layer: LayerSpectrum) -> list[int]:
    last = len(layer.singular_values)
    spread = np.geomspace(1, last, MOST_POINTS).round().astype(int).tolist()
    return sorted({*spread, layer.rank_90, layer.rank_99})


def _direction(layer: LayerSpectrum, rank: int, run_id: int) -> Point:
    """What the hover says of one direction."""
    value = spectrum_number(layer.singular_values[rank - 1], "series", "singular_value", run_id, layer.layer, rank=rank)
    words = tr("direction {rank}<br>singular value <b>{value}</b>", rank=rank, value=format_number(value))
    return Point(words, [{"id": str(rank)}, entry(value)])


def _kept(layer: LayerSpectrum, rank: int, run_id: int) -> Point:
    """What the hover says of the first `rank` directions."""
    held, left = (
        spectrum_number(curve[rank - 1], "fraction", what, run_id, layer.layer, rank=rank)
        for curve, what in (
            (layer.cumulative_energy, "cumulative_energy"),
            (layer.approximation_error, "approximation_error"),
        )
    )
    words = tr(
        "rank {rank}<br><b>{held}</b> of the energy<br>{left} relative error",
        rank=rank,
        held=format_number(held),
        left=format_number(left),
    )
    return Point(words, [{"id": str(rank)}, entry(held), entry(left)])


def _line(ranks: list[int], curve: list[float], points: list[Point], palette: Palette, dash: str) -> go.Scatter:
    return go.Scatter(
        x=ranks,
        y=[curve[rank - 1] for rank in ranks],
        mode="lines+markers" if len(ranks) <= MOST_MARKERS else "lines",
        line={"color": palette.accent, "width": 1.6, "dash": dash},
        marker={"size": 4},
        hovertext=[point.text for point in points],
        customdata=[point.numbers for point in points],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _marks(layer: LayerSpectrum, palette: Palette, run_id: int) -> go.Scatter:
    """Rings on the energy curve, each with its level and rank beside it; one where both levels have the same rank."""
    ranks = {layer.rank_99: 0.99, layer.rank_90: 0.90}
    shown = [_mark(layer, level, rank, run_id) for rank, level in ranks.items()]
    return go.Scatter(
        x=list(ranks),
        y=[layer.cumulative_energy[rank - 1] for rank in ranks],
        mode="markers+text",
        marker={"size": 9, "color": palette.surface, "line": {"color": palette.accent, "width": 2}},
        text=[point.text for point in shown],
        customdata=[point.numbers for point in shown],
        textposition=["top left", _free_side(layer)][-len(ranks) :],
        textfont={"size": 11, "color": palette.ink},
        hoverinfo="skip",
    )


def _free_side(layer: LayerSpectrum) -> str:
    """Where the words below a mark do not run out of the figure."""
    return "bottom left" if layer.rank_90 > len(layer.singular_values) ** 0.6 else "bottom right"


def _mark(layer: LayerSpectrum, level: float, rank: int, run_id: int) -> Point:
    share = energy_level(level)
    held_by = spectrum_number(rank, "count", "rank_for_energy", run_id, layer.layer, level=level)
    words = tr("{share} at rank {rank}", share=format_number(share), rank=format_number(held_by))
    return Point(words, [entry(share), entry(held_by)])


def _lay_out(figure: go.Figure, last: int, palette: Palette) -> None:
    figure.update_layout(
        height=HEIGHT,
        margin={"l": 56, "r": 16, "t": 24, "b": 40},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=False,
        dragmode=False,
        font={"family": palette.font, "size": 11, "color": palette.ink_2},
    )
    for domain, title in (
        ("y domain", tr("Singular value")),
        ("y2 domain", tr("Cumulative energy (line), approximation error (dots)")),
    ):
        figure.add_annotation(
            text=title, xref="paper", yref=domain, x=0, y=1, xanchor="left", yanchor="bottom", showarrow=False
        )
    ticks = [2**power for power in range(last.bit_length())]
    figure.update_xaxes(type="log", tickvals=ticks, showgrid=False, zeroline=False, linecolor=palette.strong)
    below = {"text": tr("directions, the strongest first"), "standoff": 8, "font": {"size": 11}}
    figure.update_xaxes(title=below, row=2)
    figure.update_yaxes(gridcolor=palette.line, zeroline=False, tickfont={"size": 11})
    figure.update_yaxes(type="log", dtick=1, tickformat="~g", row=1)
    figure.update_yaxes(range=[0, 1.22], tickformat=".0%", tickvals=[0, 0.5, 1], row=2)
