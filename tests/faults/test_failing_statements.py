"""F9: whichever statement, commit or write to the disk fails, nothing is half done and nothing waits for ever."""

import hashlib
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TypeVar

import psutil
import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import OperationalError

from app.db.session import make_engine, system_session
from app.db.tables import ArtifactRow, LogLineRow, Run, SeriesPointRow, Study
from app.errors import LeaseLost
from app.services import idempotency, run_queue, studies
from app.services.callers import LOCAL
from app.services.run_queue import ClaimedRun
from app.services.store import keep
from app.settings import Settings
from app.worker.executors.local import LocalExecutor
from app.worker.loop import Worker
from peft_core.spec import Artifact, Event, Log, Point, Progress, Resumed, RunResult
from tests.databases import on_both_databases
from tests.faults.documents import SMALL, all_ended, files_missing, make_study, read_attempts, read_runs
from tests.faults.failing import Kind, failing
from tests.faults.processes import running, sqlite_now_postgres_when_slow, wait_until
from tests.postgres import Postgres, running_postgres

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

T = TypeVar("T")
LEASE_SECONDS = 0.3
RUNS_OF_A_STUDY = 2
QUICK = "tests.faults.steady_runs:quick"
STEPS = 3
"""Of a quick run."""

both_kinds = pytest.mark.parametrize("kind", ["refused", "answer lost"])


@pytest.fixture
def sound(engine: Engine, settings: Settings) -> Iterator[Engine]:
    """Another engine on the same database, on which nothing fails."""
    found = make_engine(settings.database)
    yield found
    found.dispose()


def tried(do: Callable[[], T]) -> T:
    """As the worker and any client do it: what the database did not answer is tried again."""
    while True:
        try:
            return do()
        except OperationalError:
            continue


def with_every_number(engine: Engine, kind: Kind, scenario: Callable[[int], None]) -> int:
    """Play it with the first statement failing, then with the second, until none fails; how many there were."""
    for number in count(1):
        with failing(engine, number, kind) as failure:
            scenario(number)
        if not failure.happened:
            return number - 1
    raise AssertionError


# -- making a study ---------------------------------------------------------------------------------------------------


def make_until_acknowledged(engine: Engine, settings: Settings, name: str) -> int:
    """As a client does that sends the same request again under its key."""
    document = SMALL.model_copy(update={"name": name})

    def make(remember: idempotency.Remember) -> int:
        return studies.create_study(engine, settings, LOCAL, document, remember)

    return tried(lambda: idempotency.once(engine, LOCAL, name, document.model_dump_json(), make))


@both_kinds
@sqlite_now_postgres_when_slow
def test_a_study_is_there_with_all_its_runs_or_not_at_all(
    engine: Engine, settings: Settings, sound: Engine, kind: Kind
) -> None:
    names: dict[str, int] = {}

    def scenario(number: int) -> None:
        names[f"Study {number}"] = make_until_acknowledged(engine, settings, f"Study {number}")

    failed = with_every_number(engine, kind, scenario)
    with system_session(sound) as session:
        there = {study.id: study.name for study in session.scalars(select(Study))}
        runs = Counter(session.scalars(select(Run.study_id)))
    print(f"{failed} {kind}: {len(names)} acknowledged, {len(there) - len(names)} doubled")
    assert failed >= 2
    assert {study: there[study] for study in names.values()} == {study: name for name, study in names.items()}
    assert runs == dict.fromkeys(there, RUNS_OF_A_STUDY)


@sqlite_now_postgres_when_slow
def test_a_study_that_is_asked_for_again_is_made_once(engine: Engine, settings: Settings, sound: Engine) -> None:
    with_every_number(engine, "refused", lambda number: _made(engine, settings, number))
    with system_session(sound) as session:
        names = Counter(session.scalars(select(Study.name)))
    assert set(names.values()) == {1}


def _made(engine: Engine, settings: Settings, number: int) -> None:
    make_until_acknowledged(engine, settings, f"Study {number}")


# -- the life of a run ------------------------------------------------------------------------------------------------


def live_through(engine: Engine, settings: Settings, sound: Engine) -> None:
    """Claim, tell and finish every run that waits; whatever is lost on the way is rescued when its lease is over."""
    worker = tried(lambda: _register(engine))
    while not all_ended(read_runs(sound)):
        claim = tried(lambda: _claim(engine, settings, worker))
        if claim is None:
            time.sleep(0.05)
            tried(lambda: _rescue(engine))
            continue
        try:
            _do(engine, settings, claim)
        except LeaseLost:
            # As the worker does: the run is another attempt's, or what was written was not answered.
            continue


def _register(engine: Engine) -> int:
    with system_session(engine) as session:
        return run_queue.register_worker(session, "test:1", "cpu", {})


def _claim(engine: Engine, settings: Settings, worker: int) -> ClaimedRun | None:
    with system_session(engine) as session:
        return run_queue.claim_next_run(
            session, worker, store=settings.store_folder, lease_seconds=LEASE_SECONDS, alone=True
        )


def _rescue(engine: Engine) -> None:
    with system_session(engine) as session:
        run_queue.release_expired_leases(session)


def _do(engine: Engine, settings: Settings, claim: ClaimedRun) -> None:
    file = _leave_a_file(claim)
    told: list[Event] = [Resumed(step=0), Log(message="began")]
    told += [Point(key="train_loss", step=step, value=float(claim.lease.attempt)) for step in range(1, STEPS + 1)]
    told.append(Progress(phase="training", step=STEPS, total_steps=STEPS))

    def record() -> None:
        with system_session(engine) as session:
            run_queue.record_events(session, claim.lease, told, after_line=claim.last_line)

    def finish() -> None:
        keep(settings.store_folder, claim.spec.folder, [file])
        result = RunResult(validation_score=0.5, train_seconds=1.0, artifacts=(file,), environment={})
        with system_session(engine) as session:
            run_queue.finish_run(session, claim, result, [file])

    tried(record)
    tried(finish)


def _leave_a_file(claim: ClaimedRun) -> Artifact:
    content = f"run {claim.lease.run_id}".encode()
    claim.spec.folder.mkdir(parents=True)
    (claim.spec.folder / "weights").write_bytes(content)
    return Artifact(path="weights", size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def assert_nothing_is_half_done(engine: Engine, store: Path) -> None:
    """Every run has ended, once, in its last attempt, and has told all; every registered file is there."""
    for run in read_runs(engine):
        attempts = read_attempts(engine, run.id)
        assert run.status == "succeeded"
        assert (run.lease_token, run.lease_expires_at) == (None, None)
        assert run.ended_at is not None
        assert [attempt.attempt for attempt in attempts] == list(range(1, run.attempt + 1))
        assert attempts[-1].outcome == "succeeded"
        assert {attempt.outcome for attempt in attempts[:-1]} <= {"lost", "returned"}
        assert all(attempt.ended_at for attempt in attempts)
        assert points(engine, run.id) == [(step, float(run.attempt)) for step in range(1, STEPS + 1)]
    assert files_missing(engine, store) == []


def points(engine: Engine, run_id: int) -> list[tuple[int, float | None]]:
    with system_session(engine) as session:
        query = select(SeriesPointRow).where(SeriesPointRow.run_id == run_id).order_by(SeriesPointRow.step)
        return [(point.step, point.value) for point in session.scalars(query)]


def tell_figures(engine: Engine, failed: int, kind: str) -> None:
    with system_session(engine) as session:
        lines = Counter(session.scalars(select(LogLineRow.run_id)))
        files = session.scalar(select(func.count()).select_from(ArtifactRow))
    lost = Counter(attempt.outcome for attempt in read_attempts(engine))
    doubled = sum(lines[run.id] > run.attempt for run in read_runs(engine))
    print(f"{failed} {kind}: {dict(lost)} attempts, {files} files, {doubled} runs with a doubled log line")
    assert doubled == 0


@both_kinds
@sqlite_now_postgres_when_slow
def test_a_runs_life_is_whole_whichever_statement_fails(
    engine: Engine, settings: Settings, sound: Engine, kind: Kind
) -> None:
    def scenario(_: int) -> None:
        make_study(sound, settings)
        live_through(engine, settings, sound)

    failed = with_every_number(engine, kind, scenario)
    tell_figures(sound, failed, kind)
    assert failed > 5
    assert_nothing_is_half_done(sound, settings.store_folder)


# -- the worker itself ------------------------------------------------------------------------------------------------


@contextmanager
def worker_that_is_started_again(engine: Engine, settings: Settings) -> Iterator[list[Exception]]:
    """As `peft-atlas up` watches it; what it died of, each time. A worker process would end at that."""
    died: list[Exception] = []
    stop = threading.Event()
    working: list[Worker] = []

    def work() -> None:
        while not stop.is_set():
            working[:] = [Worker(engine, settings, LocalExecutor(QUICK))]
            try:
                working[0].work()
            except (OperationalError, OSError) as error:
                died.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield died
    finally:
        stop.set()
        for worker in working:
            worker.stop()
        thread.join(60)
        assert not thread.is_alive()


def all_done_by_a_worker(engine: Engine, settings: Settings, sound: Engine) -> int:
    """How often it had to be started again."""
    make_study(sound, settings)
    with worker_that_is_started_again(engine, settings) as died:
        wait_until(lambda: all_ended(read_runs(sound)), 60)
    return len(died)


@pytest.mark.slow
@both_kinds
@on_both_databases
def test_a_workers_runs_are_whole_whichever_statement_fails(
    engine: Engine, settings: Settings, sound: Engine, kind: Kind
) -> None:
    hasty = settings.model_copy(update={"lease_seconds": 2.0, "slots": 2})
    died: list[int] = []
    failed = with_every_number(engine, kind, lambda _: died.append(all_done_by_a_worker(engine, hasty, sound)))
    tell_figures(sound, failed, kind)
    print(f"the worker died {sum(died)} times")
    assert_nothing_is_half_done(sound, settings.store_folder)


@pytest.mark.slow
def test_a_workers_runs_are_whole_whichever_write_to_the_disk_fails(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty = settings.model_copy(update={"lease_seconds": 2.0})
    synchronise, calls, died = os.fsync, count(1), 0
    for number in count(1):
        calls = count(1)

        def fail_once(descriptor: int, fails_at: int = number, calls: "count[int]" = calls) -> None:
            if next(calls) == fails_at:
                raise OSError(5, "Input/output error")
            synchronise(descriptor)

        monkeypatch.setattr("app.services.store.os.fsync", fail_once)
        died += all_done_by_a_worker(engine, hasty, engine)
        if next(calls) <= number:
            break
    print(f"{number - 1} writes failed; the worker died {died} times")
    assert number > 1
    assert_nothing_is_half_done(engine, settings.store_folder)


# -- the server itself ------------------------------------------------------------------------------------------------


@pytest.fixture
def own_server() -> Iterator[Postgres]:
    """A server that nobody else's tests need."""
    with running_postgres() as server:
        yield server


@contextmanager
def killed_and_started_again(server: Postgres, away_seconds: float) -> Iterator[None]:
    """kill -9 of all its processes at once, as a power failure ends them; then it is started as it was before."""
    leader = psutil.Process(server.process.pid)
    command, user = leader.cmdline(), leader.uids().real
    for process in [leader, *leader.children(recursive=True)]:
        process.kill()
    server.process.wait()
    time.sleep(away_seconds)
    again = subprocess.Popen(command, user=user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        again.send_signal(signal.SIGINT)  # Without waiting for the worker, which is still connected.
        again.wait(60)


@pytest.mark.slow
@pytest.mark.postgres
def test_a_server_that_is_killed_costs_nothing(own_server: Postgres, home: Path) -> None:
    settings = Settings(home=home, database_url=own_server.make_database())
    engine = make_engine(settings.database)
    make_study(engine, settings, seeds=20)
    hasty = {"PEFT_ATLAS_LEASE_SECONDS": "6", "PEFT_ATLAS_SLOTS": "2"}
    with running(settings, "tests.faults.dying_worker", QUICK, "", variables=hasty) as worker:
        wait_until(lambda: sum(run.status == "succeeded" for run in read_runs(engine)) > 3)
        with killed_and_started_again(own_server, away_seconds=3):
            wait_until(lambda: tried(lambda: all_ended(read_runs(engine))))
            assert worker.alive
            outcomes = Counter(attempt.outcome for attempt in read_attempts(engine))
            print(f"the server was killed: attempts {dict(outcomes)}")
            assert_nothing_is_half_done(engine, settings.store_folder)
            engine.dispose()
