"""Tuning ease: how far a learning rate may be off and still give nearly the best validation score."""

import math
from collections.abc import Mapping

LEAST_POINTS = 5
NEARLY_THE_BEST = 0.01
"""One point of a share. In nats of token loss it is one per cent of the perplexity."""

ROUNDING = 1e-9
"""0.95 - 0.94 is a point too, though not to the last bit."""

PARTS_OF_A_PROBE = 2
"""The parts of simplicity that a probe measures by itself: its checks and its number of hyper-parameters."""


def tuning_ease(scores: Mapping[float, float]) -> float | None:
    """Decades of learning rates around the best one of which each scores within a point of it.

    `scores`: learning rate -> validation score, better when higher. None for fewer than five points. An interval that
    ends with the grid may go on beyond it; the smaller rate is the best one at a tie.
    """
    if len(scores) < LEAST_POINTS:
        return None
    rates = sorted(scores)
    best = max(rates, key=lambda rate: (scores[rate], -rate))
    near = [scores[best] - scores[rate] <= NEARLY_THE_BEST + ROUNDING for rate in rates]
    low = high = rates.index(best)
    while low > 0 and near[low - 1]:
        low -= 1
    while high < len(rates) - 1 and near[high + 1]:
        high += 1
    return math.log10(rates[high] / rates[low])


def with_tuning_ease(simplicity: float, ease: float | None) -> float:
    """Simplicity over all its parts, each 0..1: a decade of ease or more is 1. Without an ease the probe's own mean."""
    if ease is None:
        return simplicity
    return (PARTS_OF_A_PROBE * simplicity + min(1.0, ease)) / (PARTS_OF_A_PROBE + 1)
