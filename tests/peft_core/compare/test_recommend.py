"""The recommendation: vetoes, verdicts, what is dropped and left out, and its independence of the other methods."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from peft_core.compare.changes import changes
from peft_core.compare.evidence import QUALITY_FACTOR
from peft_core.compare.recommend import CRITERIA, Candidate, Evidence, Question, recommend
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


# -- who still runs although ruled out ---------------------------------------------------------------------------------


def test_noise_that_rules_out_a_twin_makes_the_other_no_clear_winner() -> None:
    """One of two equal methods falls below the floor by chance: it still wins the draws in which it does not."""
    rows = evidence(candidate(51, 0.92, spread=0.03), candidate(52, 0.895, spread=0.03))
    rows = replace(rows, candidates=rows.candidates[1:])
    found = recommend(rows, Question({"quality": 1.0}))
    (veto,) = found.vetoed
    assert (veto.key, [row.key for row in found.ranked], found.rival) == (52, [51], 52)
    assert veto.p_best > 0.1
    assert found.ranked[0].p_best == pytest.approx(1 - veto.p_best)
    assert found.verdict != "clear"


def test_what_a_limit_rules_out_is_no_rival() -> None:
    rows = evidence(candidate(51, 0.92), candidate(52, 0.92, peak_memory=7e8))
    rows = replace(rows, candidates=rows.candidates[1:])
    found = recommend(rows, Question({"quality": 1.0}, {"peak_memory_bytes": 5e8}))
    assert (found.verdict, found.rival, [row.key for row in found.ranked]) == ("clear", None, [51])


def test_within_a_standard_error_of_the_best_is_of_the_best_that_meets_the_limits() -> None:
    heavy, light = candidate(51, 0.95, peak_memory=7e8), candidate(52, 0.92)
    question = Question({"quality": 1.0}, {"peak_memory_bytes": 5e8, "quality_standard_errors": 1.0})
    found = recommend(replace(evidence(heavy, light), candidates=[heavy, light]), question)
    assert [row.key for row in found.ranked] == [52]


# -- verdicts ----------------------------------------------------------------------------------------------------------


def test_costs_can_decide_clearly_between_methods_of_equal_quality() -> None:
    """The lead does not rest on quality, so no test of quality is asked for."""
    cheap, dear = candidate(51, 0.92), candidate(52, 0.92, peak_memory=6e8)
    found = recommend(replace(evidence(cheap, dear), candidates=[cheap, dear]), Question(COSTLY))
    assert (found.verdict, found.ranked[0].key) == ("clear", 51)


def test_a_lead_in_quality_is_clear_only_where_the_test_separates() -> None:
    far, near = candidate(51, 0.97, seeds=5), candidate(52, 0.93, seeds=5)
    rows = replace(evidence(far, near), candidates=[far, near])
    assert rows.differs(51, 52)
    assert recommend(rows, Question({"quality": 1.0})).verdict == "clear"
    untested = [replace(row, item_scores=None) for row in (far, near)]
    single = [replace(row, values=dict(row.values) | {"task_performance": (row.quality,)}) for row in untested]
    sure = replace(rows, candidates=single)
    assert not sure.differs(51, 52)
    assert recommend(sure, Question({"quality": 1.0})).verdict == "lean"


def test_a_method_that_another_beats_everywhere_is_never_the_pick() -> None:
    better, worse = candidate(60, 0.93), candidate(55, 0.93, peak_memory=1.001e8)
    twins = replace(evidence(better, worse), candidates=[worse, better])
    found = recommend(twins, Question({"memory": 1.0}))
    assert [(row.key, row.on_front) for row in found.ranked] == [(60, True), (55, False)]
    clipped = [candidate(60, 0.93, peak_memory=1e7), candidate(55, 0.93, peak_memory=2e7)]
    capped = recommend(replace(twins, candidates=clipped), Question({"memory": 1.0}))
    assert capped.ranked[0].score == capped.ranked[1].score == 1.0
    assert [row.key for row in capped.ranked] == [60, 55]


def test_equal_scores_share_the_draws_evenly() -> None:
    rows = replace(evidence(), candidates=[candidate(51, 0.92), candidate(52, 0.92)])
    found = recommend(rows, Question({"memory": 1.0}))
    assert [row.p_best for row in found.ranked] == pytest.approx([0.5, 0.5], abs=0.05)


# -- single seeds, counts, stand-ins -----------------------------------------------------------------------------------


def counted(key: int, quality: float, items: int | None = 1319, **costs: float) -> Candidate:
    row = candidate(key, quality, seeds=1, **costs)
    return replace(row, item_scores=None, counted_items=items)


def test_a_counted_share_is_drawn_from_the_binomial_on_its_items() -> None:
    """0.50 and 0.48 of 1,319: as far apart as their binomial errors say, and the prior on differences."""
    rows = replace(evidence(), candidates=[counted(51, 0.50), counted(52, 0.48)], full=counted(1, 0.49))
    rows = replace(rows, untuned=None, assumed_floor=0.0)
    found = recommend(rows, Question({"quality": 1.0}, quality_floor=0.9))
    error = (0.5 * 0.5 / 1319 + 0.48 * 0.52 / 1319) ** 0.5
    assert found.ranked[0].p_best == pytest.approx(stats.norm.cdf(0.02 / error / QUALITY_FACTOR), abs=0.03)
    assert found.single_seed == (51, 52)
    assert found.verdict != "clear"


def test_items_shared_by_all_rows_move_them_together() -> None:
    """Rows that are right on the same items differ surely where independent rows of the same means do not."""
    nested, shuffled = [candidate(key, q, seeds=1) for key, q in ((3, 0.95), (4, 0.93))], []
    for key, quality in ((51, 0.95), (52, 0.93)):
        shuffled.append(candidate(key, quality, seeds=1))
    together = recommend(replace(evidence(), candidates=nested), Question({"quality": 1.0})).ranked[0].p_best
    apart = recommend(replace(evidence(), candidates=shuffled), Question({"quality": 1.0})).ranked[0].p_best
    assert together > apart + 0.02


def test_an_assumed_floor_stands_in_for_an_untuned_row_and_never_replaces_a_measured_one() -> None:
    rows = Evidence([FULL, candidate(3, 0.92)], FULL, None, assumed_floor=0.0)
    scale, measured = rows.quality_scale(), replace(rows, untuned=UNTUNED).quality_scale()
    assert scale is not None
    assert measured is not None
    assert scale.floor == 0
    assert measured.floor == pytest.approx(0.6)
    assert recommend(rows, Question(COSTLY)).ranked[0].key == 3


def test_a_metric_that_the_reference_lacks_has_no_score_and_is_dropped() -> None:
    full = replace(FULL, values={k: v for k, v in FULL.values.items() if k != "peak_memory"})
    rows = Evidence([candidate(51, 0.92), candidate(52, 0.93)], full, UNTUNED)
    found = recommend(rows, Question(COSTLY))
    assert (found.dropped, found.weights) == ({"memory": "peak_memory"}, {"quality": 1.0})


def test_one_metric_of_a_criterion_can_be_dropped_while_the_other_stays() -> None:
    def without(row: Candidate) -> Candidate:
        return replace(row, values={k: v for k, v in row.values.items() if k != "storage_bytes"})

    rows = Evidence([without(FULL), candidate(3, 0.92)], without(FULL), UNTUNED)
    found = recommend(rows, Question({"footprint": 0.5, "quality": 0.5}))
    assert (found.dropped, found.dropped_metrics) == ({}, ("storage_bytes",))
    assert found.metrics["footprint"] == ("trainable_parameters",)


def test_quality_is_never_dropped() -> None:
    rows = evidence(replace(candidate(3, 0.92), values={"peak_memory": (1e8,)}))
    found = recommend(rows, Question(COSTLY))
    assert found.left_out == ((3, "task_performance"),)
    assert "quality" in found.weights


def test_switching_adapters_counts_half_of_inference_where_the_scenario_says_so() -> None:
    multi_task = scenarios()["multi_task"]
    criteria = CRITERIA | multi_task.criteria
    full = replace(FULL, values=dict(FULL.values) | {"switch_time": (1.0,)})
    row = candidate(3, 0.92, inference_latency=0.01, switch_time=0.1)
    rows = Evidence([full, row], full, UNTUNED)
    found = recommend(rows, Question({"inference": 1.0}, criteria=criteria))
    # Latency as full's: ln(1 / .25) / ln(1 / .25) = 1. Ten times faster switches: ln 10 / ln 100 = .5.
    assert next(one.score for one in found.ranked if one.key == 3) == pytest.approx((1 + 0.5) / 2)
    assert recommend(rows, Question({"inference": 1.0})).ranked[0].score == pytest.approx(1.0)


def test_forty_methods_with_five_seeds_are_answered_in_a_third_of_a_second() -> None:
    """With what would change the answer, in processor time: the machine may do other things at the same time."""
    candidates = [candidate(key, 0.9 + key / 2000, seeds=5) for key in range(51, 91)]
    took = []
    for _ in range(5):
        rows, question = Evidence(candidates, FULL, UNTUNED), Question(scenarios()["resource_constrained"].weights)
        started = time.process_time()
        changes(rows, question, recommend(rows, question))
        took.append(time.process_time() - started)
    assert min(took) < 0.3
