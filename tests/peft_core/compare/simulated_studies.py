"""Studies whose true qualities are known, drawn fast: items of shared difficulty, seeds that move a method's mean."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from peft_core.compare.recommend import Candidate, Evidence

Array = npt.NDArray[np.float64]

QUALITY_OF_FULL, FLOOR = 0.88, 0.5
PILOTS = 400


@dataclass(frozen=True)
class Design:
    """seed_spread: standard deviation of a method's true share over seeds. shared, own: how much of an item's luck is
    the item's for all methods, and the item's for one method in every seed; what is left is drawn anew each time."""

    seed_spread: float
    seeds: int
    methods: int = 2
    items: int = 300
    shared: float = 0.5
    own: float = 0.2

    def scores(self, effects: Array, random: np.random.Generator) -> Array:
        """0/1 of one study, (methods, seeds, items)."""
        rows = len(effects)
        share = QUALITY_OF_FULL + effects[:, None] + self.seed_spread * random.standard_normal((rows, self.seeds))
        bar = stats.norm.ppf(np.clip(share, 0.02, 0.98))
        luck = np.sqrt(self.shared) * random.standard_normal(self.items)
        luck = luck + np.sqrt(self.own) * random.standard_normal((rows, 1, self.items))
        rest = np.sqrt(1 - self.shared - self.own)
        luck = luck + rest * random.standard_normal((rows, self.seeds, self.items))
        scores: Array = (luck < bar[:, :, None]).astype(np.float64)
        return scores

    def standard_error(self, random: np.random.Generator) -> float:
        """True standard error of the difference of two methods' means."""
        means = np.array([self.scores(np.zeros(2), random).mean(axis=(1, 2)) for _ in range(PILOTS)])
        return float(np.std(means[:, 0] - means[:, 1]))


@dataclass(frozen=True)
class SimulatedStudy:
    """`evidence` of methods with keys 1, 2 ... whose true qualities differ by `effects`."""

    evidence: Evidence
    effects: Array

    @property
    def truly_best(self) -> int:
        return int(np.argmax(self.effects)) + 1


def simulate(design: Design, studies: int, seed: int, *, spread_of_effects: float = 1.5) -> Iterator[SimulatedStudy]:
    """Effects from N(0, spread_of_effects x the standard error of a difference); the first method's is 0 where there
    are two, so that their difference has that spread."""
    random = np.random.default_rng(seed)
    error = design.standard_error(random)
    for _ in range(studies):
        effects = random.normal(0, spread_of_effects * error, design.methods)
        if design.methods == 2:
            effects[0] = 0.0
        scores = design.scores(np.append(effects, 0.0), random)
        yield SimulatedStudy(_evidence(scores), effects)


def _evidence(scores: Sequence[Array] | Array) -> Evidence:
    rows = [_candidate(key, found) for key, found in enumerate(scores, start=1)]
    untuned = Candidate(1_000, {"task_performance": (FLOOR,)})
    return Evidence(rows[:-1], rows[-1], untuned)


def _candidate(key: int, scores: Array) -> Candidate:
    shares = tuple(float(share) for share in scores.mean(axis=1))
    return Candidate(key, {"task_performance": shares}, scores, seeds=tuple(range(len(scores))))
