"""How a learned weight change is spread over its directions: the singular values of each layer's update.

Pure: `peft_core.analysis.weight_change` reads what a run has changed.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peft_core.model_shape import Role
from peft_core.spec import Frozen

SPECTRUM = "spectrum.json"
"""The file that a reporting run leaves beside its adapter: a Spectrum."""

SIGNIFICANT_DIGITS = 7
"""Of a stored singular value; what was trained has no more (float32)."""

TRAINED_PRECISION = float(np.finfo(np.float32).eps)
"""Relative precision of the numbers that an update is made of: every method trains float32."""


class LayerSpectrum(Frozen):
    """The update Delta W = W_after - W_before of one linear layer."""

    layer: str
    """Its path in the loaded model."""
    role: Role
    d_in: int
    d_out: int
    relative_change: float
    """Frobenius norm of the update over that of the weights before."""
    rounding_floor: float
    """A singular value below it may be rounding and nothing else; see `rounding_floor`."""
    singular_values: tuple[float, ...]
    """Those above the floor, the largest first. Of min(d_in, d_out) that there are, the rest is rounding or zero."""


class Spectrum(Frozen):
    """The updates of a run's linear layers. `missing` says why there is none."""

    layers: tuple[LayerSpectrum, ...] = ()
    """Those that the run has changed, in the model's order."""
    unchanged: int = 0
    """Linear layers of the transformer layers looked at whose weights are exactly as they were."""
    looked_at: str
    """Which of the model's transformer layers were looked at, in words."""
    seconds: float
    """What it took."""
    missing: str | None = None


def cumulative_energy(singular_values: ArrayLike) -> NDArray[np.float64]:
    """The share of the energy (the sum of all squared singular values) that the first r hold, for r = 1 .. n."""
    held = np.cumsum(np.square(np.asarray(singular_values, dtype=np.float64)))
    return np.asarray(held / held[-1])


def approximation_error(singular_values: ArrayLike) -> NDArray[np.float64]:
    """The relative Frobenius error of the best approximation of rank r, for r = 1 .. n.

    sqrt(sum_{i > r} s_i^2 / sum_i s_i^2): no matrix of rank r comes closer than the first r singular directions.
    Eckart and Young, "The approximation of one matrix by another of lower rank", Psychometrika 1, 1936.
    """
    energy = np.square(np.asarray(singular_values, dtype=np.float64))
    # Added up from the smallest: 1 minus the cumulative energy would be rounding where little is left.
    left = np.append(np.cumsum(energy[::-1])[::-1][1:], 0.0)
    return np.asarray(np.sqrt(left / energy.sum()))


def rank_for_energy(singular_values: ArrayLike, share: float) -> int:
    """The fewest singular directions that hold `share` of the energy."""
    return int(np.searchsorted(cumulative_energy(singular_values), share)) + 1


def rounding_floor(update_norm: float, weight_norm: float, weight_precision: float) -> float:
    """What rounding alone can move a singular value of an update by.

    Adding an error E to a matrix moves no singular value by more than its Frobenius norm (Weyl). The update itself is
    made of float32 numbers; adding it to weights and taking those off again rounds once more, at `weight_precision`
    (the relative spacing of the numbers that hold the sum) of the weights' Frobenius norm `weight_norm`.
    """
    return max(TRAINED_PRECISION * update_norm, weight_precision * weight_norm)


def above_floor(singular_values: ArrayLike, floor: float) -> tuple[float, ...]:
    """What is worth storing: the values above the floor, to the digits that mean something."""
    found = np.asarray(singular_values, dtype=np.float64)
    kept = found[found > floor]
    return tuple(float(f"{value:.{SIGNIFICANT_DIGITS}g}") for value in kept)
