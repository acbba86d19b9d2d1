"""The recommendation: vetoes, verdicts, what is dropped and left out, and its independence of the other methods."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from peft_core.compare.recommend import Candidate, Evidence, Question, recommend
from peft_core.scenario import Criterion, scenarios

COSTLY: Mapping[Criterion, float] = {"quality": 0.4, "memory": 0.6}


def candidate(key: int, quality: float, *, seeds: int = 3, spread: float = 0.004, **costs: float) -> Candidate:
    """A candidate with item scores of the wanted mean; costs default to a tenth of full fine-tuning's."""
    random = np.random.default_rng(key)
    values: dict[str, Any] = {
        "trainable_parameters": 1e5,
        "storage_bytes": 1e6,
        "training_speed": 200.0,
        "inference_latency": 0.01,
        "peak_memory": 1e8,
        "simplicity": 0.5,
    } | costs
    items = 500
    scores = np.zeros((seeds, items))
    for seed in range(seeds):
        wanted = round((quality + spread * (seed - (seeds - 1) / 2)) * items)
        scores[seed, :wanted] = 1
        scores[seed] = scores[seed][random.permutation(items)] if key > 50 else scores[seed]
    found = {name: (value,) for name, value in values.items()}
    return Candidate(key, found | {"task_performance": tuple(scores.mean(axis=1))}, scores)


FULL = candidate(1, 0.92, trainable_parameters=2e7, storage_bytes=9e7, training_speed=100.0, peak_memory=8e8)
UNTUNED = candidate(2, 0.60, spread=0.0)


def evidence(*others: Candidate) -> Evidence:
    return Evidence([FULL, *others], FULL, UNTUNED)


def test_a_cheap_method_of_equal_quality_is_clearly_picked() -> None:
    found = recommend(evidence(candidate(3, 0.92)), Question(COSTLY))
    assert (found.verdict, found.ranked[0].key) == ("clear", 3)
    assert found.ranked[0].p_best > 0.99


def test_a_method_that_learned_nothing_is_vetoed_however_cheap() -> None:
    found = recommend(evidence(candidate(3, 0.61, storage_bytes=1.0)), Question(COSTLY))
    (veto,) = found.vetoed
    assert (veto.key, veto.constraint, veto.metric) == (3, None, "task_performance")
    assert veto.limit == pytest.approx(0.6 + 0.95 * 0.32, abs=0.002)
    assert [row.key for row in found.ranked] == [1]


def test_a_limit_rules_out_what_exceeds_it_and_what_was_not_measured() -> None:
    unmeasured = candidate(4, 0.92)
    unmeasured = replace(unmeasured, values={k: v for k, v in unmeasured.values.items() if k != "peak_memory"})
    question = Question(COSTLY, {"peak_memory_bytes": 5e8})
    found = recommend(evidence(candidate(3, 0.92), unmeasured), question)
    assert {(veto.key, veto.value) for veto in found.vetoed} == {(1, 8e8), (4, None)}


def test_twins_have_no_clear_winner() -> None:
    found = recommend(evidence(candidate(51, 0.93), candidate(52, 0.93)), Question({"quality": 1.0}))
    assert found.verdict == "no clear winner"
    assert {row.key for row in found.ranked[:2]} <= {51, 52, 1}


def test_a_criterion_that_nobody_measured_is_dropped_and_weights_rescale() -> None:
    def without(row: Candidate) -> Candidate:
        return replace(row, values={k: v for k, v in row.values.items() if k != "simplicity"})

    rows = Evidence([without(FULL), without(candidate(3, 0.92))], without(FULL), without(UNTUNED))
    found = recommend(rows, Question({"quality": 0.6, "memory": 0.2, "simplicity": 0.2}))
    assert found.dropped == {"simplicity": "simplicity"}
    assert found.weights == pytest.approx({"quality": 0.75, "memory": 0.25})


def test_a_method_whose_probe_failed_is_left_out_and_listed() -> None:
    failed = candidate(3, 0.92)
    values = {k: v for k, v in failed.values.items() if k != "peak_memory"}
    failed = replace(failed, values=values, unsuccessful=frozenset({"peak_memory"}))
    found = recommend(evidence(failed), Question(COSTLY))
    assert found.left_out == ((3, "peak_memory"),)
    assert found.dropped == {}


@pytest.mark.parametrize(
    ("rows", "cause"),
    [
        (Evidence([FULL], None, UNTUNED), "references"),
        (Evidence([FULL], FULL, None), "references"),
        (Evidence([UNTUNED], candidate(1, 0.605), UNTUNED), "gain"),
        (Evidence([], FULL, UNTUNED), "candidates"),
    ],
)
def test_without_evidence_it_says_what_is_wanting(rows: Evidence, cause: str) -> None:
    found = recommend(rows, Question(COSTLY))
    assert (found.verdict, found.cause, found.ranked) == ("not enough evidence", cause, ())


def test_the_same_question_has_the_same_answer() -> None:
    rows = (candidate(51, 0.93), candidate(52, 0.92))
    assert recommend(evidence(*rows), Question(COSTLY)) == recommend(evidence(*rows), Question(COSTLY))


def test_another_method_changes_nobodys_score() -> None:
    alone = recommend(evidence(candidate(51, 0.92)), Question(COSTLY)).ranked
    beside = recommend(evidence(candidate(51, 0.92), candidate(52, 0.93)), Question(COSTLY)).ranked
    scores = {row.key: row.score for row in beside}
    assert all(scores[row.key] == row.score for row in alone)


def test_one_seed_draws_from_the_items() -> None:
    found = recommend(evidence(candidate(51, 0.93, seeds=1), candidate(52, 0.92, seeds=1)), Question({"quality": 1.0}))
    assert 0 < found.ranked[0].p_best < 1


@pytest.mark.parametrize("key", list(scenarios()))
def test_the_weights_of_every_scenario_sum_to_one(key: str) -> None:
    assert sum(scenarios()[key].weights.values()) == pytest.approx(1)
    assert scenarios()[key].key == key


def test_forty_methods_with_five_seeds_are_quick() -> None:
    rows = evidence(*(candidate(key, 0.9 + key / 2000, seeds=5) for key in range(51, 90)))
    started = time.perf_counter()
    recommend(rows, Question(scenarios()["multi_task"].weights))
    assert time.perf_counter() - started < 2
