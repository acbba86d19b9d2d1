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
    A metric that some candidate has no figure of is left out for all; `dropped`: criteria with none left, each with the
    first that is wanting."""

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
    criteria: Mapping[Criterion, tuple[str, ...]] = CRITERIA,
    draws: int = 2_000,
    seed: int = 0,
) -> CarriedRanking:
    """The candidates `names` by sum w u over the same anchors as everywhere; draws are of Student's t with each
    figure's error, as its interval is."""
    lacking = tuple(name for name in names if (name, QUALITY) not in estimates)
    judged = [name for name in names if name not in lacking]
    below = tuple(name for name in judged if estimates[name, QUALITY].value < quality_floor)
    kept = [name for name in judged if name not in below]
    asked = {name: criteria[name] for name, weight in weights.items() if weight > 0}
    usable = {name: [key for key in keys if _all_have(estimates, kept, key)] for name, keys in asked.items()}
    dropped = {name: asked[name][0] for name, keys in usable.items() if not keys}
    total = sum(weights[name] for name in asked if name not in dropped)
    if not kept or not total:
        return CarriedRanking((), below, lacking, dropped)
    shares = {name: weights[name] / total for name in asked if name not in dropped}
    by_metric = [(key, share / len(usable[name])) for name, share in shares.items() for key in usable[name]]
    ranked = _ranked(estimates, kept, by_metric, draws, seed)
    return CarriedRanking(tuple(ranked), below, lacking, dropped, shares)


def _all_have(estimates: Estimates, kept: Sequence[str], metric: str) -> bool:
    return all((name, metric) in estimates for name in kept)


def _ranked(
    estimates: Estimates, kept: Sequence[str], shares: Sequence[tuple[str, float]], draws: int, seed: int
) -> list[CarriedRank]:
    """shares: (metric, its weight)."""
    expected = np.zeros(len(kept))
    drawn = np.zeros((draws, len(kept)))
    known = True
    for metric, share in shares:
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
