"""What holds for any study: scores do not depend on who else is there, nor on order, and better never ranks lower."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from peft_core.compare.normalise import score_values
from peft_core.compare.recommend import CRITERIA, Answer, Candidate, Evidence, Question, recommend
from peft_core.metric import RatioAnchors, metrics
from peft_core.scenario import ConstraintName

COSTS = ("trainable_parameters", "storage_bytes", "training_speed", "inference_latency", "peak_memory", "simplicity")
WEIGHTS = some.fixed_dictionaries({name: some.sampled_from([0.0, 0.1, 0.3, 0.7]) for name in CRITERIA})
FULL_COSTS = {
    "trainable_parameters": (2e7,),
    "storage_bytes": (9e7,),
    "training_speed": (100.0,),
    "inference_latency": (0.01,),
    "peak_memory": (8e8,),
    "simplicity": (0.5,),
}
UNTUNED = Candidate(1_000, {"task_performance": (0.5, 0.5, 0.5)})
ITEMS = 60


def scored(key: int, shares: tuple[float, ...], costs: Mapping[str, tuple[float, ...]]) -> Candidate:
    random = np.random.default_rng(key)
    scores = np.stack([random.permutation(ITEMS) < round(share * ITEMS) for share in shares]).astype(float)
    return Candidate(key, {**costs, "task_performance": tuple(scores.mean(axis=1))}, scores, seeds=(0, 1, 2))


FULL = scored(1, (0.9, 0.92, 0.9), FULL_COSTS)


@some.composite
def candidates(draw: some.DrawFn, key: int = 2) -> Candidate:
    quality = draw(some.floats(0.6, 0.97))
    shares = tuple(min(1.0, quality + draw(some.sampled_from([-0.05, 0.0, 0.02]))) for _ in range(3))
    factor = some.floats(0.01, 10)
    costs = {name: (FULL_COSTS[name][0] * draw(factor),) for name in COSTS if name != "simplicity"}
    return scored(key, shares, costs | {"simplicity": (draw(some.floats(0, 1)),)})


@some.composite
def studies(draw: some.DrawFn) -> Evidence:
    count = draw(some.integers(1, 5))
    rows = [draw(candidates(key)) for key in range(2, 2 + count)]
    return Evidence([FULL, *rows], FULL, UNTUNED)


@some.composite
def questions(draw: some.DrawFn) -> Question:
    weights = draw(WEIGHTS.filter(lambda found: sum(found.values()) > 0))
    floor = draw(some.sampled_from([0.0, 0.5, 0.95]))
    limits: list[dict[ConstraintName, float]] = [{}, {"quality_standard_errors": 1.0}, {"peak_memory_bytes": 1e9}]
    return Question(weights, draw(some.sampled_from(limits)), floor, draws=200)


def ranks(found: Answer) -> dict[int, int]:
    return {row.key: place for place, row in enumerate(found.ranked)}


@settings(max_examples=60, deadline=None)
@given(studies(), some.integers(0, 4))
def test_adding_or_removing_a_method_changes_nobodys_score(study: Evidence, removed: int) -> None:
    gone = study.candidates[1 + removed % (len(study.candidates) - 1)].key
    fewer = replace(study, candidates=[row for row in study.candidates if row.key != gone])
    for metric in ("task_performance", *COSTS):
        all_of_them, rest = study.scored(metric, 50, 0), fewer.scored(metric, 50, 0)
        for row in fewer.compared:
            assert all_of_them.expected[study.place(row.key)] == rest.expected[fewer.place(row.key)]


@settings(max_examples=60, deadline=None)
@given(studies(), questions(), some.integers(0, 4))
def test_removing_a_method_changes_no_score_in_the_answer(study: Evidence, question: Question, removed: int) -> None:
    gone = study.candidates[1 + removed % (len(study.candidates) - 1)].key
    question = replace(question, constraints={})
    before, after = (
        {row.key: row.score for row in recommend(found, question).ranked}
        for found in (study, replace(study, candidates=[row for row in study.candidates if row.key != gone]))
    )
    assert after == pytest.approx({key: score for key, score in before.items() if key != gone}, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(studies(), questions(), some.randoms(use_true_random=False))
def test_the_order_of_methods_changes_nothing(study: Evidence, question: Question, random: object) -> None:
    shuffled = list(study.candidates)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert recommend(replace(study, candidates=shuffled), question) == recommend(study, question)


@settings(max_examples=80, deadline=None)
@given(studies(), questions(), some.sampled_from(COSTS), some.floats(1.01, 100), some.integers(0, 4))
def test_a_better_cost_never_lowers_a_rank(
    study: Evidence, question: Question, metric: str, factor: float, which: int
) -> None:
    row = study.candidates[1 + which % (len(study.candidates) - 1)]
    better = factor if metrics()[metric].better == "higher" else 1 / factor
    values = dict(row.values) | {metric: tuple(value * better for value in row.values[metric])}
    check_rank(study, question, row, replace(row, values=values))


@settings(max_examples=80, deadline=None)
@given(studies(), questions(), some.integers(1, 10), some.integers(0, 4))
def test_a_better_quality_never_lowers_a_rank(study: Evidence, question: Question, more: int, which: int) -> None:
    row = study.candidates[1 + which % (len(study.candidates) - 1)]
    assert row.item_scores is not None
    scores = row.item_scores.copy()
    for seed in scores:
        seed[np.flatnonzero(seed == 0)[:more]] = 1
    values = dict(row.values) | {"task_performance": tuple(scores.mean(axis=1))}
    check_rank(study, question, row, replace(row, values=values, item_scores=scores))


def check_rank(study: Evidence, question: Question, row: Candidate, better: Candidate) -> None:
    """Whoever was ahead of the row may stay there; nobody comes to be ahead of it."""
    changed = replace(study, candidates=[better if one.key == row.key else one for one in study.candidates])
    before, after = ranks(recommend(study, question)), ranks(recommend(changed, question))
    if row.key not in before:
        return
    assert row.key in after
    behind = {key for key, place in before.items() if place > before[row.key]}
    assert not {key for key in behind if key in after and after[key] < after[row.key]}


@given(some.sampled_from(COSTS), some.floats(1e-6, 1e12), some.floats(1.0, 1e3), some.floats(1e-3, 1e9))
def test_a_score_lies_in_0_to_1_and_never_falls_with_a_better_value(
    metric: str, value: float, factor: float, reference: float
) -> None:
    card = metrics()[metric]
    better = value * factor if card.better == "higher" else value / factor
    before, after = score_values(card, np.array([value, better]), reference)
    assert 0 <= before <= after + 1e-12 <= 1 + 1e-12


@pytest.mark.parametrize("metric", ["switch_time", "peak_memory", "training_speed"])
def test_the_anchors_are_where_the_score_begins_and_ends(metric: str) -> None:
    card = metrics()[metric]
    assert isinstance(card.anchors, RatioAnchors)
    ratios = np.array([card.anchors.lo, card.anchors.hi])
    values = 7.0 * ratios if card.better == "higher" else 7.0 / ratios
    assert score_values(card, values, 7.0) == pytest.approx([0, 1])
