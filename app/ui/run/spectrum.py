"""The update spectrum of a run: in how few directions each layer's weights have changed."""

from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html

from app.language import filled, tr
from app.schemas import LayerSpectrum, NumberQuantity, SpectrumView
from app.ui.charts.spectrum import HEIGHT, energy_level, spectrum_figure, spectrum_number
from app.ui.elements import panel
from app.ui.numbers import by_formula, show
from app.ui.theme import Palette

USUAL_RANK = 16
"""LoRA's recommended rank, which a change of more directions is measured against."""


def spectrum_panel(found: SpectrumView) -> html.Section:
    """What all layers show, a choice of layer, and room for the chosen one."""
    if found.shown is None:
        return panel(tr("Update spectrum"), html.P(found.missing, className="quiet"))
    choice = dmc.Select(
        id="run-layer",
        data=_choices([layer.layer for layer in found.layers]),
        value=found.shown.layer,
        searchable=True,
        allowDeselect=False,
        size="xs",
        className="spectrum-layer",
        attributes={"input": {"aria-label": tr("Layer")}},
    )
    words = html.P(_all_layers(found), **{"data-region": "evidence"})
    return panel(tr("Update spectrum"), [words, html.Div(id="run-layer-shown")], choice)


def _choices(layers: list[str]) -> list[dict[str, str]]:
    """Paths as a person tells them apart: without the beginning that all have ("5.attention.self.value")."""
    paths = [layer.split(".") for layer in layers]
    shared = next((place for place, parts in enumerate(zip(*paths, strict=False)) if len({*parts}) > 1), 0)
    return [{"value": ".".join(path), "label": ".".join(path[shared:])} for path in paths]


def _all_layers(found: SpectrumView) -> list[Any]:
    """How many layers changed, and how many directions hold their energy."""
    changed = _count(found, len(found.layers), "layers_changed")
    looked_at = _count(found, len(found.layers) + found.unchanged, "layers_looked_at")
    ranks = [layer.rank_90 for layer in found.layers]
    least, most = _count(found, min(ranks), "least_rank_90"), _count(found, max(ranks), "most_rank_90")
    span = [least] if min(ranks) == max(ranks) else filled("{least} to {most}", least=least, most=most)
    return filled(
        "{changed} of {count} linear layers in {where} changed. {level} of a change's energy (its squared singular"
        " values) lies in {span} directions.",
        changed=changed,
        count=looked_at,
        where=found.looked_at,
        level=_level(0.90),
        span=html.Span(span),
    )


def _count(found: SpectrumView, value: int, what: str) -> html.Span:
    return show(by_formula(value, "count", f"{what}(run {found.run_id})", exact=True))


def _level(level: float) -> html.Span:
    return show(energy_level(level))


def layer_shown(layer: LayerSpectrum, palette: Palette, run_id: int) -> list[Any]:
    """The chosen layer as a figure and in words."""
    graph = dcc.Graph(
        figure=spectrum_figure(layer, palette, run_id=run_id),
        config={"displayModeBar": False},
        style={"height": HEIGHT},
    )
    said = tr(
        "Singular values of the change of {layer}, and the energy that its strongest directions hold", layer=layer.layer
    )
    figure = html.Div(graph, role="img", **{"aria-label": said, "data-figure": "evidence"})
    return [figure, html.P(_in_words(layer, run_id), className="quiet", **{"data-region": "evidence"})]


def _in_words(layer: LayerSpectrum, run_id: int) -> list[Any]:
    """How much the layer changed, in how many directions, and what a usual rank would lose of it."""

    def number(value: float, quantity: NumberQuantity, what: str, **place: float) -> html.Span:
        return show(spectrum_number(value, quantity, what, run_id, layer.layer, **place))

    kept, most = len(layer.singular_values), min(layer.d_in, layer.d_out)
    words = filled(
        "This layer changed by {change} of its weights' norm, in {kept} of {most} directions. {level_90} of its energy"
        " lies in {rank_90} of them, {level_99} in {rank_99}.",
        change=number(layer.relative_change, "fraction", "relative_change"),
        kept=number(kept, "count", "directions"),
        most=number(most, "count", "most_directions"),
        level_90=_level(0.90),
        rank_90=number(layer.rank_90, "count", "rank_for_energy", level=0.90),
        level_99=_level(0.99),
        rank_99=number(layer.rank_99, "count", "rank_for_energy", level=0.99),
    )
    if kept > USUAL_RANK:
        missed = number(layer.approximation_error[USUAL_RANK - 1], "fraction", "approximation_error", rank=USUAL_RANK)
        rank = html.Span(tr("rank {rank}", rank=USUAL_RANK), **{"data-id": str(USUAL_RANK)})
        words += [" ", *filled("The best update of {rank} would miss it by {error}.", rank=rank, error=missed)]
    if kept < most:
        floor = number(layer.rounding_floor, "series", "rounding_floor")
        words += [" ", *filled("Singular values below {floor} are rounding and are left out.", floor=floor)]
    return words
