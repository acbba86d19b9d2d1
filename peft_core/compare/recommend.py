"""Which method fits a case: constraints, quality veto, weighted score, and how sure the answer is.

Pure: numbers in, numbers out. Sentences are made where the numbers' sources are known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from peft_core.compare.normalise import QUALITY_CEILING, QualityScale
from peft_core.compare.pareto import on_front
from peft_core.compare.statistics import ALPHA, Scores, paired_difference, standard_error
from peft_core.metric import LinearAnchors, metrics
from peft_core.scenario import ConstraintName, Criterion

Array = npt.NDArray[np.float64]
Verdict = Literal["clear", "lean", "no clear winner", "not enough evidence"]

QUALITY = "task_performance"
CRITERIA: dict[Criterion, tuple[str, ...]] = {
    "footprint": ("trainable_parameters", "storage_bytes"),
    "training_speed": ("training_speed",),
    "inference": ("inference_latency",),
    "quality": (QUALITY,),
    "memory": ("peak_memory",),
    "simplicity": ("simplicity",),
}
"""The metrics behind each criterion; several are averaged."""

LIMITS: dict[ConstraintName, str] = {
    "peak_memory_bytes": "peak_memory",
    "storage_bytes": "storage_bytes",
    "train_seconds": "train_seconds",
    "inference_latency_p95_seconds": "inference_latency_p95",
}
"""Constraints that are an upper limit on the mean of a metric."""

CLEAR = 0.975
LEAN = 0.8


@dataclass(frozen=True)
class Candidate:
    """A configuration's evidence: values per seed by metric, and item scores (seeds, items) of the test split.

    `unsuccessful`: metrics that it should have and does not, for a run failed or has not ended. `counted_items`: how
    many test items a counted share was taken over, where no item scores are at hand (imports).
    """

    key: int
    values: Mapping[str, tuple[float, ...]]
    item_scores: Scores | None = None
    unsuccessful: frozenset[str] = frozenset()
    counted_items: int | None = None

    def mean(self, metric: str) -> float | None:
        values = self.values.get(metric)
        return float(np.mean(values)) if values else None


@dataclass(frozen=True)
class Scored:
    """Scores u of every candidate for one metric: expected (candidates,) and drawn (draws, candidates)."""

    expected: Array
    drawn: Array


@dataclass(frozen=True)
class Evidence:
    """A study's candidates with its two reference rows; `untuned` is the floor and never a candidate.

    `assumed_floor`: what stands in for an untuned row where there is none, the task's chance level.
    """

    candidates: Sequence[Candidate]
    full: Candidate | None
    untuned: Candidate | None
    assumed_floor: float | None = None
    _scored: dict[tuple[str, int, int], Scored] = field(default_factory=dict, compare=False, repr=False)

    def scored(self, metric: str, draws: int, seed: int) -> Scored:
        """Scores of one metric over seeded draws. Kept: every edit of a question is answered from the same draws."""
        assert self.full is not None
        assert self.untuned is not None
        key = (metric, draws, seed)
        if key not in self._scored:
            rows = [*self.candidates, self.full, self.untuned]
            random = np.random.default_rng([seed, *metric.encode()])
            means = np.array([[row.mean(metric) or 0.0 for row in rows]])
            drawn = _scores(metric, means + _noise(rows, metric, draws, random))
            self._scored[key] = Scored(_scores(metric, means)[0], drawn)
        return self._scored[key]

    def quality_scale(self) -> QualityScale | None:
        """Floor and full fine-tuning's gain, None where a reference row has no value."""
        if self.full is None or self.untuned is None:
            return None
        floor, full = self.untuned.mean(QUALITY), self.full.mean(QUALITY)
        if floor is None or full is None:
            return None
        return QualityScale(floor, full, _quality_error(self.full))


def _quality_error(candidate: Candidate) -> float:
    """Standard error over seeds; with one seed, over test items (for counted items the binomial one)."""
    values = candidate.values[QUALITY]
    if len(values) > 1:
        return standard_error(values)
    if candidate.item_scores is None:
        return 0.0
    return float(np.std(candidate.item_scores) / np.sqrt(candidate.item_scores.shape[1]))


@dataclass(frozen=True)
class Question:
    """What is asked: weights (rescaled to sum to 1), upper limits, and the share of full's gain to keep."""

    weights: Mapping[Criterion, float]
    constraints: Mapping[ConstraintName, float] = field(default_factory=dict)
    quality_floor: float = 0.95
    draws: int = 2_000
    seed: int = 0


@dataclass(frozen=True)
class Veto:
    """A candidate ruled out: its `value` of `metric` does not meet `limit`. `constraint` None: the quality floor."""

    key: int
    constraint: ConstraintName | None
    metric: str
    value: float | None
    limit: float


@dataclass(frozen=True)
class Ranked:
    """A candidate's place. Probabilities are shares of the draws, the interval holds 90 % of its ranks."""

    key: int
    score: float
    p_best: float
    p_top2: float
    rank_interval: tuple[int, int]
    on_front: bool


@dataclass(frozen=True)
class Answer:
    """`ranked` by expected score. `cause` says what is wanting where there is not enough evidence."""

    verdict: Verdict
    ranked: tuple[Ranked, ...] = ()
    vetoed: tuple[Veto, ...] = ()
    left_out: tuple[tuple[int, str], ...] = ()
    dropped: Mapping[Criterion, str] = field(default_factory=dict)
    weights: Mapping[Criterion, float] = field(default_factory=dict)
    cause: str | None = None


def recommend(evidence: Evidence, question: Question) -> Answer:
    """Constraints, then the quality veto, then the weighted score of what is left, over seeded draws."""
    scale = evidence.quality_scale()
    if scale is None:
        return Answer("not enough evidence", cause="references")
    if not scale.defined:
        return Answer("not enough evidence", cause="gain")
    kept, vetoed = _veto(evidence, question, scale)
    dropped = _dropped(kept)
    used = {name: weight for name, weight in question.weights.items() if weight > 0 and name not in dropped}
    kept, left_out = _complete(kept, used)
    total = sum(used.values())
    shared = {"vetoed": tuple(vetoed), "left_out": tuple(left_out), "dropped": dropped}
    if not kept or total == 0:
        return Answer("not enough evidence", cause="candidates" if not kept else "weights", **shared)  # type: ignore[arg-type]
    weights = {name: weight / total for name, weight in used.items()}
    scores, draws = _score_draws(kept, evidence, weights, question)
    ranked = _rank(kept, scores, draws, weights)
    verdict = _verdict(kept, ranked, draws, weights)
    return Answer(verdict, tuple(ranked), weights=weights, **shared)  # type: ignore[arg-type]


def _veto(evidence: Evidence, question: Question, scale: QualityScale) -> tuple[list[Candidate], list[Veto]]:
    best = max((mean for c in evidence.candidates if (mean := c.mean(QUALITY)) is not None), default=scale.full)
    best_error = max((_quality_error(c) for c in evidence.candidates if c.mean(QUALITY) == best), default=0.0)
    least_quality = scale.floor + question.quality_floor * (scale.full - scale.floor)
    kept, vetoed = [], []
    for candidate in evidence.candidates:
        veto = _first_veto(candidate, question, least_quality, best, best_error)
        vetoed.append(veto) if veto else kept.append(candidate)
    return kept, vetoed


def _first_veto(
    candidate: Candidate, question: Question, least_quality: float, best: float, best_error: float
) -> Veto | None:
    for name, limit in question.constraints.items():
        if name == "quality_standard_errors":
            continue
        value = candidate.mean(LIMITS[name])
        if value is None or value > limit:
            return Veto(candidate.key, name, LIMITS[name], value, limit)
    quality = candidate.mean(QUALITY)
    if quality is None:
        return None
    if quality < least_quality:
        return Veto(candidate.key, None, QUALITY, quality, least_quality)
    within = question.constraints.get("quality_standard_errors")
    if within is not None and quality < best - within * best_error:
        return Veto(candidate.key, "quality_standard_errors", QUALITY, quality, best - within * best_error)
    return None


def _dropped(candidates: Sequence[Candidate]) -> dict[Criterion, str]:
    """Criteria that a candidate cannot have (nothing failed; it is not measurable): dropped for all. Never quality."""
    dropped: dict[Criterion, str] = {}
    for criterion, keys in CRITERIA.items():
        for metric in keys:
            lacking = any(metric not in c.values and metric not in c.unsuccessful for c in candidates)
            if lacking and criterion != "quality":
                dropped[criterion] = metric
    return dropped


def _complete(
    candidates: Sequence[Candidate], used: Mapping[Criterion, float]
) -> tuple[list[Candidate], list[tuple[int, str]]]:
    """The candidates with a value for every metric used, and the others with the first they want."""
    complete, left_out = [], []
    needed = [metric for criterion in used for metric in CRITERIA[criterion]]
    for candidate in candidates:
        wanting = next((metric for metric in [QUALITY, *needed] if metric not in candidate.values), None)
        left_out.append((candidate.key, wanting)) if wanting else complete.append(candidate)
    return complete, left_out


def _score_draws(
    kept: Sequence[Candidate], evidence: Evidence, weights: Mapping[Criterion, float], question: Question
) -> tuple[Array, Array]:
    """Expected scores (candidates,) and drawn scores (draws, candidates) of the kept candidates."""
    places = [place for place, candidate in enumerate(evidence.candidates) if any(candidate is other for other in kept)]
    expected = np.zeros(len(kept))
    drawn = np.zeros((question.draws, len(kept)))
    for criterion, weight in weights.items():
        for metric in CRITERIA[criterion]:
            share = weight / len(CRITERIA[criterion])
            scored = evidence.scored(metric, question.draws, question.seed)
            expected += share * scored.expected[places]
            drawn += share * scored.drawn[:, places]
    return expected, drawn


def _noise(rows: Sequence[Candidate], metric: str, draws: int, random: np.random.Generator) -> Array:
    """Drawn deviations from the means, shape (draws, rows): t with n - 1 degrees over seeds, never a bootstrap of three
    values; for quality also the test items, resampled for all rows together."""
    noise = np.zeros((draws, len(rows)))
    for column, row in enumerate(rows):
        values = row.values.get(metric, ())
        if len(values) > 1 and np.std(values) > 0:
            noise[:, column] = random.standard_t(len(values) - 1, draws) * standard_error(values)
    scored = [row.item_scores.mean(axis=0) for row in rows if row.item_scores is not None]
    if metric == QUALITY and len(scored) == len(rows) and len({len(row) for row in scored}) == 1:
        # The bootstrap of test items in its normal limit: the same items for all rows, hence their covariance.
        items = np.stack(scored)
        covariance = np.cov(items) / items.shape[1]
        noise += random.multivariate_normal(np.zeros(len(rows)), covariance, size=draws, method="eigh")
    return noise


def _scores(metric: str, values: Array) -> Array:
    """u of each candidate, shape (draws, candidates), from values (draws, candidates + full + untuned)."""
    candidates, full, floor = values[:, :-2], values[:, -2:-1], values[:, -1:]
    if metric == QUALITY:
        gain = (candidates - floor) / np.maximum(full - floor, 1e-12)
        return np.clip(gain, 0, QUALITY_CEILING) / QUALITY_CEILING
    card = metrics()[metric]
    anchors = card.anchors
    if isinstance(anchors, LinearAnchors):
        return np.clip((candidates - anchors.worst) / (anchors.best - anchors.worst), 0, 1)
    assert anchors is not None, "a criterion is a metric with a score"
    tiny = 1e-12
    ratio = candidates / np.maximum(full, tiny) if card.better == "higher" else full / np.maximum(candidates, tiny)
    u: Array = np.clip(np.log(np.maximum(ratio, tiny) / anchors.lo) / np.log(anchors.hi / anchors.lo), 0, 1)
    return u


def _rank(kept: Sequence[Candidate], scores: Array, draws: Array, weights: Mapping[Criterion, float]) -> list[Ranked]:
    places = (-draws).argsort(axis=1, kind="stable").argsort(axis=1, kind="stable") + 1
    means = np.array([[_signed(c, metric) for name in weights for metric in CRITERIA[name]] for c in kept])
    front = on_front(means)
    ranked = [
        Ranked(
            key=candidate.key,
            score=float(scores[i]),
            p_best=float((places[:, i] == 1).mean()),
            p_top2=float((places[:, i] <= 2).mean()),
            rank_interval=(int(np.quantile(places[:, i], 0.05)), int(np.ceil(np.quantile(places[:, i], 0.95)))),
            on_front=bool(front[i]),
        )
        for i, candidate in enumerate(kept)
    ]
    return sorted(ranked, key=lambda row: (-row.score, row.key))


def _signed(candidate: Candidate, metric: str) -> float:
    mean = candidate.mean(metric) or 0.0
    return mean if metrics()[metric].better == "higher" else -mean


def _verdict(
    kept: Sequence[Candidate], ranked: Sequence[Ranked], draws: Array, weights: Mapping[Criterion, float]
) -> Verdict:
    if len(ranked) == 1:
        return "clear"
    place = {candidate.key: i for i, candidate in enumerate(kept)}
    pick, second = (place[row.key] for row in ranked[:2])
    beats = float((draws[:, pick] > draws[:, second]).mean())
    decided_by_quality = weights.get("quality", 0.0) == max(weights.values())
    if beats >= CLEAR and (not decided_by_quality or _separated(kept[pick], kept[second])):
        return "clear"
    return "lean" if ranked[0].p_best >= LEAN else "no clear winner"


def _separated(first: Candidate, second: Candidate) -> bool:
    """The paired test calls their quality different."""
    if first.item_scores is None or second.item_scores is None or first.item_scores.shape != second.item_scores.shape:
        return False
    return paired_difference(first.item_scores, second.item_scores).p_value < ALPHA
