"""The first half of a recommendation: what is asked, who meets it, and which measurements all of those share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from peft_core.compare.candidates import Candidate
from peft_core.compare.evidence import Evidence
from peft_core.compare.normalise import QUALITY
from peft_core.scenario import ConstraintName, Criterion

CRITERIA: dict[Criterion, tuple[str, ...]] = {
    "footprint": ("trainable_parameters", "storage_bytes"),
    "training_speed": ("training_speed",),
    "inference": ("inference_latency",),
    "quality": (QUALITY,),
    "memory": ("peak_memory",),
    "simplicity": ("simplicity",),
}
"""The metrics behind each criterion, unless a scenario says otherwise; several are averaged."""

LIMITS: dict[ConstraintName, str] = {
    "peak_memory_bytes": "peak_memory",
    "storage_bytes": "storage_bytes",
    "train_seconds": "train_seconds",
    "inference_latency_p95_seconds": "inference_latency_p95",
    "switch_seconds": "switch_time",
}
"""Constraints that are an upper limit on the mean of a metric."""


@dataclass(frozen=True)
class Question:
    """What is asked: weights (rescaled to sum to 1), upper limits, and the share of full's gain to keep.

    criteria: the metrics behind each criterion. more_seeds: answer as if so many more seeds had been run, with the same
    means and spreads.
    """

    weights: Mapping[Criterion, float]
    constraints: Mapping[ConstraintName, float] = field(default_factory=dict)
    quality_floor: float = 0.95
    draws: int = 2_000
    seed: int = 0
    criteria: Mapping[Criterion, tuple[str, ...]] = field(default_factory=lambda: CRITERIA)
    more_seeds: int = 0


@dataclass(frozen=True)
class Veto:
    """A candidate ruled out: its `value` of `metric` does not meet `limit`. `constraint` None: the quality floor.

    p_best: the share of draws in which it would be the best after all, because its quality is good enough in them.
    """

    key: int
    constraint: ConstraintName | None
    metric: str
    value: float | None
    limit: float
    p_best: float = 0.0


@dataclass(frozen=True)
class Standing:
    """Who is left, and by which measurements they are ranked; `cause` says why there is nothing to rank.

    challengers: candidates that nothing but their quality ruled out. least_below_best: how far below the best a quality
    may lie, where that was asked.
    """

    kept: tuple[Candidate, ...] = ()
    challengers: tuple[Candidate, ...] = ()
    vetoed: tuple[Veto, ...] = ()
    left_out: tuple[tuple[int, str], ...] = ()
    dropped: Mapping[Criterion, str] = field(default_factory=dict)
    dropped_metrics: tuple[str, ...] = ()
    weights: Mapping[Criterion, float] = field(default_factory=dict)
    metrics: Mapping[Criterion, tuple[str, ...]] = field(default_factory=dict)
    least_below_best: float | None = None
    cause: str | None = None


def standing(evidence: Evidence, question: Question) -> Standing:
    """Constraints, then the quality veto, then what all of those left have in common. Nothing is drawn here."""
    scale = evidence.quality_scale()
    if scale is None or not scale.defined:
        return Standing(cause="references" if scale is None else "gain")
    rows = sorted(evidence.candidates, key=lambda row: row.key)
    over = {row.key: veto for row in rows if (veto := _over_limit(row, question)) is not None}
    rows = [row for row in rows if row.key not in over]
    best, below = _best(rows, question)
    least = scale.floor + question.quality_floor * (scale.full - scale.floor)
    poor = {row.key: veto for row in rows if (veto := _too_poor(row, least, best, below)) is not None}
    found = _in_common([row for row in rows if row.key not in poor], evidence, question)
    needed = _needed(found.metrics)
    return replace(
        found,
        challengers=tuple(row for row in rows if row.key in poor and _wanting(row, needed) is None),
        vetoed=tuple(veto for _, veto in sorted((over | poor).items())),
        least_below_best=below,
    )


def _over_limit(row: Candidate, question: Question) -> Veto | None:
    """The first upper limit that a row does not meet; what was not measured meets none."""
    for name, limit in question.constraints.items():
        if name in LIMITS:
            value = row.mean(LIMITS[name])
            if value is None or value > limit:
                return Veto(row.key, name, LIMITS[name], value, limit)
    return None


def _best(rows: Sequence[Candidate], question: Question) -> tuple[float, float | None]:
    """The best quality within all limits, and how far below it a quality may lie; None: as far as it likes."""
    within = question.constraints.get("quality_standard_errors")
    measured = [(mean, row.quality_error) for row in rows if (mean := row.mean(QUALITY)) is not None]
    best, error = max(measured, default=(0.0, 0.0))
    return best, None if within is None else within * error


def _too_poor(row: Candidate, least: float, best: float, below: float | None) -> Veto | None:
    quality = row.mean(QUALITY)
    if quality is None:
        return None
    if quality < least:
        return Veto(row.key, None, QUALITY, quality, least)
    if below is not None and quality < best - below:
        return Veto(row.key, "quality_standard_errors", QUALITY, quality, best - below)
    return None


def _in_common(rows: Sequence[Candidate], evidence: Evidence, question: Question) -> Standing:
    """The metrics that every row can have, and the rows that have them all.

    A metric that some row lacks although nothing failed is dropped for all, quality never; a row that failed to give
    one is left out with the first that it wants.
    """
    asked = {name: question.criteria[name] for name, weight in question.weights.items() if weight > 0}
    metrics = {name: tuple(key for key in keys if _usable(key, rows, evidence)) for name, keys in asked.items()}
    dropped = {name: next(key for key in asked[name] if key not in keys) for name, keys in metrics.items() if not keys}
    metrics = {name: keys for name, keys in metrics.items() if keys}
    needed, total = _needed(metrics), sum(question.weights[name] for name in metrics)
    kept = tuple(row for row in rows if _wanting(row, needed) is None)
    return Standing(
        kept=kept,
        left_out=tuple((row.key, lacks) for row in rows if (lacks := _wanting(row, needed)) is not None),
        dropped=dropped,
        dropped_metrics=tuple(key for keys in asked.values() for key in keys if key not in needed),
        weights={name: question.weights[name] / total for name in metrics},
        metrics=metrics,
        cause="candidates" if not kept else None if metrics else "weights",
    )


def _usable(metric: str, rows: Sequence[Candidate], evidence: Evidence) -> bool:
    lacking = any(metric not in row.values and metric not in row.unsuccessful for row in rows)
    return metric == QUALITY or (evidence.has_scale(metric) and not lacking)


def _needed(metrics: Mapping[Criterion, tuple[str, ...]]) -> list[str]:
    return [QUALITY, *(key for keys in metrics.values() for key in keys)]


def _wanting(row: Candidate, needed: Sequence[str]) -> str | None:
    return next((metric for metric in needed if not row.values.get(metric)), None)
