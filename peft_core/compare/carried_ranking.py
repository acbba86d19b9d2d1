"""Ranking what was carried over from other studies: the recommendation's scores, with the errors of carrying."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from peft_core.compare.lookup import NOTHING, Estimate
from peft_core.compare.normalise import QUALITY_CEILING
from peft_core.compare.recommend import CRITERIA, QUALITY
from peft_core.metric import LinearAnchors, metrics
from peft_core.scenario import Criterion

Array = npt.NDArray[np.float64]
Estimates = Mapping[tuple[str, str], Estimate]


@dataclass(frozen=True)
class CarriedRank:
    """`p_best` None: how far figures may be off is not known, so that nothing can be drawn."""

    name: str
    score: float
    p_best: float | None


@dataclass(frozen=True)
class CarriedRanking:
    """`ranked` by score. `below_floor`: those that keep too little of full's gain. `lacking`: those without a quality.
    `dropped`: criteria of which some candidate has no figure, left out for all, with that metric."""

    ranked: tuple[CarriedRank, ...] = ()
    below_floor: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    dropped: Mapping[Criterion, str] = field(default_factory=dict)
    weights: Mapping[Criterion, float] = field(default_factory=dict)


def natural(metric: str, value: float) -> float:
    """From the scale on which a figure is carried to the one on which it is read: a ratio, a share of full
    fine-tuning's gain, or the value itself."""
    if metric == QUALITY or isinstance(metrics()[metric].anchors, LinearAnchors):
        return value
    return 0.0 if value <= math.log(NOTHING) else math.exp(value)


def rank_carried(
    estimates: Estimates,
    names: Sequence[str],
    weights: Mapping[Criterion, float],
    *,
    quality_floor: float,
    draws: int = 2_000,
    seed: int = 0,
) -> CarriedRanking:
    """The candidates `names` by sum w u over the same anchors as everywhere; draws are of Student's t with each
    figure's error, as its interval is."""
    lacking = tuple(name for name in names if (name, QUALITY) not in estimates)
    judged = [name for name in names if name not in lacking]
    below = tuple(name for name in judged if estimates[name, QUALITY].value < quality_floor)
    kept = [name for name in judged if name not in below]
    dropped = _dropped(estimates, kept)
    used = {name: weight for name, weight in weights.items() if weight > 0 and name not in dropped}
    total = sum(used.values())
    if not kept or not total:
        return CarriedRanking((), below, lacking, dropped)
    shares = {name: weight / total for name, weight in used.items()}
    ranked = _ranked(estimates, kept, shares, draws, seed)
    return CarriedRanking(tuple(ranked), below, lacking, dropped, shares)


def _dropped(estimates: Estimates, kept: Sequence[str]) -> dict[Criterion, str]:
    found: dict[Criterion, str] = {}
    for criterion, keys in CRITERIA.items():
        lacking = next((key for key in keys for name in kept if (name, key) not in estimates), None)
        if lacking is not None:
            found[criterion] = lacking
    return found


def _ranked(
    estimates: Estimates, kept: Sequence[str], shares: Mapping[Criterion, float], draws: int, seed: int
) -> list[CarriedRank]:
    expected = np.zeros(len(kept))
    drawn = np.zeros((draws, len(kept)))
    known = True
    for criterion, weight in shares.items():
        for metric in CRITERIA[criterion]:
            share = weight / len(CRITERIA[criterion])
            figures = [estimates[name, metric] for name in kept]
            errors = [figure.error for figure in figures]
            known = known and None not in errors
            random = np.random.default_rng([seed, *metric.encode()])
            degrees = max(1, *(figure.degrees for figure in figures))
            noise = random.standard_t(degrees, (draws, len(kept))) * np.array([error or 0.0 for error in errors])
            values = np.array([figure.value for figure in figures])
            expected += share * _scores(metric, values[None, :])[0]
            drawn += share * _scores(metric, values + noise)
    first = np.bincount(drawn.argmax(axis=1), minlength=len(kept)) / draws
    rows = [
        CarriedRank(name, float(expected[place]), float(first[place]) if known else None)
        for place, name in enumerate(kept)
    ]
    return sorted(rows, key=lambda row: (-row.score, row.name))


def _scores(metric: str, values: Array) -> Array:
    """u of carried figures, elementwise."""
    if metric == QUALITY:
        return np.clip(values, 0, QUALITY_CEILING) / QUALITY_CEILING
    card = metrics()[metric]
    anchors = card.anchors
    assert anchors is not None, "a criterion is a metric with a score"
    if isinstance(anchors, LinearAnchors):
        return np.clip((values - anchors.worst) / (anchors.best - anchors.worst), 0, 1)
    gained = values if card.better == "higher" else -values
    scores: Array = np.clip((gained - math.log(anchors.lo)) / math.log(anchors.hi / anchors.lo), 0, 1)
    return scores
