"""Which method is best over the studies at hand, from what their seeds and test items leave open.

Other than a test over studies this says nothing of studies to come: it is what can be said of a few.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Place:
    """A method by its mean over the studies. rank_interval holds 90 % of its ranks among the draws."""

    mean: float
    rank: float
    p_best: float
    rank_interval: tuple[int, int]


def places(expected: Sequence[Sequence[float]], drawn: Sequence[Array]) -> list[Place]:
    """Of each method. expected: (studies, methods); drawn: for each study (draws, methods), or (1, methods) where
    nothing varies. All in one unit, better when higher."""
    draws = max(len(study) for study in drawn)
    means = np.mean([np.broadcast_to(study, (draws, study.shape[1])) for study in drawn], axis=0)
    best = np.bincount(means.argmax(axis=1), minlength=means.shape[1]) / draws
    order = (-means).argsort(axis=1).argsort(axis=1) + 1
    low, high = np.quantile(order, [0.05, 0.95], axis=0)
    table = np.asarray(expected, dtype=np.float64)
    ranked = (-table.mean(axis=0)).argsort().argsort() + 1
    return [
        Place(float(mean), float(ranked[i]), float(best[i]), (int(low[i]), int(np.ceil(high[i]))))
        for i, mean in enumerate(table.mean(axis=0))
    ]
