"""Who goes on from the first rung of successive halving (Jamieson and Talwalkar 2016), and at what place."""

import math
from collections.abc import Mapping


def going_on(tried: int) -> int:
    """Of so many learning rates the better half, rounded down: with the larger half of five, and a first rung of half
    the steps, halving would cost more than the whole grid."""
    return tried // 2


def ranked(scores: Mapping[float, float]) -> list[float]:
    """Learning rates by their score in the first rung, better when higher, the best first.

    Of equal scores the rate nearer to the best one goes first, for good rates lie side by side; then the smaller.
    """
    if not scores:
        return []
    best = min(scores, key=lambda rate: (-scores[rate], rate))
    return sorted(scores, key=lambda rate: (-scores[rate], abs(math.log(rate / best)), rate))


def places(scores: Mapping[float, float], tried: int) -> int:
    """How many of the rates that have a score go on, of so many tried. Where all score the same nothing has learned
    yet: the first rung says nothing, and nobody is left out for it."""
    return going_on(tried) if len(set(scores.values())) > 1 else len(scores)
