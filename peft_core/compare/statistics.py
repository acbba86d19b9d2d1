"""Intervals and differences, with one definition of "different" for every mark, verdict and p-value."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float64]
"""Item scores of one configuration, shape (seeds, items)."""

ALPHA = 0.05


def t_interval(values: Sequence[float], level: float = 1 - ALPHA) -> tuple[float, float] | None:
    """Student's interval for the mean over seeds; None for fewer than two values."""
    from scipy import stats

    if len(values) < 2:
        return None
    mean, error = float(np.mean(values)), standard_error(values)
    half = float(stats.t.ppf((1 + level) / 2, len(values) - 1)) * error
    return mean - half, mean + half


def standard_error(values: Sequence[float]) -> float:
    """Standard error of the mean over seeds; needs two values."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))


def binomial_error(share: float, items: int) -> float:
    """Standard error of a counted share over test items."""
    return float(np.sqrt(max(share * (1 - share), 0.0) / items))


def wilson(successes: float, items: int, level: float = 1 - ALPHA) -> tuple[float, float]:
    """Wilson's interval for a share of counted items (Wilson 1927): over test items, not seeds."""
    from scipy import stats

    z = float(stats.norm.ppf((1 + level) / 2))
    share = successes / items
    centre = (share + z**2 / (2 * items)) / (1 + z**2 / items)
    half = z / (1 + z**2 / items) * np.sqrt(share * (1 - share) / items + z**2 / (4 * items**2))
    return float(centre - half), float(centre + half)


@dataclass(frozen=True)
class PairedDifference:
    """D = mean over seeds and items of the per-item difference, with the noise of seeds and of items together."""

    value: float
    standard_error: float
    degrees_of_freedom: float
    p_value: float
    seeds: int

    def interval(self, alpha: float = ALPHA) -> tuple[float, float]:
        """The 1 - alpha interval; it excludes 0 exactly when p_value < alpha."""
        from scipy import stats

        if self.standard_error == 0:
            return self.value, self.value
        half = float(stats.t.ppf(1 - alpha / 2, self.degrees_of_freedom)) * self.standard_error
        return self.value - half, self.value + half


def paired_difference(first: Scores, second: Scores) -> PairedDifference:
    """first - second, paired by seed and item.

    SE^2 = var(per-seed means) / k + var(per-item means) / n, degrees of freedom by Welch and Satterthwaite. With one
    seed only items vary: then it speaks of these two trained models, not of the methods.
    """
    assert first.shape == second.shape, "the same seeds and items"
    difference = first - second
    seeds, items = difference.shape
    parts = [(float(np.var(difference.mean(axis=0), ddof=1)) / items, items - 1)] if items > 1 else []
    if seeds > 1:
        parts.append((float(np.var(difference.mean(axis=1), ddof=1)) / seeds, seeds - 1))
    return _difference(float(difference.mean()), parts, seeds)


def unpaired_difference(
    first: Sequence[float], second: Sequence[float], counted_items: tuple[int, int] | None = None
) -> PairedDifference:
    """mean(first) - mean(second) over seeds that do not pair and without item scores (Welch 1947).

    `counted_items`: of how many test items each value is a share; their binomial variance is then added, known so well
    that it takes no degrees of freedom. Each side needs two values.
    """
    parts: list[tuple[float, float]] = [
        (float(np.var(values, ddof=1)) / len(values), len(values) - 1) for values in (first, second)
    ]
    for values, items in zip((first, second), counted_items or (), strict=False):
        parts.append((binomial_error(float(np.mean(values)), items) ** 2, float("inf")))
    return _difference(float(np.mean(first) - np.mean(second)), parts, min(len(first), len(second)))


def welch_satterthwaite(parts: Sequence[tuple[float, float]]) -> float:
    """Degrees of freedom of a sum of variances, each with its own: (sum v)^2 / sum(v^2 / df)."""
    variance = sum(part for part, _ in parts)
    shares = sum(part**2 / degrees for part, degrees in parts)
    return variance**2 / shares if shares > 0 else float("inf")


def _difference(value: float, parts: Sequence[tuple[float, float]], seeds: int) -> PairedDifference:
    from scipy import stats

    variance = sum(part for part, _ in parts)
    if variance == 0:
        return PairedDifference(value, 0.0, float("inf"), 1.0 if value == 0 else 0.0, seeds)
    freedom, error = welch_satterthwaite(parts), float(np.sqrt(variance))
    p_value = float(2 * stats.t.sf(abs(value) / error, freedom))
    return PairedDifference(value, error, freedom, p_value, seeds)


@dataclass(frozen=True)
class Corrected:
    """What Holm's procedure says of one comparison among many. `level` is the alpha it was judged at."""

    p_value: float
    level: float
    rejected: bool


def holm(p_values: Sequence[float], alpha: float = ALPHA) -> list[Corrected]:
    """Holm's step-down correction (Holm 1979), in the order given.

    `level` makes an interval that agrees with the decision: alpha / (m - rank) for what is rejected, and for the rest
    the level at which the procedure stopped.
    """
    count = len(p_values)
    order = sorted(range(count), key=lambda i: p_values[i])
    stop = next((rank for rank, i in enumerate(order) if p_values[i] >= alpha / (count - rank)), count)
    found: dict[int, Corrected] = {}
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (count - rank) * p_values[i]))
        found[i] = Corrected(largest, alpha / (count - min(rank, stop)), rank < stop)
    return [found[i] for i in range(count)]
