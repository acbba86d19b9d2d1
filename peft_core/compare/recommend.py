"""Which method fits a case: constraints, quality veto, weighted score, and how sure the answer is.

Pure: numbers in, numbers out. Sentences are made where the numbers' sources are known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from peft_core.compare.candidates import Candidate
from peft_core.compare.draws import Array
from peft_core.compare.evidence import Evidence
from peft_core.compare.normalise import QUALITY
from peft_core.compare.pareto import on_front
from peft_core.compare.vetoes import CRITERIA, LIMITS, Question, Standing, Veto, standing
from peft_core.metric import metrics
from peft_core.scenario import Criterion

__all__ = [
    "CLEAR",
    "CRITERIA",
    "LEAN",
    "LIMITS",
    "QUALITY",
    "Answer",
    "Candidate",
    "Evidence",
    "Outlook",
    "Question",
    "Ranked",
    "Verdict",
    "Veto",
    "leader",
    "outlook",
    "recommend",
]

Verdict = Literal["clear", "lean", "no clear winner", "not enough evidence"]

CLEAR = 0.975
"""The least share of draws in which the pick of a clear answer beats its runner-up."""
LEAN = 0.8
"""The least share of draws in which the pick of a leaning answer is the best."""

SCORE_DIGITS = 12
TIE = 10.0**-SCORE_DIGITS
"""Scores closer than this are equal, and chance decides between them in each draw."""


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
    """`ranked` by expected score. `cause` says what is wanting where there is not enough evidence.

    dropped: criteria without any metric left, each with the first that was wanting; `metrics`: those behind each
    criterion that was used, and `dropped_metrics` those that were not, because some row or the reference lacks them.
    single_seed: rows of which one seed is known, so that no noise of seeds is in their probabilities. rival: whom the
    verdict was taken against.
    """

    verdict: Verdict
    ranked: tuple[Ranked, ...] = ()
    vetoed: tuple[Veto, ...] = ()
    left_out: tuple[tuple[int, str], ...] = ()
    dropped: Mapping[Criterion, str] = field(default_factory=dict)
    weights: Mapping[Criterion, float] = field(default_factory=dict)
    cause: str | None = None
    metrics: Mapping[Criterion, tuple[str, ...]] = field(default_factory=dict)
    dropped_metrics: tuple[str, ...] = ()
    single_seed: tuple[int, ...] = ()
    rival: int | None = None
    beats_rival: float | None = None


@dataclass(frozen=True)
class Outlook:
    """The pick of a question and how sure it is, without the ranking."""

    pick: int
    p_best: float
    verdict: Verdict


@dataclass(frozen=True)
class _Race:
    """Scores of the kept candidates and, after them, of the challengers: those that only quality ruled out.

    expected: (rows,). drawn: (draws, rows), minus infinity in the draws in which a challenger stays ruled out.
    """

    standing: Standing
    expected: Array
    drawn: Array

    @property
    def rows(self) -> tuple[Candidate, ...]:
        return self.standing.kept + self.standing.challengers

    @cached_property
    def order(self) -> list[int]:
        """Places of the kept candidates, the best expected score first; of equal ones those on the front."""
        scores = [round(float(score), SCORE_DIGITS) for score in self.expected]
        return sorted(range(len(self.standing.kept)), key=lambda i: (-scores[i], not self.front[i], self.rows[i].key))

    @cached_property
    def front(self) -> npt.NDArray[np.bool_]:
        """Which kept candidates nothing else beats in everything that has a weight."""
        used = [metric for keys in self.standing.metrics.values() for metric in keys]
        signs = np.array([1.0 if card.better == "higher" else -1.0 for card in map(metrics().__getitem__, used)])
        return on_front(signs * np.array([[row.mean(metric) for metric in used] for row in self.standing.kept]))


def recommend(evidence: Evidence, question: Question) -> Answer:
    """Constraints, quality veto, Pareto filter, then the weighted score of what is left, over seeded draws.

    Veto and filter are taken on means, and means are noisy: noise would rule out one of two equal methods and the other
    would look sure. So a method that only quality rules out still runs in every draw in which it is good enough, and
    its wins count against the pick; and a method that another one beats everywhere is never the pick (the other's score
    is at least as high), but keeps its place and its chances.
    """
    found = standing(evidence, question)
    shared = Answer(
        "not enough evidence",
        vetoed=found.vetoed,
        left_out=found.left_out,
        dropped=found.dropped,
        dropped_metrics=found.dropped_metrics,
        cause=found.cause,
    )
    if found.cause is not None:
        return shared
    race = _race(evidence, found, question)
    order, best = race.order, _shares_of_best(race.drawn)
    rival, beats, verdict = _judge(evidence, race, order, best)
    rows = race.rows
    return replace(
        shared,
        verdict=verdict,
        ranked=_ranked(race, order, best),
        vetoed=_with_chances(found.vetoed, {row.key: float(best[i]) for i, row in enumerate(rows)}),
        weights=found.weights,
        metrics=found.metrics,
        single_seed=tuple(row.key for row in found.kept if len(row.values[QUALITY]) == 1),
        rival=None if rival is None else rows[rival].key,
        beats_rival=beats,
    )


def outlook(evidence: Evidence, question: Question) -> Outlook | None:
    """What `recommend` would pick and how sure it would be, None where it has no answer."""
    found = standing(evidence, question)
    if found.cause is not None:
        return None
    race = _race(evidence, found, question)
    order, best = race.order, _shares_of_best(race.drawn)
    _, _, verdict = _judge(evidence, race, order, best)
    return Outlook(race.rows[order[0]].key, float(best[order[0]]), verdict)


def leader(evidence: Evidence, question: Question) -> int | None:
    """The pick of a question, found without weighing how sure it is; None where there is no answer."""
    found = standing(evidence, question)
    if found.cause is not None:
        return None
    race = _Race(found, _expected(evidence, found, question), np.empty((0, 0)))
    return race.rows[race.order[0]].key


def _expected(evidence: Evidence, found: Standing, question: Question) -> Array:
    """The scores of the kept candidates and then of the challengers, at the means."""
    expected = np.zeros(len(evidence.compared))
    for metric, share in _shares(found):
        expected += share * evidence.scored(metric, question.draws, question.seed, question.more_seeds).expected
    return expected[_places(evidence, found)]


def _places(evidence: Evidence, found: Standing) -> list[int]:
    return [evidence.place(row.key) for row in found.kept + found.challengers]


def _shares(found: Standing) -> list[tuple[str, float]]:
    """Each metric with its weight: a criterion's, shared evenly among those behind it."""
    return [(metric, found.weights[name] / len(keys)) for name, keys in found.metrics.items() for metric in keys]


def _race(evidence: Evidence, found: Standing, question: Question) -> _Race:
    # Equal scores are shared out evenly, whatever the order of the rows.
    drawn = TIE * evidence.chance(question.draws, question.seed)
    for metric, share in _shares(found):
        drawn += share * evidence.scored(metric, question.draws, question.seed, question.more_seeds).drawn
    drawn = drawn[:, _places(evidence, found)]
    if found.challengers:
        kept = len(found.kept)
        drawn[:, kept:][~_good_enough(evidence, question, found)[:, kept:]] = -np.inf
    return _Race(found, _expected(evidence, found, question), drawn)


def _good_enough(evidence: Evidence, question: Question, found: Standing) -> npt.NDArray[np.bool_]:
    """Whether each row's quality meets what is asked of it in each draw, (draws, rows)."""
    assert evidence.full is not None, "a standing without a cause has a reference"
    assert evidence.floor is not None, "and a floor"
    values = evidence.scored(QUALITY, question.draws, question.seed, question.more_seeds).values
    full = values[:, evidence.place(evidence.full.key)]
    own = values[:, _places(evidence, found)]
    least = evidence.floor + question.quality_floor * (full - evidence.floor)
    if found.least_below_best is not None:
        least = np.maximum(least, own.max(axis=1) - found.least_below_best)
    enough: npt.NDArray[np.bool_] = own >= least[:, None]
    return enough


def _shares_of_best(drawn: Array) -> Array:
    """In which share of the draws each row is the best."""
    return np.bincount(drawn.argmax(axis=1), minlength=drawn.shape[1]) / len(drawn)


def _ranked(race: _Race, order: Sequence[int], best: Array) -> tuple[Ranked, ...]:
    places = (-race.drawn).argsort(axis=1).argsort(axis=1) + 1
    low, high = np.quantile(places, [0.05, 0.95], axis=0)
    return tuple(
        Ranked(
            key=race.rows[i].key,
            score=float(race.expected[i]),
            p_best=float(best[i]),
            p_top2=float((places[:, i] <= 2).mean()),
            rank_interval=(int(low[i]), int(np.ceil(high[i]))),
            on_front=bool(race.front[i]),
        )
        for i in order
    )


def _with_chances(vetoed: Sequence[Veto], chances: Mapping[int, float]) -> tuple[Veto, ...]:
    return tuple(replace(veto, p_best=chances.get(veto.key, 0.0)) for veto in vetoed)


def _judge(
    evidence: Evidence, race: _Race, order: Sequence[int], best: Array
) -> tuple[int | None, float | None, Verdict]:
    """The pick's strongest rival, the share of draws in which the pick beats it, and the verdict.

    Clear: the pick beats its runner-up, and every challenger, in 97.5 % of the draws, and where quality decides between
    the two the test of `significance` separates them.
    """
    pick, rival = order[0], _rival(race, order, best)
    if rival is None:
        return None, None, "clear"
    others = sorted({rival, *range(len(race.standing.kept), len(race.rows))})
    beats = float((race.drawn[:, [pick]] > race.drawn[:, others]).all(axis=1).mean())
    by_quality = _quality_decides(evidence, race, pick, rival)
    if beats >= CLEAR and (not by_quality or evidence.differs(race.rows[pick].key, race.rows[rival].key)):
        return rival, beats, "clear"
    return rival, beats, "lean" if best[pick] >= LEAN else "no clear winner"


def _rival(race: _Race, order: Sequence[int], best: Array) -> int | None:
    """The runner-up; where nothing else is left, the challenger that wins most draws."""
    if len(order) > 1:
        return order[1]
    challengers = range(len(race.standing.kept), len(race.rows))
    return max(challengers, key=lambda i: (best[i], race.expected[i], -race.rows[i].key), default=None)


def _quality_decides(evidence: Evidence, race: _Race, pick: int, rival: int) -> bool:
    """Whether the pick leads only thanks to its quality, or because quality ruled the rival out."""
    if rival >= len(race.standing.kept):
        return True
    weight = race.standing.weights.get("quality", 0.0)
    scale = evidence.quality_scale()
    assert scale is not None, "a standing without a cause has a scale"
    means = np.array([race.rows[i].mean(QUALITY) for i in (pick, rival)], dtype=np.float64)
    gained = weight * float(np.subtract(*scale.scores(means)))
    return gained > 0 and bool(race.expected[pick] - race.expected[rival] - gained <= TIE)
