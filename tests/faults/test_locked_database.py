"""F3: a database that is locked or does not answer. Reads go on where they can, writes wait and then are told to come
again, and training goes on."""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

from app.settings import Settings
from tests.databases import on_both_databases
from tests.faults.documents import make_study, make_training, read_attempts, read_run, steps_told
from tests.faults.processes import running, wait_until, web
from tests.faults.traffic import Answer, Traffic, clients, make_studies, percentile_95, read_again_and_again
from tests.postgres import Postgres

pytestmark = pytest.mark.faults

on_postgres = pytest.mark.parametrize("database", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)

WRITERS = 8
READERS = 4
READ_SECONDS = 0.2
REFUSED_SECONDS = 10.0
RECOVERS_SECONDS = 1.0
OF_RUNS = ("/studies/1", "/runs?limit=20", "/runs/1")
OF_NOBODY = ("/healthz",)
"""What anybody may ask."""
OF_NO_TABLE = (*OF_NOBODY, "/scenarios", "/metrics")
STEPS = 200


@dataclass(frozen=True)
class Answers:
    """What was asked for before a lock, during it, and of whom it kept waiting."""

    reads_before: list[Answer]
    reads: list[Answer]
    writes: list[Answer]


Lock = Callable[[Engine], AbstractContextManager[None]]


@contextmanager
def sqlite_writer(engine: Engine) -> Iterator[None]:
    """Another connection that writes and does not end."""
    assert engine.url.database is not None
    other = sqlite3.connect(engine.url.database, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@contextmanager
def postgres_locker(engine: Engine) -> Iterator[None]:
    """Another connection that nobody may even read the studies and runs beside, as a migration is."""
    other = create_engine(engine.url, poolclass=NullPool)
    with other.begin() as connection:
        connection.execute(text("LOCK TABLE studies, runs IN ACCESS EXCLUSIVE MODE"))
        yield


def asked_while(
    engine: Engine, settings: Settings, locked: AbstractContextManager[None], seconds: float, reads: Sequence[str]
) -> Answers:
    """Read these paths and write, before, during and after a lock. After it all goes on."""
    make_study(engine, settings)
    traffic = Traffic()
    with web(settings) as started:
        readers = [partial(read_again_and_again, started.url, reads, traffic)] * READERS
        writers = [partial(make_studies, started.url, f"Writer {number}", traffic) for number in range(WRITERS)]
        with clients(*readers, *writers):
            wait_until(lambda: len(traffic.answers) > 50)
            with locked:
                locked_at = time.monotonic()
                time.sleep(seconds)
                freed_at = time.monotonic()
            wait_until(lambda: len(traffic.begun(freed_at + RECOVERS_SECONDS)) > 30)
    assert traffic.unanswered == 0
    assert {answer.status for answer in traffic.begun(freed_at + RECOVERS_SECONDS)} <= {200, 201}
    asked = traffic.begun(0, freed_at)
    read = [answer for answer in asked if answer.method == "GET"]
    return Answers(
        reads_before=[answer for answer in read if answer.began + answer.seconds < locked_at],
        reads=[answer for answer in read if answer.began > locked_at],
        writes=[answer for answer in asked if answer.method == "POST" and answer.began + answer.seconds > locked_at],
    )


def refusals(found: Sequence[Answer]) -> list[Answer]:
    """Those that were told to come again, each soon enough; all others must have been answered well."""
    refused = [answer for answer in found if answer.status not in (200, 201)]
    assert {answer.status for answer in refused} <= {503}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
    assert max((answer.seconds for answer in found), default=0) <= REFUSED_SECONDS
    return refused


def tell_figures(name: str, found: Answers) -> None:
    longest = max(answer.seconds for answer in (*found.writes, *found.reads))
    print(
        f"{name}: {len(found.reads)} reads, {len(refusals(found.reads))} refused, p95"
        f" {1000 * percentile_95(found.reads):.0f} ms ({1000 * percentile_95(found.reads_before):.0f} before);"
        f" {len(found.writes)} writes, {len(refusals(found.writes))} refused; the longest answer took {longest:.1f} s"
    )


def assert_reads_go_on(found: Answers) -> None:
    """As quickly as before, where this machine is busy with something else."""
    assert refusals(found.reads) == []
    assert percentile_95(found.reads) <= max(READ_SECONDS, 1.5 * percentile_95(found.reads_before))


@pytest.mark.slow
def test_a_short_lock_is_waited_for_and_reads_go_on(engine: Engine, settings: Settings) -> None:
    found = asked_while(engine, settings, sqlite_writer(engine), 5, OF_RUNS)
    tell_figures("SQLite locked for 5 s", found)
    assert_reads_go_on(found)
    assert refusals(found.writes) == []
    assert max(answer.seconds for answer in found.writes) > 4


@pytest.mark.slow
def test_a_long_lock_is_answered_within_ten_seconds_and_reads_go_on(engine: Engine, settings: Settings) -> None:
    found = asked_while(engine, settings, sqlite_writer(engine), 28, OF_RUNS)
    tell_figures("SQLite locked for 28 s", found)
    assert_reads_go_on(found)
    assert len(refusals(found.writes)) >= 2 * WRITERS


@pytest.mark.slow
@on_postgres
@pytest.mark.parametrize(("seconds", "least_refused"), [(5, 0), (28, 2 * WRITERS)])
def test_locked_tables_leave_the_rest_readable(
    engine: Engine, settings: Settings, seconds: float, least_refused: int
) -> None:
    found = asked_while(engine, settings, postgres_locker(engine), seconds, OF_NO_TABLE)
    tell_figures(f"PostgreSQL's tables locked for {seconds} s, others read", found)
    assert_reads_go_on(found)
    assert len(refusals(found.writes)) >= least_refused


@pytest.mark.slow
@on_postgres
def test_reads_of_locked_tables_are_answered_within_ten_seconds(engine: Engine, settings: Settings) -> None:
    found = asked_while(engine, settings, postgres_locker(engine), 28, OF_RUNS)
    tell_figures("PostgreSQL's tables locked for 28 s, and read", found)
    assert len(refusals(found.reads)) >= READERS


@pytest.mark.slow
@on_postgres
def test_a_server_that_stands_still_is_answered_for_within_ten_seconds(
    engine: Engine, settings: Settings, postgres: Postgres
) -> None:
    found = asked_while(engine, settings, postgres.paused(), 28, OF_RUNS)
    tell_figures("PostgreSQL paused for 28 s", found)
    assert len(refusals(found.writes)) >= 2 * WRITERS
    assert len(refusals(found.reads)) >= READERS


@pytest.mark.slow
@on_postgres
def test_health_is_answered_while_the_server_stands_still(
    engine: Engine, settings: Settings, postgres: Postgres
) -> None:
    found = asked_while(engine, settings, postgres.paused(), 28, OF_NOBODY)
    tell_figures("PostgreSQL paused for 28 s, asked for health", found)
    assert_reads_go_on(found)


@pytest.mark.slow
@on_postgres
def test_who_must_be_known_is_told_to_come_again_while_the_server_stands_still(
    engine: Engine, settings: Settings, postgres: Postgres
) -> None:
    """The answer needs nothing of the database, but who asks may have been logged out a second ago."""
    found = asked_while(engine, settings, postgres.paused(), 28, OF_NO_TABLE[len(OF_NOBODY) :])
    tell_figures("PostgreSQL paused for 28 s, nothing of it read", found)
    assert len(refusals(found.reads)) >= READERS


LOCKS: dict[str, Lock] = {"sqlite": sqlite_writer, "postgresql": postgres_locker}


def goes_on_training_through(engine: Engine, settings: Settings, locked: AbstractContextManager[None]) -> None:
    """28 seconds, nearly the lease of 30: the run must neither end nor be another attempt's afterwards."""
    trained = make_training(engine, settings, STEPS)
    with running(settings, "app.worker") as worker:
        wait_until(lambda: steps_told(engine, trained) > 0)
        with locked:
            time.sleep(28)
        wait_until(lambda: read_run(engine, trained).status != "running", 120)
        assert worker.alive
    assert [attempt.outcome for attempt in read_attempts(engine)] == ["succeeded"]
    assert steps_told(engine, trained) == STEPS


@pytest.mark.slow
@on_both_databases
def test_training_goes_on_while_the_database_is_locked(engine: Engine, settings: Settings) -> None:
    goes_on_training_through(engine, settings, LOCKS[engine.dialect.name](engine))


@pytest.mark.slow
@on_postgres
def test_training_goes_on_while_the_server_stands_still(engine: Engine, settings: Settings, postgres: Postgres) -> None:
    goes_on_training_through(engine, settings, postgres.paused())
