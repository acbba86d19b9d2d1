"""What would change an answer: the nearest weight and floor that do, every limit, and one more seed."""

from dataclasses import replace

import pytest

from peft_core.compare.changes import Change, changes
from peft_core.compare.recommend import Answer, Candidate, Evidence, Question, recommend
from peft_core.scenario import ConstraintName
from tests.peft_core.compare.test_recommend import FULL, UNTUNED, candidate

SMALL = candidate(51, 0.905, storage_bytes=1e4, trainable_parameters=1e3, peak_memory=4e8)
GOOD = candidate(52, 0.93, storage_bytes=3e7, trainable_parameters=1e7, peak_memory=2e8)
POOR = candidate(53, 0.85, storage_bytes=1e4, trainable_parameters=1e3, peak_memory=1e8)


def asked(question: Question, *rows: Candidate) -> tuple[Evidence, Answer, list[Change]]:
    evidence = Evidence(list(rows), FULL, UNTUNED)
    found = recommend(evidence, question)
    return evidence, found, changes(evidence, question, found)


def of(kind: str, found: list[Change]) -> list[Change]:
    return [change for change in found if change.kind == kind]


def test_the_nearest_weight_at_which_another_method_leads_is_named() -> None:
    question = Question({"quality": 0.8, "footprint": 0.1}, quality_floor=0.9)
    evidence, found, told = asked(question, SMALL, GOOD)
    for change in of("weight", told):
        assert change.criterion is not None
        assert change.value is not None
        edited = replace(question, weights=dict(question.weights) | {change.criterion: change.value})
        assert recommend(evidence, edited).ranked[0].key == change.outlook.pick != found.ranked[0].key
        step = 0.05 if change.value < question.weights[change.criterion] else -0.05
        nearer = round(change.value + step, 10)
        if nearer != question.weights[change.criterion]:
            before = replace(question, weights=dict(question.weights) | {change.criterion: nearer})
            assert recommend(evidence, before).ranked[0].key == found.ranked[0].key
    assert of("weight", told)


def test_a_weight_that_changes_nothing_is_not_named() -> None:
    better = replace(GOOD, values=dict(SMALL.values) | {"task_performance": GOOD.values["task_performance"]})
    _, _, told = asked(Question({"quality": 0.5, "footprint": 0.5}), better, SMALL)
    assert of("weight", told) == []


def test_the_next_lower_floor_lets_the_better_score_in() -> None:
    question = Question({"memory": 0.9, "quality": 0.1})
    evidence, found, told = asked(question, GOOD, POOR)
    assert [veto.key for veto in found.vetoed] == [53]
    (lower,) = [change for change in of("floor", told) if change.outlook.pick == 53]
    assert lower.value is not None
    gain = (POOR.quality - 0.6) / (FULL.quality - 0.6)
    assert gain - 0.01 < lower.value <= gain
    assert recommend(evidence, replace(question, quality_floor=lower.value)).ranked[0].key == 53


def test_the_next_higher_floor_rules_the_pick_out() -> None:
    question = Question({"footprint": 1.0}, quality_floor=0.9)
    evidence, found, told = asked(question, SMALL, GOOD)
    assert found.ranked[0].key == 51
    (higher,) = of("floor", told)
    assert higher.value is not None
    assert recommend(evidence, replace(question, quality_floor=higher.value)).ranked[0].key == higher.outlook.pick == 52


def test_every_limit_is_told_whether_it_changes_the_pick_or_not() -> None:
    limits: dict[ConstraintName, float] = {"peak_memory_bytes": 3e8, "storage_bytes": 1e9}
    _, found, told = asked(Question({"footprint": 1.0}, limits, 0.9), SMALL, GOOD)
    assert found.ranked[0].key == 52
    assert {change.constraint: change.outlook.pick for change in of("limit", told)} == {
        "peak_memory_bytes": 51,
        "storage_bytes": 52,
    }


def test_one_more_seed_makes_a_lead_surer_and_is_not_foretold_of_one() -> None:
    near = [candidate(51, 0.93, spread=0.02), candidate(52, 0.90, spread=0.02)]
    _, found, told = asked(Question({"quality": 1.0}, quality_floor=0.5), *near)
    (more,) = of("seeds", told)
    assert more.outlook.p_best > found.ranked[0].p_best
    single = [candidate(51, 0.93, seeds=1), candidate(52, 0.90, seeds=1)]
    assert of("seeds", asked(Question({"quality": 1.0}), *single)[2]) == []


@pytest.mark.parametrize("rows", [(), (POOR,)])
def test_without_an_answer_nothing_would_change_it(rows: tuple[Candidate, ...]) -> None:
    assert asked(Question({"quality": 1.0}), *rows)[2] == []
