"""What goes wrong with one run costs neither the worker nor another run."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import forkserver
from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from app.db.session import system_session
from app.db.tables import Attempt, LogLineRow, Run, SeriesPointRow, Study
from app.schemas import MethodEntry, StudyDocument
from app.services import run_queue, runs, studies
from app.services.callers import LOCAL
from app.settings import Settings
from app.worker.executors.executor import Outcome, Running, Share
from app.worker.executors.local import LocalExecutor
from app.worker.loop import Worker
from peft_core.hub_access import Hub
from peft_core.spec import Budget, Event, Log, Point, RunSpec
from tests.app.worker.run_functions import DONE
from tests.databases import on_both_databases, slowly_on_postgres_too

FUNCTIONS = "tests.app.worker.run_functions"
SMALL = StudyDocument(
    name="Small",
    budget=Budget(steps=2, batch_size=4, max_length=16),
    seeds=2,
    grid_points=1,
    methods=[MethodEntry(method="head_only")],
    references=[],
)


@dataclass
class Scripted:
    """A run whose process says what the test wrote down."""

    told: list[Event] = field(default_factory=list)
    outcome: Outcome | None = field(default_factory=lambda: Outcome(DONE, None))
    raises: Exception | None = None

    def poll(self) -> tuple[list[Event], Outcome | None]:
        if self.raises is not None:
            raise self.raises
        told, self.told = self.told, []
        return told, self.outcome

    def stop(self) -> None:
        self.outcome = Outcome(None, "stopped")

    def pause(self) -> None:
        self.outcome = Outcome(None, None, paused=True)

    def kill(self) -> None:
        pass


class ScriptedExecutor:
    """Starts what the test gives for a run's number: a run, or the error that comes instead."""

    groups = None

    def __init__(self, start: Callable[[int], Running]) -> None:
        self._start = start
        self.started: list[tuple[int, float]] = []

    def slots(self, device: str) -> int:
        return 2

    def warm_up(self) -> None:
        pass

    def shortage(self) -> str | None:
        return None

    def start(self, spec: RunSpec, share: Share, hub: Hub | None = None) -> Running:
        self.started.append((spec.run_id, time.monotonic()))
        return self._start(spec.run_id)


@contextmanager
def working(engine: Engine, settings: Settings, executor: Any) -> Iterator[threading.Thread]:
    worker = Worker(engine, settings, executor)
    thread = threading.Thread(target=worker.work)
    thread.start()
    try:
        yield thread
        assert thread.is_alive(), "the worker ended"
    finally:
        worker.stop()
        thread.join(30)
        assert not thread.is_alive()


def wait_until(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@pytest.fixture
def study(engine: Engine, settings: Settings) -> int:
    """Two reporting runs (1 and 2) and a probe (3), precision known."""
    made = studies.create_study(engine, settings, LOCAL, SMALL)
    with system_session(engine) as session:
        session.get_one(Study, made).precision = "fp32"
    return made


def read(engine: Engine, run_id: int) -> Run:
    with system_session(engine) as session:
        return session.get_one(Run, run_id)


def statuses(engine: Engine) -> list[str]:
    with system_session(engine) as session:
        return list(session.scalars(select(Run.status).order_by(Run.id)))


def attempts(engine: Engine, run_id: int) -> list[tuple[str | None, str | None]]:
    with system_session(engine) as session:
        query = select(Attempt).where(Attempt.run_id == run_id).order_by(Attempt.attempt)
        return [(attempt.outcome, attempt.reason) for attempt in session.scalars(query)]


def log(engine: Engine, run_id: int = 1) -> list[str]:
    with system_session(engine) as session:
        return list(
            session.scalars(select(LogLineRow.message).where(LogLineRow.run_id == run_id).order_by(LogLineRow.id))
        )


@slowly_on_postgres_too
def test_a_run_whose_process_cannot_be_started_now_is_given_back_and_tried_again_after_a_break(
    engine: Engine, settings: Settings, study: int
) -> None:
    failing = [BlockingIOError(11, "Resource temporarily unavailable"), EOFError()]

    def start(_: int) -> Running:
        if failing:
            raise failing.pop(0)
        return Scripted()

    executor = ScriptedExecutor(start)
    with working(engine, settings, executor):
        wait_until(lambda: set(statuses(engine)) == {"succeeded"})
    times = [at for _, at in executor.started]
    assert times[1] - times[0] >= 1
    assert times[2] - times[1] >= 2
    assert attempts(engine, 1)[0][0] == "returned"
    assert "could not be started (BlockingIOError: [Errno 11]" in str(attempts(engine, 1)[0][1])


@slowly_on_postgres_too
def test_a_worker_that_can_start_nothing_claims_less_and_less_often(
    engine: Engine, settings: Settings, study: int
) -> None:
    def start(_: int) -> Running:
        raise OSError(12, "Cannot allocate memory")

    executor = ScriptedExecutor(start)
    with working(engine, settings, executor):
        time.sleep(5)
    assert 2 <= len(executor.started) <= 4
    assert statuses(engine) == ["queued"] * 3


@slowly_on_postgres_too
def test_a_run_keeps_its_lease_while_its_process_starts(engine: Engine, settings: Settings, study: int) -> None:
    def start(_: int) -> Running:
        time.sleep(3)
        return Scripted()

    hasty = settings.model_copy(update={"lease_seconds": 1.0, "slots": 1})
    with working(engine, hasty, ScriptedExecutor(start)):
        wait_until(lambda: statuses(engine)[0] == "succeeded")
    assert attempts(engine, 1) == [("succeeded", None)]


@slowly_on_postgres_too
def test_a_run_that_cannot_be_started_at_all_fails_with_the_reason_and_the_next_one_runs(
    engine: Engine, settings: Settings, study: int
) -> None:
    def start(run_id: int) -> Running:
        if run_id == 1:
            raise ValueError("no such method: \0")
        return Scripted()

    with working(engine, settings, ScriptedExecutor(start)):
        wait_until(lambda: "queued" not in statuses(engine) and "running" not in statuses(engine))
    assert statuses(engine) == ["failed", "succeeded", "succeeded"]
    assert "could not be started (ValueError: no such method" in (read(engine, 1).reason or "")
    assert any("Traceback" in line for line in log(engine))


@on_both_databases
def test_a_study_document_that_makes_no_run_fails_its_runs_and_no_worker(
    engine: Engine, settings: Settings, study: int
) -> None:
    other = studies.create_study(engine, settings, LOCAL, SMALL.model_copy(update={"name": "Sound"}))
    with system_session(engine) as session:
        session.get_one(Study, other).precision = "fp32"
        broken = session.get_one(Study, study)
        broken.document = broken.document | {"budget": {"steps": -1}}
    with working(engine, settings, ScriptedExecutor(lambda _: Scripted())):
        wait_until(lambda: "queued" not in statuses(engine) and "running" not in statuses(engine))
    assert statuses(engine) == ["failed"] * 3 + ["succeeded"] * 3
    assert "Make a new study of it" in (read(engine, 1).reason or "")


@on_both_databases
def test_a_run_that_cannot_be_asked_fails_and_the_one_beside_it_goes_on(
    engine: Engine, settings: Settings, study: int
) -> None:
    def start(run_id: int) -> Running:
        return Scripted(raises=RuntimeError("the pipe speaks nonsense")) if run_id == 1 else Scripted()

    with working(engine, settings, ScriptedExecutor(start)):
        wait_until(lambda: "queued" not in statuses(engine) and "running" not in statuses(engine))
    assert statuses(engine) == ["failed", "succeeded", "succeeded"]
    assert "RuntimeError: the pipe speaks nonsense" in (read(engine, 1).reason or "")


@slowly_on_postgres_too
def test_a_file_that_a_run_did_not_leave_fails_it_and_no_other(engine: Engine, settings: Settings, study: int) -> None:
    with working(engine, settings, LocalExecutor(f"{FUNCTIONS}:leave_no_file")):
        wait_until(lambda: "queued" not in statuses(engine) and "running" not in statuses(engine))
    assert statuses(engine) == ["failed", "failed", "succeeded"]
    assert "FileNotFoundError" in (read(engine, 1).reason or "")


@on_both_databases
def test_what_cannot_be_kept_is_left_out_and_costs_no_other_event(
    engine: Engine, settings: Settings, study: int
) -> None:
    with working(engine, settings, LocalExecutor(f"{FUNCTIONS}:tell_what_cannot_be_kept")):
        wait_until(lambda: "queued" not in statuses(engine) and "running" not in statuses(engine))
    assert statuses(engine) == ["succeeded"] * 3
    lines = log(engine)
    assert (lines[0], lines[1], lines[-1]) == ("before", "one\ufffdtwo \ufffd", "after")
    assert [line.startswith("left out of the record") for line in lines[2:-1]] == [True, True]
    with system_session(engine) as session:
        points = session.scalars(select(SeriesPointRow).where(SeriesPointRow.run_id == 1)).all()
    assert [(point.key, point.step, point.value) for point in points] == [("loss", 1, 0.5)]


@on_both_databases
def test_what_the_database_refuses_is_left_out_and_costs_no_other_event(
    engine: Engine, settings: Settings, study: int
) -> None:
    """Past the border, where a version of it let something through."""
    told: list[Event] = [
        Log(message="before"),
        Point.model_construct(event="point", key="loss", step=2**70, value=1.0),
        Point(key="loss", step=1, value=0.5),
        Log(message="after"),
    ]
    with working(engine, settings, ScriptedExecutor(lambda _: Scripted(told=list(told)))):
        wait_until(lambda: "queued" not in statuses(engine) and "running" not in statuses(engine))
    assert statuses(engine) == ["succeeded"] * 3
    lines = log(engine)
    assert (lines[0], lines[-1], len(lines)) == ("before", "after", 3)
    assert lines[1].startswith("left out of the record")


@on_both_databases
def test_the_workers_log_says_of_each_line_which_attempt_it_is_about(
    engine: Engine, settings: Settings, study: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="app")

    def start(run_id: int) -> Running:
        return Scripted(outcome=Outcome(None, "broke")) if run_id == 1 else Scripted()

    with working(engine, settings, ScriptedExecutor(start)):
        wait_until(lambda: "queued" not in statuses(engine) and "running" not in statuses(engine))
    told = [vars(line) for line in caplog.records]
    assert "worker_started" in {line["event"] for line in told}
    for run, ended in ((1, "failed"), (2, "succeeded")):
        of_run = [(line["attempt"], line["event"]) for line in told if line["run_id"] == run]
        assert of_run == [(1, "claimed"), (1, ended)]


@pytest.mark.faults
@slowly_on_postgres_too
def test_a_killed_fork_server_costs_an_attempt_and_no_worker(engine: Engine, settings: Settings, study: int) -> None:
    one = settings.model_copy(update={"slots": 1})
    with working(engine, one, LocalExecutor(f"{FUNCTIONS}:wait")):
        wait_until(lambda: bool(log(engine)), 120)
        child = int(log(engine)[0].split()[1])
        server: Any = forkserver._forkserver
        os.kill(server._forkserver_pid, signal.SIGKILL)
        wait_until(lambda: len(log(engine)) > 1, 120)
        wait_until(lambda: not lives(child), 10)
        runs.request_cancel(engine, LOCAL, 1)
        wait_until(lambda: statuses(engine)[0] == "cancelled")
    assert attempts(engine, 1) == [
        ("lost", "the process that runs are forked from was ended"),
        ("cancelled", "cancelled while it ran"),
    ]


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("how", ["worker stops", "lost", "could not be started"])
@on_both_databases
def test_a_run_that_is_to_be_cancelled_waits_for_no_other_worker(
    engine: Engine, settings: Settings, study: int, how: str
) -> None:
    """Whoever asked last before it leaves its worker is heard."""
    with system_session(engine) as session:
        worker = run_queue.register_worker(session, "test:1", "cpu", {})
        found = run_queue.claim_next_run(session, worker, store=settings.store_folder, lease_seconds=30, alone=True)
    assert found is not None
    runs.request_cancel(engine, LOCAL, found.lease.run_id)
    with system_session(engine) as session:
        if how == "lost":
            assert not run_queue.lose_run(session, found, "its node died")
        else:
            assert not run_queue.give_back(session, found.lease, how)
    run = read(engine, found.lease.run_id)
    assert (run.status, run.reason, run.lease_token) == ("cancelled", "cancelled while it ran", None)
    assert run.ended_at is not None
    assert attempts(engine, run.id) == [("cancelled", "its node died" if how == "lost" else how)]


@on_both_databases
def test_a_stopping_worker_cancels_what_was_to_be_cancelled(engine: Engine, settings: Settings, study: int) -> None:
    with working(engine, settings, ScriptedExecutor(lambda _: Scripted(outcome=None))):
        wait_until(lambda: statuses(engine)[:2] == ["running", "running"])
        with system_session(engine) as session:
            session.execute(update(Run).where(Run.id == 1).values(cancel_requested=True))
    assert statuses(engine) == ["cancelled", "queued", "queued"]
    assert attempts(engine, 2) == [("returned", "its worker stopped")]
