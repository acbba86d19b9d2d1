"""What a run has changed in the linear layers of its base model, for every method that can be merged into it."""

import re
import time
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from peft_core.analysis.update_spectrum import SPECTRUM, LayerSpectrum, Spectrum, above_floor, rounding_floor
from peft_core.model_shape import ModelShape, Role, linear_role
from peft_core.run_state import RunInProgress

if TYPE_CHECKING:
    from torch import Tensor, nn

MOST_PARAMETERS = 300_000_000
"""Up to this size every transformer layer is looked at. A decomposition takes time in proportion to the cube of a
layer's width: seconds for all layers of a decoder of 135M, many minutes for one of 1B."""

LAYER_NUMBER = re.compile(r"(?:^|[._])(?:layers?|blocks?)\.(\d+)\.")


@dataclass(frozen=True)
class MergedLayer:
    """A linear layer with its update. `weight` is float64; `precision` is the relative spacing of the numbers in which
    base weights and update were added up."""

    role: Role
    weight: "Tensor"
    precision: float


def write_spectrum(state: RunInProgress) -> None:
    """Leave spectrum.json in the run's folder. The last to look at the trained model, which it uses up."""
    (state.spec.folder / SPECTRUM).write_text(read_spectrum(state).model_dump_json(), encoding="utf-8")


def read_spectrum(state: RunInProgress) -> Spectrum:
    """The update of every linear layer looked at. Takes `state.model` away, so that memory never holds two models."""
    started = time.perf_counter()
    chosen = _chosen_layers(state.shape)
    merged = _merged_layers(state, chosen)
    finite = {path: layer for path, layer in (merged or {}).items() if bool(layer.weight.isfinite().all())}
    layers = _spectra(state, finite) if finite else ()
    return Spectrum(
        layers=layers,
        unchanged=len(finite) - len(layers),
        looked_at=_in_words(chosen, state.shape.layers),
        seconds=time.perf_counter() - started,
        missing=None if layers else _why_none(state, merged, finite),
    )


def _chosen_layers(shape: ModelShape) -> frozenset[int]:
    """The numbers of the transformer layers looked at: all of them, or the first, the middle and the last."""
    every = range(shape.layers)
    return frozenset(every if shape.parameters <= MOST_PARAMETERS else (every[0], every[shape.layers // 2], every[-1]))


def _lies_in(chosen: frozenset[int], path: str) -> bool:
    """Whether a tensor or module belongs to one of the chosen transformer layers, or to no transformer layer."""
    found = LAYER_NUMBER.search(path)
    return found is None or int(found.group(1)) in chosen


def _merged_layers(state: RunInProgress, chosen: frozenset[int]) -> dict[str, MergedLayer] | None:
    """Path -> layer, None where the method cannot be merged.

    Merged in float64, to which every float32 number is exact, an update keeps the digits that float32 weights would
    round away.
    """
    import torch

    model = state.model
    del state.model
    with torch.no_grad():
        for path, tensor in chain(model.named_parameters(), model.named_buffers()):
            if tensor.is_floating_point() and _lies_in(chosen, path):
                tensor.data = tensor.data.double()
        _leave_unmerged(model, chosen)
        merged = state.loop.method.merge(model)
    if merged is None:
        return None
    # A method that rewrote the base rounded to float32 when it was attached, whatever it is merged in now.
    rounded = torch.float32 if state.loop.method.rewrites_base else None
    return {
        path: MergedLayer(role, _weight(layer), float(torch.finfo(rounded or layer.weight.dtype).eps))
        for path, role, layer in _linears(merged, state.shape.hidden_size)
        if _lies_in(chosen, path)
    }


def _leave_unmerged(model: "nn.Module", chosen: frozenset[int]) -> None:
    """Take the update off the layers that are not looked at: merged, it would be written into tensors that runs which
    trained together share."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for path, module in list(model.named_modules()):
        if isinstance(module, BaseTunerLayer) and not _lies_in(chosen, path):
            model.set_submodule(path, module.get_base_layer())


def _linears(model: "nn.Module", hidden_size: int) -> list[tuple[str, Role, Any]]:
    """Path, role and module of the linear layers inside the transformer layers of a model without adapters."""
    from torch import nn

    found = []
    for path, module in model.named_modules():
        weight = getattr(module, "weight", None)
        if weight is not None and weight.ndim == 2 and not isinstance(module, nn.Embedding):
            role = linear_role(path, weight.shape[1], weight.shape[0], hidden_size)
            found += [(path, role, module)] if role is not None else []
    return found


def _weight(layer: Any) -> "Tensor":
    """A layer's weight matrix in float64; one in 4 bits as the numbers that it multiplies by."""
    weight: Tensor = layer.weight.detach()
    if not weight.is_floating_point():
        from peft.utils.integrations import dequantize_bnb_weight

        weight = dequantize_bnb_weight(layer.weight, layer.weight.quant_state)
    return weight.double()


def _spectra(state: RunInProgress, merged: dict[str, MergedLayer]) -> tuple[LayerSpectrum, ...]:
    """Of the layers that have changed."""
    base = state.fresh_base()
    found = (_spectrum(path, layer, _weight(base.get_submodule(path))) for path, layer in merged.items())
    return tuple(spectrum for spectrum in found if spectrum is not None)


def _spectrum(path: str, layer: MergedLayer, before: "Tensor") -> LayerSpectrum | None:
    import torch

    update = layer.weight - before
    before_norm, norm, change = (float(torch.linalg.matrix_norm(matrix)) for matrix in (before, layer.weight, update))
    floor = rounding_floor(change, norm, layer.precision)
    # torch's decomposition keeps to the run's threads and device; numpy's takes every core there is.
    values = above_floor(torch.linalg.svdvals(update).cpu().numpy(), floor) if change else ()
    if not values:
        return None
    return LayerSpectrum(
        layer=path,
        role=layer.role,
        d_in=update.shape[1],
        d_out=update.shape[0],
        relative_change=change / before_norm,
        rounding_floor=floor,
        singular_values=values,
    )


def _in_words(chosen: frozenset[int], layers: int) -> str:
    if len(chosen) == layers:
        return "all transformer layers"
    return "the first, the middle and the last transformer layer, for the model is large"


def _why_none(state: RunInProgress, merged: dict[str, MergedLayer] | None, finite: dict[str, MergedLayer]) -> str:
    title = state.loop.method.title
    if state.loop.method.learning_rate is None:
        return f"{title} trains nothing, so that no weight has changed."
    if merged is None:
        return f"{title} changes no weight of the base model: what it trains is put beside or in front of it."
    if merged and not finite:
        return "The weights are no numbers any more: training diverged in its last steps. Lower the learning rate."
    return f"{title} leaves the weight matrices of the transformer layers as they are: what it trains lies elsewhere."
