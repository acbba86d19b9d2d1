"""Two trained models on counted items, right or wrong: tests and intervals that cannot contradict each other.

Both are score tests, and both intervals hold exactly the differences that the test does not reject. They know test
items only: what they find holds for these two trained models, not for the methods that trained them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import acos, copysign, cos, inf, pi, sqrt

import numpy as np

from peft_core.compare.statistics import ALPHA, Scores

HALVINGS = 40
"""An interval's ends are found by halving; so many leave an error of 1e-12."""


@dataclass(frozen=True)
class ShareDifference:
    """share of the first - share of the second. `score` is the test statistic at an assumed difference."""

    value: float
    p_value: float
    score: Callable[[float], float]
    seeds: int = 1

    def interval(self, alpha: float = ALPHA) -> tuple[float, float]:
        """The 1 - alpha interval; it excludes 0 exactly when p_value < alpha."""
        from scipy import stats

        z = float(stats.norm.ppf(1 - alpha / 2))
        return self._end(-1.0, z), self._end(1.0, z)

    def _end(self, outside: float, z: float) -> float:
        """Between the observed difference and -1 or 1, where |score| has grown to z."""
        inside = self.value
        if abs(self.score(outside)) <= z:
            return outside
        for _ in range(HALVINGS):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if abs(self.score(middle)) <= z else (inside, middle)
        return inside


def mcnemar(first: Scores, second: Scores) -> ShareDifference:
    """McNemar's test (McNemar 1947) on 0/1 scores of the same items, (b - c)^2 / (b + c) without continuity correction,
    and the score interval that goes with it (Tango 1998). b, c: items that only the first, only the second got right.

    Fagerland, Lydersen and Laake 2013 find its level at most 5.4 % where 5 % is asked.
    """
    wins, losses, items = int(np.sum(first > second)), int(np.sum(first < second)), int(first.size)

    def score(difference: float) -> float:
        return _ratio(wins - losses - items * difference, _tango_variance(wins, losses, items, difference))

    return ShareDifference((wins - losses) / items, _two_sided(score(0.0)), score)


def _tango_variance(wins: int, losses: int, items: int, difference: float) -> float:
    """Variance of b - c where the shares differ by `difference`: Tango 1998, equations 3 to 6."""
    a = 2 * items
    b = -wins - losses + (2 * items - wins + losses) * difference
    c = -losses * difference * (1 - difference)
    only_second = (sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
    return items * (2 * only_second + difference * (1 - difference))


def two_proportions(first: float, first_items: int, second: float, second_items: int) -> ShareDifference:
    """The two-proportion z test with pooled variance for shares of separate counts, and the score interval that goes
    with it (Mee 1984; method 5 of Newcombe 1998)."""

    def score(difference: float) -> float:
        p = _share_of_second(first, first_items, second, second_items, difference)
        q = min(max(p + difference, 0.0), 1.0)
        variance = q * (1 - q) / first_items + p * (1 - p) / second_items
        return _ratio(first - second - difference, variance)

    return ShareDifference(first - second, _two_sided(score(0.0)), score)


def _share_of_second(first: float, first_items: int, second: float, second_items: int, difference: float) -> float:
    """The likeliest share of the second where the first's is larger by `difference`: the root of a cubic in closed form
    (Miettinen and Nurminen 1985, appendix I)."""
    items, right_second = first_items + second_items, second * second_items
    right = first * first_items + right_second
    l2 = ((first_items + 2 * second_items) * difference - items - right) / (3 * items)
    l1 = ((second_items * difference - items - 2 * right_second) * difference + right) / (3 * items)
    l0 = right_second * difference * (1 - difference) / (2 * items)
    q = l2**3 - 1.5 * l1 * l2 + l0
    p = copysign(sqrt(max(l2**2 - l1, 0.0)), q)
    angle = acos(min(max(q / p**3, -1.0), 1.0)) if p else 0.0
    share = 2 * p * cos((pi + angle) / 3) - l2
    return min(max(share, 0.0, -difference), 1.0, 1.0 - difference)


def _ratio(distance: float, variance: float) -> float:
    """distance / sqrt(variance); where nothing varies any distance is beyond doubt, and none is none."""
    if abs(distance) < 1e-12:
        return 0.0
    return copysign(inf, distance) if variance <= 0 else distance / sqrt(variance)


def _two_sided(z: float) -> float:
    from scipy import stats

    return float(2 * stats.norm.sf(abs(z)))
