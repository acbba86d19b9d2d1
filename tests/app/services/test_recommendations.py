"""Recommendations of a finished study: what they say, what they rest on, and what to run where they cannot answer."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, select

from app.db.session import system_session
from app.db.tables import Run
from app.schemas import Part, Recommendation, RecommendationRequest
from app.services import recommendations
from app.services.callers import LOCAL
from peft_core.scenario import scenarios
from tests.databases import on_both_databases
from tests.flow.finished_study import QUICKSTART, Row, insert

pytestmark = on_both_databases


def asked(engine: Engine, rows: tuple[Row, ...] = QUICKSTART, **question: Any) -> Recommendation:
    with system_session(engine) as session:
        study = insert(session, team_id=1, rows=rows).id
    return again(engine, study, **question)


def again(engine: Engine, study: int, **question: Any) -> Recommendation:
    request = RecommendationRequest(study=study, **({"scenario": "multi_task"} | question))
    return recommendations.recommend(engine, LOCAL, request)


def said(words: Sequence[Part]) -> str:
    """A sentence with the name of a number's statistic in place of the number."""
    return "".join(part.text or part.label or (f"<{part.number.statistic}>" if part.number else "") for part in words)


def without(*methods: str) -> tuple[Row, ...]:
    return tuple(row for row in QUICKSTART if row.method not in methods)


@pytest.mark.parametrize("scenario", list(scenarios()))
def test_every_scenario_has_an_answer_whose_weights_sum_to_one(engine: Engine, scenario: str) -> None:
    found = asked(engine, scenario=scenario)
    assert found.pick == found.ranked[0].configuration
    assert sum(found.weights.values()) == pytest.approx(1)
    assert found.runner_up in {row.configuration for row in found.ranked[1:]}
    assert found.beats_runner_up is not None
    assert found.seed_variance == "measured"
    assert found.next_study is None
    assert "Untuned" not in {row.label for row in found.ranked} | {row.label for row in found.vetoed + found.left_out}


def test_the_same_question_has_the_same_answer(engine: Engine) -> None:
    found = asked(engine)
    assert again(engine, found.study) == found


def test_weights_of_ones_own_are_used_as_given(engine: Engine) -> None:
    found = asked(engine, scenario=None, weights={"quality": 0.2, "memory": 0.6})
    assert found.weights == pytest.approx({"quality": 0.25, "memory": 0.75})
    assert found.scenario is None


def test_a_metric_that_was_not_measured_is_named_and_dropped_for_all(engine: Engine) -> None:
    found = asked(engine)
    assert set(found.dropped_metrics) == {"switch_time"}
    assert found.dropped_criteria == {}
    assert "inference" in found.weights


def test_where_nobody_wins_the_reason_says_what_each_buys(engine: Engine) -> None:
    found = asked(engine, scenario="high_performance", constraints={"quality_standard_errors": 1.0})
    assert (found.verdict, found.headline) == ("no clear winner", "Full fine-tuning or LoRA r8")
    assert len(found.picks) == 2
    words = said(found.reason)
    assert words.startswith("Full fine-tuning buys <difference> points on the task (not separated by the test); LoRA")
    assert "<ratio> less storage" in words
    assert "misses what is asked of quality by less than the noise: best in <p_best>." in words
    (lora,) = [veto for veto in found.vetoed if veto.label == "LoRA r8"]
    assert lora.p_best is not None
    assert lora.p_best.value > 0.1


def test_what_would_change_the_answer_is_told_with_the_verdict_it_would_have(engine: Engine) -> None:
    found = asked(engine, constraints={"storage_bytes": 1e9})
    told = {change.kind: change for change in found.changes}
    assert said(told["limit"].change) == "Drop the limit on storage"
    assert said(told["floor"].change) == "Keep <quality_floor> of the reference's gain"
    assert told["floor"].pick != found.headline
    assert said(told["seeds"].change).startswith("One more seed")
    assert all(change.verdict is not None and change.configuration is not None for change in found.changes)


def test_a_weight_that_would_change_the_answer_is_told_from_and_to(engine: Engine) -> None:
    found = asked(engine, scenario=None, weights={"quality": 0.6, "memory": 0.1})
    weights = [change for change in found.changes if change.kind == "weight"]
    assert weights
    assert "The weight of " in said(weights[0].change)
    values = [part.number.value for part in weights[0].change if part.number is not None]
    assert values[0] in (0.6, 0.1)
    assert values[0] != values[1]


def test_one_seed_is_labelled_and_leads_to_more(engine: Engine) -> None:
    rows = tuple(replace(row, accuracy=row.accuracy[:1], failed_seeds=0) for row in QUICKSTART)
    found = asked(engine, rows)
    assert found.seed_variance == "unknown"
    assert any("How much seeds vary is unknown" in said(note) for note in found.notes)
    assert found.next_study is not None
    assert found.next_study.seeds == 5
    assert not [change for change in found.changes if change.kind == "seeds"]


def test_a_lora_row_that_stands_in_for_full_fine_tuning_is_named(engine: Engine) -> None:
    found = asked(engine, without("full"))
    assert found.verdict != "not enough evidence"
    assert [said(note) for note in found.notes] == [
        "LoRA r8 stands in for full fine-tuning as the reference: the study has no full fine-tuning."
    ]
    assert found.reference in {row.configuration for row in found.ranked}


# -- not enough evidence -----------------------------------------------------------------------------------------------


def refused(found: Recommendation) -> str:
    assert (found.verdict, found.pick, found.ranked, found.changes) == ("not enough evidence", None, [], [])
    return said(found.reason)


def test_without_reference_rows_it_says_which_and_offers_the_study_with_them(engine: Engine) -> None:
    found = asked(engine, without("untuned"))
    assert "an untuned row must both be measured" in refused(found)
    assert found.next_study is not None
    assert {"untuned", "full"} <= set(found.next_study.references)
    assert found.next_study.methods
    assert found.next_study.base_model == "minilm"


def test_while_runs_are_under_way_it_asks_to_wait_and_offers_nothing(engine: Engine) -> None:
    found = asked(engine)
    with system_session(engine) as session:
        for run in session.scalars(select(Run).where(Run.study_id == found.study)):
            run.status = "queued"
    waiting = again(engine, found.study)
    assert "not in yet" in refused(waiting)
    assert waiting.next_study is None


def test_a_study_in_which_nothing_learned_recommends_nothing(engine: Engine) -> None:
    floor = (0.6783, 0.6800, 0.6767)
    rows = tuple(
        row if row.method == "untuned" else replace(row, accuracy=floor, validation=(0.68,) * len(row.validation))
        for row in QUICKSTART
    )
    found = asked(engine, rows)
    assert "does not clearly beat the untuned floor" in refused(found)
    assert found.next_study is not None
    assert found.next_study.budget.epochs == 6


def test_where_only_full_learned_nothing_else_is_ranked(engine: Engine) -> None:
    rows = tuple(
        row
        if row.method in ("untuned", "full")
        else replace(row, accuracy=(0.6783, 0.6800, 0.6767), validation=(0.68, 0.68, 0.68))
        for row in QUICKSTART
    )
    found = asked(engine, rows)
    assert [row.label for row in found.ranked] == ["Full fine-tuning"]
    assert any("did not learn" in said(veto.reason) for veto in found.vetoed)


def test_where_a_limit_rules_everybody_out_more_methods_are_offered(engine: Engine) -> None:
    found = asked(engine, without("adapter"), constraints={"peak_memory_bytes": 1.0})
    assert "Loosen a constraint" in refused(found)
    assert {veto.label for veto in found.vetoed} >= {"LoRA r8", "Full fine-tuning"}
    assert found.next_study is not None
    assert "adapter" in {entry.method for entry in found.next_study.methods}


def test_a_next_study_has_a_name_that_fits(engine: Engine) -> None:
    with system_session(engine) as session:
        study = insert(session, team_id=1, rows=without("untuned"), name="x" * 200).id
    found = again(engine, study)
    assert found.next_study is not None
    assert len(found.next_study.name) <= 200
