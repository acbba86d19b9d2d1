"""The update spectrum of a run, out of the file that the run has left."""

from pathlib import Path

from sqlalchemy import Engine

from app.db.session import team_session
from app.errors import Invalid, NotFound
from app.language import mark, tr
from app.schemas import LayerSpectrum, SpectrumLayer, SpectrumView
from app.services import runs
from app.services.callers import Caller
from app.services.store import stored_file
from peft_core.analysis import update_spectrum
from peft_core.analysis.update_spectrum import SPECTRUM, Spectrum
from peft_core.method import methods


def read_spectrum(engine: Engine, caller: Caller, store: Path, run_id: int, *, layer: str | None) -> SpectrumView:
    """The spectrum of one layer, with the others in short. Raises NotFound for a run that has none, Invalid for a
    layer that the run has not changed."""
    with team_session(engine, caller.team_id) as session:
        run = runs.read_run(session, run_id)
        imported, method = run.source == "imported", methods().get(run.configuration.method)
        title = method.title if method else run.configuration.label
        files = {file.path: file for file in runs.list_artifacts(session, run_id)}
    if imported:
        raise NotFound(
            tr("There is no update spectrum of run {run}: it was imported, and its weights are not here.", run=run_id)
        )
    if SPECTRUM not in files:
        raise NotFound(
            tr("There is no update spectrum of run {run}: reporting runs leave one when they end well.", run=run_id)
        )
    found = Spectrum.model_validate_json(stored_file(store, files[SPECTRUM]).read_bytes())
    return SpectrumView(
        run_id=run_id,
        looked_at=tr(found.looked_at),
        unchanged=found.unchanged,
        seconds=found.seconds,
        missing=_why_none(found.missing, title),
        layers=[_in_short(one) for one in found.layers],
        shown=_in_full(_pick(found, layer)) if found.layers else None,
    )


LOOKED_AT = (
    mark("all transformer layers"),
    mark("the first, the middle and the last transformer layer, for the model is large"),
)
MISSING = (
    mark("{method} trains nothing, so that no weight has changed."),
    mark("{method} changes no weight of the base model: what it trains is put beside or in front of it."),
    mark("The weights are no numbers any more: training diverged in its last steps. Lower the learning rate."),
    mark("{method} leaves the weight matrices of the transformer layers as they are: what it trains lies elsewhere."),
)
"""What a run writes into its file (peft_core.analysis.weight_change), for the reader's language."""


def _why_none(written: str | None, title: str) -> str | None:
    found = next((message for message in MISSING if message.format(method=title) == written), None)
    return written if found is None else tr(found, method=tr(title))


def _pick(found: Spectrum, layer: str | None) -> update_spectrum.LayerSpectrum:
    """The layer asked for, else the one that changed most."""
    if layer is None:
        return max(found.layers, key=lambda one: one.relative_change)
    for one in found.layers:
        if one.layer == layer:
            return one
    raise Invalid(
        tr("The run changed no layer {layer}. Ask for one that `layers` names.", layer=repr(layer)), field="layer"
    )


def _in_short(one: update_spectrum.LayerSpectrum) -> SpectrumLayer:
    return SpectrumLayer(
        layer=one.layer,
        role=one.role,
        relative_change=one.relative_change,
        rank_90=update_spectrum.rank_for_energy(one.singular_values, 0.90),
        rank_99=update_spectrum.rank_for_energy(one.singular_values, 0.99),
    )


def _in_full(one: update_spectrum.LayerSpectrum) -> LayerSpectrum:
    return LayerSpectrum(
        **_in_short(one).model_dump(),
        d_in=one.d_in,
        d_out=one.d_out,
        rounding_floor=one.rounding_floor,
        singular_values=list(one.singular_values),
        cumulative_energy=update_spectrum.cumulative_energy(one.singular_values).tolist(),
        approximation_error=update_spectrum.approximation_error(one.singular_values).tolist(),
    )
