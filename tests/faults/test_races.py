"""F8: workers that race for runs, and one that stands still until its runs are somebody else's."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import Engine, select

from app.db.session import system_session
from app.db.tables import Base, Run, Worker
from app.services import run_queue, runs
from app.services.callers import LOCAL
from app.services.run_queue import ClaimedRun
from app.settings import Settings
from tests.databases import on_both_databases
from tests.faults.claimant import DONE
from tests.faults.documents import make_study, read_attempts, read_run, read_runs, steps_told
from tests.faults.processes import Started, running, sqlite_now_postgres_when_slow, wait_until

pytestmark = pytest.mark.faults

WORKERS = 4
LEASE_SECONDS = 1.0
STANDS_STILL_SECONDS = 60.0


@contextmanager
def claimant(settings: Settings, does: str) -> Iterator[Started]:
    """It has said its first word."""
    lease = {"PEFT_ATLAS_LEASE_SECONDS": str(LEASE_SECONDS)}
    with running(settings, "tests.faults.claimant", does, variables=lease, talking=True) as started:
        started.said = heard(started)
        yield started


def heard(process: Started) -> Any:
    assert process.process.stdout is not None
    return json.loads(process.process.stdout.readline())


def tell(process: Started) -> None:
    assert process.process.stdin is not None
    process.process.stdin.write(b"go\n")
    process.process.stdin.flush()


def race(engine: Engine, settings: Settings, studies: int, seeds: int, does: str = "race") -> None:
    """Each run must be claimed by one worker, once."""
    for number in range(studies):
        make_study(engine, settings, seeds=seeds, name=f"Study {number}")
    expected = [(run.id, 1) for run in read_runs(engine)]
    with ExitStack() as stack:
        workers = [stack.enter_context(claimant(settings, does)) for _ in range(WORKERS)]
        began = time.monotonic()
        for worker in workers:
            tell(worker)
        taken = [[tuple(claim) for claim in heard(worker)] for worker in workers]
        seconds = time.monotonic() - began
    print(f"{len(expected)} runs in {seconds:.1f} s; claimed by each: {[len(claims) for claims in taken]}")
    assert sorted(claim for claims in taken for claim in claims) == expected
    assert [(attempt.run_id, attempt.attempt) for attempt in read_attempts(engine)] == expected
    assert {run.status for run in read_runs(engine)} == {"succeeded"}
    # It was a race: nobody had it to itself.
    assert sum(len(claims) > 0 for claims in taken) > 1


@sqlite_now_postgres_when_slow
def test_a_hundred_runs_are_claimed_once_each(engine: Engine, settings: Settings) -> None:
    race(engine, settings, studies=2, seeds=50)


@on_both_databases
def test_runs_that_train_together_are_claimed_once_each(engine: Engine, settings: Settings) -> None:
    race(engine, settings, studies=3, seeds=40, does="groups")


@pytest.mark.slow
@on_both_databases
def test_a_thousand_runs_are_claimed_once_each(engine: Engine, settings: Settings) -> None:
    race(engine, settings, studies=10, seeds=100)


@sqlite_now_postgres_when_slow
def test_every_write_of_a_worker_that_stood_still_is_refused(engine: Engine, settings: Settings) -> None:
    make_study(engine, settings)
    with claimant(settings, "stale") as frozen:
        run_id = frozen.said["run"]
        os.kill(frozen.pid, signal.SIGSTOP)
        wait_until(lambda: lost_runs(engine) == [run_id], 5 * LEASE_SECONDS)
        second = claimed(engine)
        assert (second.lease.run_id, second.lease.attempt) == (run_id, 2)
        before = all_about(engine, run_id)
        os.kill(frozen.pid, signal.SIGCONT)
        tell(frozen)
        outcomes = heard(frozen)
    assert outcomes == dict.fromkeys(["record", "renew", "finish", "fail", "cancel", "give back"], "refused")
    assert all_about(engine, run_id) == before
    with system_session(engine) as session:
        run_queue.finish_run(session, second, DONE, ())
    assert [attempt.outcome for attempt in read_attempts(engine, run_id)] == ["lost", "succeeded"]


def lost_runs(engine: Engine) -> list[int]:
    with system_session(engine) as session:
        return run_queue.release_expired_leases(session)


def claimed(engine: Engine) -> ClaimedRun:
    with system_session(engine) as session:
        worker = run_queue.register_worker(session, "test:1", "cpu", {})
        found = run_queue.claim_next_run(session, worker, store=Path("s"), lease_seconds=30, alone=True)
    assert found is not None
    return found


def all_about(engine: Engine, run_id: int) -> list[list[dict[str, Any]]]:
    """Every row that belongs to a run, whole."""
    owned = [table for table in Base.metadata.sorted_tables if "run_id" in table.c]
    with engine.connect() as connection:
        queries = [select(Run.__table__).where(Run.id == run_id)]
        queries += [select(table).where(table.c.run_id == run_id) for table in owned]
        return [[dict(row) for row in connection.execute(query).mappings()] for query in queries]


@pytest.mark.slow
@pytest.mark.timeout(240)
@on_both_databases
def test_a_worker_that_stands_still_for_a_minute_gives_its_run_up(engine: Engine, settings: Settings) -> None:
    make_study(engine, settings)
    runs.request_cancel(engine, LOCAL, 2)
    command = ("tests.faults.dying_worker", "tests.faults.steady_runs:slow", "")
    worker = partial(running, settings, *command, variables={"PEFT_ATLAS_SLOTS": "1"})
    with worker() as frozen:
        wait_until(lambda: steps_told(engine, 1) > 3)
        with worker() as other:
            wait_until(lambda: hearts_that_beat(engine) == 2)
            os.kill(frozen.pid, signal.SIGSTOP)
            stopped_at = time.monotonic()
            claimed_seconds = wait_until(lambda: read_run(engine, 1).attempt == 2)
            wait_until(lambda: read_run(engine, 1).status == "succeeded")
            ended = all_about(engine, 1)
            wait_until(lambda: time.monotonic() - stopped_at > STANDS_STILL_SECONDS)
            os.kill(frozen.pid, signal.SIGCONT)
            wait_until(lambda: not runs_of(frozen), 10)
            assert (frozen.alive, other.alive) == (True, True)
    print(f"claimed again {claimed_seconds:.1f} s after it was stopped")
    assert claimed_seconds <= 45
    assert all_about(engine, 1) == ended
    assert [attempt.outcome for attempt in read_attempts(engine, 1)] == ["lost", "succeeded"]
    assert steps_told(engine, 1) == 1


def hearts_that_beat(engine: Engine) -> int:
    """The workers that are past their start."""
    with system_session(engine) as session:
        return len(session.scalars(select(Worker.id).where(Worker.heartbeat_at > Worker.started_at)).all())


def runs_of(worker: Started) -> list[int]:
    """The processes of a worker's runs: forked from the one that it has them forked from."""
    (server,) = [child for child in psutil.Process(worker.pid).children() if "forkserver" in " ".join(child.cmdline())]
    return [run.pid for run in server.children()]
