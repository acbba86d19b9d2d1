"""Successive halving on real databases: who goes on from a first rung, and what is chosen among."""

import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from app.db.session import database_now, system_session
from app.db.tables import Configuration, Run, Study
from app.schemas import MethodEntry, StudyDocument, StudyExtension
from app.services import run_queue, runs, studies
from app.services.callers import LOCAL
from app.services.extend import extend_study
from app.services.run_queue import ClaimedRun
from app.settings import Settings
from peft_core.spec import Budget, RunResult
from tests.databases import on_both_databases

pytestmark = on_both_databases

RATES = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2]
HALVED = StudyDocument(
    name="Halved",
    budget=Budget(epochs=2, batch_size=4, max_length=32, evaluations=4, patience=2),
    seeds=2,
    tuning="halving",
    methods=[MethodEntry(method="lora", learning_rates=RATES)],
    references=[],
)
STEPS = 200
"""Two epochs of the task's 400 training items."""
RISING = dict(zip(RATES, (0.5, 0.6, 0.7, 0.8, 0.9), strict=True))


@pytest.fixture
def study(engine: Engine, settings: Settings) -> int:
    made = studies.create_study(engine, settings, LOCAL, HALVED)
    with system_session(engine) as session:
        session.get_one(Study, made).precision = "fp32"
    return made


@pytest.fixture
def worker(engine: Engine) -> int:
    with system_session(engine) as session:
        return run_queue.register_worker(session, "test:1", "cpu", {})


def claim(engine: Engine, worker: int) -> ClaimedRun | None:
    with system_session(engine) as session:
        return run_queue.claim_next_run(session, worker, store=Path("store"), lease_seconds=30, alone=True)


def claimed(engine: Engine, worker: int) -> ClaimedRun:
    found = claim(engine, worker)
    assert found is not None
    return found


def rung_of(engine: Engine, worker: int) -> list[ClaimedRun]:
    """Every tuning run that can be claimed now."""
    found: list[ClaimedRun] = []
    while (run := claim(engine, worker)) is not None:
        assert run.spec.purpose == "tune"
        found.append(run)
    return found


def finish(engine: Engine, found: ClaimedRun, score: float | None) -> None:
    result = RunResult(validation_score=score, train_seconds=1.0, artifacts=(), environment={})
    with system_session(engine) as session:
        run_queue.finish_run(session, found, result, ())


def fail(engine: Engine, found: ClaimedRun) -> None:
    with system_session(engine) as session:
        run_queue.fail_run(session, found, "broken")


def end(engine: Engine, rung: list[ClaimedRun], scores: Mapping[float, float | None]) -> None:
    """Each run ends with the score of its rate; those of a rate without one fail."""
    for run in rung:
        rate = run.spec.learning_rate or 0.0
        if rate in scores:
            finish(engine, run, scores[rate])
        else:
            fail(engine, run)


def rates(rung: list[ClaimedRun]) -> list[float | None]:
    return [run.spec.learning_rate for run in rung]


def waiting(engine: Engine) -> list[tuple[str, float | None, int | None]]:
    """Tuning runs that wait: status, learning rate, steps of their rung."""
    with system_session(engine) as session:
        found = session.scalars(select(Run).where(Run.purpose == "tune", Run.status == "queued").order_by(Run.id))
        return [(run.status, run.learning_rate, run.rung_steps) for run in found]


def chosen(engine: Engine) -> float | None:
    with system_session(engine) as session:
        return session.scalar(select(Configuration.learning_rate))


# -- the way it goes --------------------------------------------------------------------------------------------------


def test_a_first_rung_has_a_budget_of_its_own_and_the_better_half_the_whole_one(
    engine: Engine, study: int, worker: int
) -> None:
    first = rung_of(engine, worker)
    assert rates(first) == RATES
    assert {run.spec.budget.total_steps(400) for run in first} == {STEPS // 4}
    assert {run.spec.budget.patience for run in first} == {None}
    end(engine, first, RISING)
    second = rung_of(engine, worker)
    assert rates(second) == [3e-3, 1e-2]
    assert {run.spec.budget for run in second} == {HALVED.budget}
    assert chosen(engine) is None
    end(engine, second, {3e-3: 0.95, 1e-2: 0.94})
    assert chosen(engine) == 3e-3
    report = claimed(engine, worker)
    assert (report.spec.purpose, report.spec.learning_rate, report.spec.budget) == ("report", 3e-3, HALVED.budget)


def test_a_score_of_the_first_rung_is_never_chosen(engine: Engine, study: int, worker: int) -> None:
    end(engine, rung_of(engine, worker), RISING | {1e-4: 0.99})
    end(engine, rung_of(engine, worker), {1e-4: 0.2, 1e-2: 0.3})
    assert chosen(engine) == 1e-2


def test_soft_prompts_have_a_longer_first_rung(engine: Engine, settings: Settings, worker: int) -> None:
    document = HALVED.model_copy(update={"methods": [MethodEntry(method="prompt_tuning", learning_rates=RATES)]})
    made = studies.create_study(engine, settings, LOCAL, document)
    with system_session(engine) as session:
        session.get_one(Study, made).precision = "fp32"
    assert {run.spec.budget.steps for run in rung_of(engine, worker)} == {STEPS // 2}


@pytest.mark.parametrize(
    ("document", "number"),
    [
        (HALVED.model_copy(update={"tuning": "grid"}), 5),
        (HALVED.model_copy(update={"methods": [MethodEntry(method="lora", learning_rates=RATES[:3])]}), 3),
        (HALVED.model_copy(update={"methods": [MethodEntry(method="prompt_tuning", learning_rates=RATES[:4])]}), 4),
        (HALVED.model_copy(update={"budget": Budget(steps=1)}), 5),
    ],
    ids=["a grid", "three rates", "no cheaper", "one step"],
)
def test_without_a_first_rung_every_rate_has_the_whole_budget(
    engine: Engine, settings: Settings, worker: int, document: StudyDocument, number: int
) -> None:
    made = studies.create_study(engine, settings, LOCAL, document)
    with system_session(engine) as session:
        session.get_one(Study, made).precision = "fp32"
    found = rung_of(engine, worker)
    assert [run.spec.budget for run in found] == [document.budget] * number
    end(engine, found, RISING)
    assert claimed(engine, worker).spec.purpose == "report"


# -- ties and failures ------------------------------------------------------------------------------------------------


def test_of_equal_scores_the_rate_beside_the_best_goes_on(engine: Engine, study: int, worker: int) -> None:
    end(engine, rung_of(engine, worker), dict.fromkeys(RATES, 0.7) | {3e-3: 0.8})
    assert rates(rung_of(engine, worker)) == [1e-3, 3e-3]


def test_a_first_rung_in_which_all_score_the_same_leaves_nobody_out(engine: Engine, study: int, worker: int) -> None:
    end(engine, rung_of(engine, worker), dict.fromkeys(RATES, 0.687))
    assert rates(rung_of(engine, worker)) == RATES


def test_who_fails_in_the_first_rung_is_out(engine: Engine, study: int, worker: int) -> None:
    end(engine, rung_of(engine, worker), {1e-4: 0.5, 3e-4: 0.6, 1e-3: 0.7, 3e-3: None})
    assert rates(rung_of(engine, worker)) == [3e-4, 1e-3]


def test_who_fails_with_the_whole_budget_gives_its_place_to_the_next(engine: Engine, study: int, worker: int) -> None:
    end(engine, rung_of(engine, worker), RISING)
    end(engine, rung_of(engine, worker), {3e-3: 0.6})
    third = rung_of(engine, worker)
    assert rates(third) == [1e-3]
    end(engine, third, {1e-3: 0.7})
    assert chosen(engine) == 1e-3


def test_where_all_fail_the_row_fails_and_a_retry_brings_it_back(engine: Engine, study: int, worker: int) -> None:
    first = rung_of(engine, worker)
    end(engine, first, {})
    with system_session(engine) as session:
        reports = list(session.scalars(select(Run).where(Run.purpose != "tune")))
    assert {run.status for run in reports} == {"failed"}
    assert all("no learning rate" in (run.reason or "") for run in reports)
    runs.retry_run(engine, LOCAL, first[1].lease.run_id)
    again = claimed(engine, worker)
    assert again.spec.budget.steps == STEPS // 4
    finish(engine, again, 0.7)
    end(engine, rung_of(engine, worker), {3e-4: 0.8})
    assert chosen(engine) == 3e-4
    assert claimed(engine, worker).spec.purpose == "report"


def test_a_late_better_score_of_the_first_rung_is_tried_as_well(engine: Engine, study: int, worker: int) -> None:
    first = rung_of(engine, worker)
    end(engine, first, {rate: score for rate, score in RISING.items() if rate != 1e-4})
    end(engine, rung_of(engine, worker), {3e-3: 0.8, 1e-2: 0.7})
    assert chosen(engine) == 3e-3
    runs.retry_run(engine, LOCAL, first[0].lease.run_id)
    again = claimed(engine, worker)
    finish(engine, again, 0.95)
    assert waiting(engine) == [("queued", 1e-4, None)]
    end(engine, [claimed(engine, worker)], {1e-4: 0.9})
    assert chosen(engine) == 1e-4


def test_a_lost_run_of_the_first_rung_is_waited_for(engine: Engine, study: int, worker: int) -> None:
    first = rung_of(engine, worker)
    end(engine, first[:-1], RISING)
    with system_session(engine) as session:
        lost = session.get_one(Run, first[-1].lease.run_id)
        lost.lease_expires_at = database_now(session)
    time.sleep(0.01)
    with system_session(engine) as session:
        assert run_queue.release_expired_leases(session) == [first[-1].lease.run_id]
    assert waiting(engine) == [("queued", 1e-2, STEPS // 4)]
    finish(engine, claimed(engine, worker), 0.9)
    assert rates(rung_of(engine, worker)) == [3e-3, 1e-2]


# -- cancelling -------------------------------------------------------------------------------------------------------


def test_cancelling_the_study_in_its_first_rung_queues_nothing(engine: Engine, study: int, worker: int) -> None:
    first = [claimed(engine, worker) for _ in range(4)]
    end(engine, first[:3], RISING)
    studies.cancel_study(engine, LOCAL, study)
    with system_session(engine) as session:
        run_queue.cancel_run(session, first[3])
    assert claim(engine, worker) is None
    assert chosen(engine) is None


def test_cancelling_the_last_run_of_the_first_rung_lets_the_others_go_on(
    engine: Engine, study: int, worker: int
) -> None:
    first = [claimed(engine, worker) for _ in range(4)]
    end(engine, first, RISING)
    runs.request_cancel(engine, LOCAL, 5)
    assert rates(rung_of(engine, worker)) == [1e-3, 3e-3]


def test_who_is_cancelled_with_the_whole_budget_is_not_replaced(engine: Engine, study: int, worker: int) -> None:
    end(engine, rung_of(engine, worker), RISING)
    first, second = rung_of(engine, worker)
    runs.request_cancel(engine, LOCAL, first.lease.run_id)
    with system_session(engine) as session:
        run_queue.cancel_run(session, first)
    finish(engine, second, 0.9)
    assert waiting(engine) == []
    assert chosen(engine) == 1e-2


def test_a_first_rung_that_ends_while_the_study_is_cancelled_leaves_nothing_queued(
    engine: Engine, study: int, worker: int
) -> None:
    first = rung_of(engine, worker)
    end(engine, first[:-1], RISING)
    other = threading.Thread(target=studies.cancel_study, args=(engine, LOCAL, study))
    with system_session(engine) as session:
        result = RunResult(validation_score=0.9, train_seconds=1, artifacts=(), environment={})
        run_queue.finish_run(session, first[-1], result, ())
        other.start()
        # Long enough for the other to have read what waits, or to wait for us.
        time.sleep(0.5)
    other.join()
    with system_session(engine) as session:
        left = session.scalars(select(Run.status).where(Run.status.in_(("queued", "running")))).all()
    assert left == []


# -- adding learning rates --------------------------------------------------------------------------------------------


def test_rates_that_are_added_have_the_whole_budget(
    engine: Engine, settings: Settings, study: int, worker: int
) -> None:
    end(engine, rung_of(engine, worker), RISING)
    end(engine, rung_of(engine, worker), {3e-3: 0.8, 1e-2: 0.9})
    extend_study(engine, settings, LOCAL, study, StudyExtension(learning_rates={1: [3e-2, 1e-1]}))
    added = rung_of(engine, worker)
    assert (rates(added), {run.spec.budget for run in added}) == ([3e-2, 1e-1], {HALVED.budget})
    end(engine, added, {3e-2: 0.95, 1e-1: 0.5})
    assert chosen(engine) == 3e-2


def test_rates_that_are_added_during_the_first_rung_wait_for_nobody(
    engine: Engine, settings: Settings, study: int, worker: int
) -> None:
    first = rung_of(engine, worker)
    extend_study(engine, settings, LOCAL, study, StudyExtension(learning_rates={1: [3e-2]}))
    added = claimed(engine, worker)
    end(engine, first, RISING)
    second = rung_of(engine, worker)
    assert rates(second) == [3e-3, 1e-2]
    end(engine, second, {3e-3: 0.8, 1e-2: 0.9})
    assert chosen(engine) is None
    finish(engine, added, 0.95)
    assert chosen(engine) == 3e-2


def test_a_rate_that_was_left_out_can_be_asked_for(engine: Engine, settings: Settings, study: int, worker: int) -> None:
    first = rung_of(engine, worker)
    asked = StudyExtension(learning_rates={1: [1e-3]})
    # It may still go on by itself.
    assert extend_study(engine, settings, LOCAL, study, asked).run_ids == []
    end(engine, first, RISING)
    end(engine, rung_of(engine, worker), {3e-3: 0.8, 1e-2: 0.9})
    assert len(extend_study(engine, settings, LOCAL, study, asked).run_ids) == 1
    assert waiting(engine) == [("queued", 1e-3, None)]
    assert extend_study(engine, settings, LOCAL, study, asked).run_ids == []
    end(engine, rung_of(engine, worker), {1e-3: 0.95})
    assert chosen(engine) == 1e-3


def test_an_added_method_is_tuned_as_the_study_is(engine: Engine, settings: Settings, study: int, worker: int) -> None:
    rung_of(engine, worker)
    extend_study(engine, settings, LOCAL, study, StudyExtension(methods=[MethodEntry(method="bitfit")]))
    assert {run.spec.budget.steps for run in rung_of(engine, worker)} == {STEPS // 4}


# -- two at once ------------------------------------------------------------------------------------------------------


def test_two_runs_of_the_first_rung_that_end_at_once_let_the_others_go_on_once(
    engine: Engine, study: int, worker: int
) -> None:
    run = rung_of(engine, worker)
    end(engine, run[:3], RISING)
    other = threading.Thread(target=finish, args=(engine, run[4], 0.9))
    with system_session(engine) as session:
        result = RunResult(validation_score=0.8, train_seconds=1, artifacts=(), environment={})
        run_queue.finish_run(session, run[3], result, ())
        other.start()
        # Long enough for the other to have written, or to wait for us.
        time.sleep(0.5)
    other.join()
    assert rates(rung_of(engine, worker)) == [3e-3, 1e-2]


def test_two_workers_that_end_a_whole_rung_together_let_the_others_go_on_once(
    engine: Engine, study: int, worker: int
) -> None:
    for scores in (RISING, {3e-3: 0.95, 1e-2: 0.94}):
        rung = rung_of(engine, worker)
        together = threading.Barrier(len(rung))

        def ends(run: ClaimedRun, together: threading.Barrier = together, scores: dict[float, float] = scores) -> None:
            together.wait()
            finish(engine, run, scores[run.spec.learning_rate or 0.0])

        threads = [threading.Thread(target=ends, args=(run,)) for run in rung]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert chosen(engine) == 3e-3
    with system_session(engine) as session:
        assert len(session.scalars(select(Run).where(Run.purpose == "tune")).all()) == 5 + 2
