"""The queue's state machine on real databases: who is next, whose a run is, and how it ends."""

import threading
import time
from collections import namedtuple
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from app.db.session import database_now, system_session
from app.db.tables import Attempt, Configuration, LogLineRow, MeasurementRow, Run, SeriesPointRow, Study
from app.errors import Conflict, DiskFull, LeaseLost
from app.schemas import MethodEntry, StudyDocument, StudyPatch
from app.services import run_queue, runs, studies
from app.services.callers import LOCAL
from app.services.run_queue import ClaimedRun
from app.settings import Settings
from peft_core.spec import Budget, Event, Log, Measurement, Point, PrecisionChosen, Progress, Resumed, RunResult
from tests.databases import on_both_databases

pytestmark = on_both_databases

_ntuple_diskusage = namedtuple("_ntuple_diskusage", ("total", "used", "free"))

TUNED = StudyDocument(
    name="Tuned",
    budget=Budget(steps=5, batch_size=4, max_length=32),
    seeds=2,
    grid_points=3,
    methods=[MethodEntry(method="lora")],
    references=[],
)


@pytest.fixture
def study(engine: Engine, settings: Settings) -> int:
    return studies.create_study(engine, settings, LOCAL, TUNED)


@pytest.fixture
def worker(engine: Engine) -> int:
    with system_session(engine) as session:
        return run_queue.register_worker(session, "test:1", "cpu", {})


def claim(engine: Engine, worker: int, *, alone: bool = True, lease_seconds: float = 30) -> ClaimedRun | None:
    with system_session(engine) as session:
        return run_queue.claim_next_run(session, worker, store=Path("store"), lease_seconds=lease_seconds, alone=alone)


def claimed(engine: Engine, worker: int, **how: Any) -> ClaimedRun:
    found = claim(engine, worker, **how)
    assert found is not None
    return found


def record(engine: Engine, found: ClaimedRun, events: Sequence[Event]) -> bool:
    with system_session(engine) as session:
        return run_queue.record_events(session, found.lease, events)


def finish(engine: Engine, found: ClaimedRun, score: float | None = None) -> None:
    result = RunResult(validation_score=score, train_seconds=1.0, artifacts=(), environment={})
    with system_session(engine) as session:
        run_queue.finish_run(session, found, result, ())


def know_precision(engine: Engine, study: int) -> None:
    with system_session(engine) as session:
        session.get_one(Study, study).precision = "fp32"


def read(engine: Engine, run_id: int) -> Run:
    with system_session(engine) as session:
        return session.get_one(Run, run_id)


def everything(engine: Engine) -> list[Run]:
    with system_session(engine) as session:
        return list(session.scalars(select(Run).order_by(Run.id)))


def test_a_study_queues_its_grid_then_its_seeds_then_its_probe(engine: Engine, study: int) -> None:
    found = everything(engine)
    assert [run.purpose for run in found] == ["tune"] * 3 + ["report"] * 2 + ["probe"]
    assert len({run.learning_rate for run in found[:3]}) == 3
    assert {run.learning_rate for run in found[3:]} == {None}
    assert found[0].seed not in {run.seed for run in found[3:5]}


def test_while_the_precision_is_unknown_one_run_goes_first(engine: Engine, study: int, worker: int) -> None:
    first = claimed(engine, worker)
    assert first.spec.precision is None
    assert claim(engine, worker) is None
    chosen = PrecisionChosen(precision="bf16", fp32_step_seconds=0.2, bf16_step_seconds=0.1)
    record(engine, first, [chosen])
    assert claimed(engine, worker, alone=False).spec.precision == "bf16"


def test_reports_wait_for_the_learning_rate_and_get_the_best(engine: Engine, study: int, worker: int) -> None:
    know_precision(engine, study)
    tuning = [claimed(engine, worker) for _ in range(3)]
    assert claim(engine, worker) is None
    for found, score in zip(tuning, (0.7, 0.9, 0.8), strict=True):
        finish(engine, found, score)
    report = claimed(engine, worker)
    assert (report.spec.purpose, report.spec.learning_rate) == ("report", tuning[1].spec.learning_rate)


def test_a_tie_goes_to_the_smaller_rate(engine: Engine, study: int, worker: int) -> None:
    know_precision(engine, study)
    tuning = [claimed(engine, worker) for _ in range(3)]
    for found in reversed(tuning):
        finish(engine, found, 0.9)
    with system_session(engine) as session:
        chosen = session.scalar(select(Configuration.learning_rate))
    assert chosen == min(found.spec.learning_rate or 1 for found in tuning)


def test_without_any_tuned_rate_the_rest_fails_with_the_reason(engine: Engine, study: int, worker: int) -> None:
    know_precision(engine, study)
    for _ in range(3):
        with system_session(engine) as session:
            found = run_queue.claim_next_run(session, worker, store=Path("s"), lease_seconds=30, alone=True)
            assert found is not None
            run_queue.fail_run(session, found, "broken")
    rest = everything(engine)[3:]
    assert {run.status for run in rest} == {"failed"}
    assert all("no learning rate" in (run.reason or "") for run in rest)


def test_a_probe_has_the_device_alone_and_no_other_study_overtakes_it(
    engine: Engine, settings: Settings, study: int, worker: int
) -> None:
    know_precision(engine, study)
    for found in [claimed(engine, worker) for _ in range(3)]:
        finish(engine, found, 0.9)
    for _ in range(2):
        claimed(engine, worker)
    with system_session(engine) as session:
        session.get_one(Study, study).priority = 1
    studies.create_study(engine, settings, LOCAL, TUNED)
    assert claim(engine, worker, alone=False) is None
    assert claimed(engine, worker, alone=True).spec.purpose == "probe"


def test_events_are_written_once_however_often_they_are_sent(engine: Engine, study: int, worker: int) -> None:
    found = claimed(engine, worker)
    events: list[Event] = [
        Progress(phase="training", step=1, total_steps=5),
        Point(key="train_loss", step=1, value=0.5),
        Measurement(metric="storage_bytes", value=7, detail={"files": 1}),
    ]
    record(engine, found, events)
    record(engine, found, [*events, Point(key="train_loss", step=1, value=0.4)])
    with system_session(engine) as session:
        assert [point.value for point in session.scalars(select(SeriesPointRow))] == [0.4]
        assert [row.value for row in session.scalars(select(MeasurementRow))] == [7]
    run = read(engine, found.lease.run_id)
    assert (run.phase, run.step, run.total_steps) == ("training", 1, 5)


def test_a_batch_whose_answer_was_lost_is_sent_again_and_changes_nothing_twice(
    engine: Engine, study: int, worker: int
) -> None:
    found = claimed(engine, worker)
    record(engine, found, [Log(message="of an earlier batch")])
    with system_session(engine) as session:
        known = run_queue.last_line(session, found.lease.run_id)
    batch: list[Event] = [Log(message="same"), Point(key="train_loss", step=1, value=0.5), Log(message="same")]
    longer: list[Event] = [*batch, Log(message="same"), Log(message="more")]
    for sent in (batch, batch, longer):
        with system_session(engine) as session:
            run_queue.record_events(session, found.lease, sent, after_line=known)
    with system_session(engine) as session:
        lines = session.scalars(select(LogLineRow.message).order_by(LogLineRow.id)).all()
    assert lines == ["of an earlier batch", "same", "same", "same", "more"]
    expire(engine, found.lease.run_id)
    assert claimed(engine, worker).last_line == known + 4


def expire(engine: Engine, run_id: int) -> list[int]:
    with system_session(engine) as session:
        session.get_one(Run, run_id).lease_expires_at = database_now(session) - timedelta(seconds=1)
    with system_session(engine) as session:
        return run_queue.release_expired_leases(session)


def test_a_lost_run_is_claimed_again_and_the_old_worker_may_write_no_more(
    engine: Engine, study: int, worker: int
) -> None:
    first = claimed(engine, worker)
    record(engine, first, [Point(key="train_loss", step=1, value=0.5), Log(message="kept")])
    assert expire(engine, first.lease.run_id) == [first.lease.run_id]
    second = claimed(engine, worker)
    assert (second.lease.run_id, second.lease.attempt) == (first.lease.run_id, 2)
    record(engine, second, [Resumed(step=0)])
    writes = (
        lambda: record(engine, first, [Point(key="train_loss", step=2, value=0.1)]),
        lambda: finish(engine, first, 0.9),
    )
    for write in writes:
        with pytest.raises(LeaseLost):
            write()
    with system_session(engine) as session:
        assert session.scalars(select(SeriesPointRow)).all() == []
        assert [line.message for line in session.scalars(select(LogLineRow))] == ["kept"]
        reasons = list(session.scalars(select(Attempt.reason).order_by(Attempt.attempt)))
    assert reasons == ["its worker was lost", None]


def test_a_resumed_run_keeps_what_was_told_up_to_its_checkpoint(engine: Engine, study: int, worker: int) -> None:
    first = claimed(engine, worker)
    record(
        engine, first, [Resumed(step=0), *(Point(key="train_loss", step=step, value=1 / step) for step in (1, 2, 3))]
    )
    expire(engine, first.lease.run_id)
    second = claimed(engine, worker)
    assert steps_told(engine) == [1, 2, 3]
    record(engine, second, [Resumed(step=2)])
    assert steps_told(engine) == [1, 2]
    with system_session(engine) as session:
        assert session.scalars(select(Attempt.resumed_from_step).order_by(Attempt.attempt)).all() == [None, 2]


def steps_told(engine: Engine) -> list[int]:
    with system_session(engine) as session:
        return list(session.scalars(select(SeriesPointRow.step).order_by(SeriesPointRow.step)))


def test_the_time_that_is_left_counts_from_where_training_went_on(engine: Engine, study: int, worker: int) -> None:
    found = claimed(engine, worker)

    def eta() -> float | None:
        with system_session(engine) as session:
            run = session.get_one(Run, found.lease.run_id)
            return runs.run_view(run, database_now(session)).eta_seconds

    record(engine, found, [Progress(phase="loading", step=0, total_steps=100)])
    assert eta() is None
    record(engine, found, [Resumed(step=90), Progress(phase="training", step=92, total_steps=100)])
    with system_session(engine) as session:
        session.get_one(Run, found.lease.run_id).training_started_at = database_now(session) - timedelta(seconds=10)
    assert eta() == pytest.approx(40, abs=5)
    record(engine, found, [Progress(phase="measuring", step=100, total_steps=100)])
    assert eta() is None


def test_a_run_whose_owner_is_ending_it_at_this_moment_is_not_lost(engine: Engine, study: int, worker: int) -> None:
    found = claimed(engine, worker)
    with system_session(engine) as session:
        session.get_one(Run, found.lease.run_id).lease_expires_at = database_now(session) - timedelta(seconds=1)

    result = RunResult(validation_score=0.5, train_seconds=1.0, artifacts=(), environment={})

    def rescue() -> list[int]:
        with system_session(engine) as session:
            return run_queue.release_expired_leases(session)

    with ThreadPoolExecutor(1) as pool:
        with system_session(engine) as session:
            run_queue.finish_run(session, found, result, ())
            rescued = pool.submit(rescue)
            time.sleep(0.3)
        assert rescued.result(20) == []
    run = read(engine, found.lease.run_id)
    assert (run.status, run.validation_score) == ("succeeded", 0.5)


def test_a_living_lease_is_not_taken(engine: Engine, study: int, worker: int) -> None:
    claimed(engine, worker)
    with system_session(engine) as session:
        assert run_queue.release_expired_leases(session) == []


def test_a_run_that_loses_its_worker_three_times_fails(engine: Engine, study: int, worker: int) -> None:
    for _ in range(3):
        found = claimed(engine, worker)
        expire(engine, found.lease.run_id)
    run = read(engine, 1)
    assert run.status == "failed"
    assert "lost its worker 3 times" in (run.reason or "")


def test_a_run_may_be_given_back_as_often_as_workers_stop(engine: Engine, study: int, worker: int) -> None:
    for attempt in range(1, 5):
        found = claimed(engine, worker)
        assert found.lease.attempt == attempt
        with system_session(engine) as session:
            run_queue.give_back(session, found.lease)
        assert (read(engine, 1).status, read(engine, 1).reason, read(engine, 1).ended_at) == ("queued", None, None)
        with pytest.raises(LeaseLost):
            record(engine, found, [Log(message="too late")])
    with system_session(engine) as session:
        assert session.scalars(select(Attempt.outcome)).all() == ["returned"] * 4


def test_cancelling(engine: Engine, study: int, worker: int) -> None:
    found = claimed(engine, worker)
    runs.request_cancel(engine, LOCAL, found.lease.run_id)
    assert record(engine, found, [Log(message="still here")])
    with system_session(engine) as session:
        run_queue.cancel_run(session, found)
    assert read(engine, found.lease.run_id).status == "cancelled"
    runs.request_cancel(engine, LOCAL, 2)
    assert read(engine, 2).status == "cancelled"
    with pytest.raises(Conflict):
        runs.request_cancel(engine, LOCAL, 2)


def test_a_retry_is_a_new_run_in_the_old_ones_place(engine: Engine, study: int, worker: int) -> None:
    found = claimed(engine, worker)
    with system_session(engine) as session:
        run_queue.fail_run(session, found, "broken")
    again = runs.retry_run(engine, LOCAL, found.lease.run_id)
    assert read(engine, again).retry_of == found.lease.run_id
    assert read(engine, found.lease.run_id).status == "failed"
    with pytest.raises(Conflict):
        runs.retry_run(engine, LOCAL, found.lease.run_id)
    know_precision(engine, study)
    assert claimed(engine, worker).lease.run_id == again


def test_a_higher_priority_goes_first(engine: Engine, settings: Settings, study: int, worker: int) -> None:
    urgent = studies.create_study(engine, settings, LOCAL, TUNED.model_copy(update={"name": "Urgent"}))
    with system_session(engine) as session:
        session.get_one(Study, urgent).priority = 1
    assert claimed(engine, worker).study_id == urgent


def test_studies_of_equal_priority_take_turns(engine: Engine, settings: Settings, study: int, worker: int) -> None:
    other = studies.create_study(engine, settings, LOCAL, TUNED.model_copy(update={"name": "Other"}))
    for made in (study, other):
        know_precision(engine, made)
    assert [claimed(engine, worker).study_id for _ in range(4)] == [study, other, study, other]


def test_a_study_waits_for_the_device_it_needs(engine: Engine, settings: Settings, worker: int) -> None:
    studies.create_study(engine, settings, LOCAL, TUNED.model_copy(update={"device": "cuda"}))
    assert claim(engine, worker) is None
    with system_session(engine) as session:
        with_gpu = run_queue.register_worker(session, "test:2", "cuda:1", {})
    assert claimed(engine, with_gpu).spec.precision is None


def test_a_changed_priority_counts_for_runs_that_wait(
    engine: Engine, settings: Settings, study: int, worker: int
) -> None:
    later = studies.create_study(engine, settings, LOCAL, TUNED.model_copy(update={"name": "Later"}))
    studies.change_study(engine, LOCAL, later, StudyPatch(priority=3))
    assert claimed(engine, worker).study_id == later


def test_a_study_that_fills_the_disk_is_refused_with_the_numbers(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: _ntuple_diskusage(100 * 10**9, 89 * 10**9, 11 * 10**9))
    studies.create_study(engine, settings, LOCAL, TUNED)
    full = TUNED.model_copy(update={"methods": [MethodEntry(method="full")]})
    monkeypatch.setattr("shutil.disk_usage", lambda _: _ntuple_diskusage(10**9, 7 * 10**8, 3 * 10**8))
    with pytest.raises(DiskFull, match=r"keeps about 0\.36 GB of files\. 0\.30 GB of the store's disk"):
        studies.create_study(engine, settings, LOCAL, full)
    assert len(everything(engine)) == 6


def test_a_finished_run_never_changes(engine: Engine, study: int, worker: int) -> None:
    found = claimed(engine, worker)
    finish(engine, found, 0.9)
    with pytest.raises(LeaseLost), system_session(engine) as session:
        run_queue.fail_run(session, found, "too late")
    assert read(engine, found.lease.run_id).status == "succeeded"


def test_racing_workers_claim_every_run_once(engine: Engine, settings: Settings, worker: int) -> None:
    document = TUNED.model_copy(update={"seeds": 60, "grid_points": 1})
    know_precision(engine, studies.create_study(engine, settings, LOCAL, document))
    taken: list[int] = []

    def race() -> None:
        while (found := claim(engine, worker)) is not None:
            taken.append(found.lease.run_id)

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(1, 62))
