"""Many methods over several studies: Friedman's test and Nemenyi's critical difference, as in Demsar, "Statistical
Comparisons of Classifiers over Multiple Data Sets" (JMLR 7, 2006)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf, sqrt

import numpy as np
import numpy.typing as npt

from peft_core.compare.statistics import ALPHA

Array = npt.NDArray[np.float64]

LEAST_STUDIES = 8
"""From so many studies on that have every method the test is asked."""
LEAST_METHODS = 3
"""Of two, the signed-rank test says more."""


@dataclass(frozen=True)
class Friedman:
    """mean_ranks: 1 is best. statistic: Iman and Davenport's F of Friedman's chi-square, with p_value from F(k - 1,
    (k - 1)(N - 1)). critical_difference: mean ranks that are at least so far apart differ (Nemenyi)."""

    studies: int
    mean_ranks: tuple[float, ...]
    chi_square: float
    statistic: float
    p_value: float
    critical_difference: float
    alpha: float = ALPHA

    @property
    def rejected(self) -> bool:
        """Whether the methods are shown to differ at all."""
        return self.p_value < self.alpha

    @cached_property
    def groups(self) -> list[tuple[int, ...]]:
        """The widest runs of methods, from the best rank on, that are not shown to differ, each of two or more. All
        together where Friedman's test finds no difference."""
        order = sorted(range(len(self.mean_ranks)), key=lambda method: (self.mean_ranks[method], method))
        if not self.rejected:
            return [tuple(order)]
        runs = [tuple(other for other in order[i:] if self._near(order[i], other)) for i in range(len(order))]
        inside = [any(set(run) <= set(wider) for wider in runs[:i]) for i, run in enumerate(runs)]
        return [run for run, hidden in zip(runs, inside, strict=True) if len(run) > 1 and not hidden]

    def _near(self, one: int, other: int) -> bool:
        return abs(self.mean_ranks[one] - self.mean_ranks[other]) < self.critical_difference


def ranks(qualities: Array) -> Array:
    """The place of each method in each study, 1 for the highest quality; equal ones share the mean of their places.

    qualities: (studies, methods), better when higher.
    """
    from scipy import stats

    found: Array = stats.rankdata(-qualities, axis=1)
    return found


def friedman(qualities: Sequence[Sequence[float]], alpha: float = ALPHA) -> Friedman:
    """The test over studies that all have every method: (studies, methods), better when higher; two or more of both."""
    from scipy import stats

    table = np.asarray(qualities, dtype=np.float64)
    studies, methods = table.shape
    mean_ranks = ranks(table).mean(axis=0)
    spread = float((mean_ranks**2).sum()) - methods * (methods + 1) ** 2 / 4
    chi_square = max(0.0, 12 * studies / (methods * (methods + 1)) * spread)
    left = studies * (methods - 1) - chi_square
    statistic = (studies - 1) * chi_square / left if left > 1e-9 else inf
    p_value = float(stats.f.sf(statistic, methods - 1, (methods - 1) * (studies - 1)))
    return Friedman(
        studies=studies,
        mean_ranks=tuple(float(rank) for rank in mean_ranks),
        chi_square=chi_square,
        statistic=statistic,
        p_value=p_value,
        critical_difference=critical_difference(methods, studies, alpha),
        alpha=alpha,
    )


def critical_difference(methods: int, studies: int, alpha: float = ALPHA) -> float:
    """Nemenyi's q sqrt(k (k + 1) / (6 N)), with q from the Studentised range over sqrt 2."""
    from scipy import stats

    q = float(stats.studentized_range.ppf(1 - alpha, methods, inf)) / sqrt(2)
    return q * sqrt(methods * (methods + 1) / (6 * studies))
