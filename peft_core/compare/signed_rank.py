"""Two methods over several studies: the Bayesian signed-rank test with a region of practical equivalence.

Benavoli, Mangili, Corani, Zaffalon and Ruggeri, "A Bayesian Wilcoxon signed-rank test based on the Dirichlet process"
(ICML 2014), with the region of Benavoli, Corani, Demsar and Zaffalon, "Time for a change" (JMLR 18, 2017). Same prior
and same treatment of ties as their package baycomp, which would bring matplotlib with it for thirty lines.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

LEAST_STUDIES = 8
"""From so many comparable studies on the test is asked."""
ROPE = 0.02
"""Differences within two hundredths of full fine-tuning's gain are practically none."""
PRIOR_STRENGTH = 0.5
"""Weight of the one pseudo-observation at 0, beside 1 for each study."""
DRAWS, SEED = 20_000, 0


@dataclass(frozen=True)
class SignedRank:
    """What a study to come may show. Each row of `draws` is a distribution over (first better, equal, second better);
    the probabilities are the shares of draws in which each of the three is the largest."""

    first: float
    equal: float
    second: float
    draws: Array


def signed_rank(
    differences: Sequence[float], rope: float = ROPE, *, draws: int = DRAWS, seed: int = SEED
) -> SignedRank:
    """The posterior for first - second, one difference for each study, all in one unit with `rope`."""
    observed = np.array([0.0, *differences])
    sums = observed[:, None] + observed[None, :]
    strength = np.array([PRIOR_STRENGTH, *[1.0] * len(differences)])
    weights = np.random.default_rng(seed).dirichlet(strength, draws)
    above, below = (((weights @ _beyond(side, 2 * rope)) * weights).sum(axis=1) for side in (sums, -sums))
    drawn = np.stack([above, 1 - above - below, below], axis=1).clip(0, 1)
    shares = np.bincount(drawn.argmax(axis=1), minlength=3) / draws
    return SignedRank(float(shares[0]), float(shares[1]), float(shares[2]), drawn)


def _beyond(sums: Array, limit: float) -> Array:
    """1 where a pair's sum lies beyond the limit, a half where it lies on it."""
    beyond: Array = (sums > limit).astype(np.float64) + 0.5 * (sums == limit)
    return beyond
