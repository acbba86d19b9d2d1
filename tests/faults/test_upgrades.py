"""F11: a database of any older revision, and a backup that was taken while others wrote, open with all they hold."""

import sqlite3
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, MetaData, func, insert, make_url, select, text

from app.db.migrate import alembic_config, is_current, migrate
from app.db.session import make_engine, system_session
from app.db.tables import (
    Run,
    SeriesPointRow,
    Study,
)
from app.services import run_queue, studies
from app.services.callers import LOCAL
from app.settings import Settings
from peft_core.spec import Point
from tests.databases import on_both_databases
from tests.faults.contents import add_people, claimed, contents, fill, rows_of, schema_of
from tests.faults.documents import SMALL, make_study
from tests.faults.traffic import asked_in_process
from tests.postgres import Postgres, programs

pytestmark = [pytest.mark.faults, on_both_databases]

WRITERS = 3
RUNS_OF_A_STUDY = 2


def older_revisions() -> list[str]:
    """Every revision there was before the newest, the first first."""
    _, *older = ScriptDirectory(str(alembic_config("sqlite://").get_main_option("script_location"))).walk_revisions()
    return [revision.revision for revision in reversed(older)]


@pytest.fixture
def empty_database(request: pytest.FixtureRequest, database: str | None, tmp_path: Path) -> Iterator[str]:
    """The URL of another database of the same kind, with no table in it."""
    if database is None:
        yield f"sqlite:///{tmp_path / 'other.sqlite'}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = server.make_database(migrated=False)
    yield url
    server.drop_database(url)


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    engine = make_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


def copy_rows(source: Engine, target: Engine, schema: MetaData) -> None:
    """Into an older schema, whose columns are among the newer one's."""
    with target.begin() as connection:
        for table in reversed(schema.sorted_tables):
            connection.execute(table.delete())
        for name, rows in rows_of(source, schema).items():
            if rows:
                connection.execute(insert(schema.tables[name]), rows)
    if target.dialect.name == "postgresql":
        _count_on(target, schema)


def _count_on(engine: Engine, schema: MetaData) -> None:
    """Rows that came with their ids have not moved the sequences that new ids are taken from."""
    with engine.begin() as connection:
        for table in schema.sorted_tables:
            if "id" in table.c:
                last = select(func.coalesce(func.max(table.c.id), 1)).scalar_subquery()
                connection.execute(select(func.setval(func.pg_get_serial_sequence(table.name, "id"), last)))


def assert_it_works(url: str, settings: Settings, token: str) -> None:
    """The web process is ready on it and shows all; a study can be made, and its run is claimed."""
    here = settings.model_copy(update={"database_url": url})
    paths = ["/readyz", "/studies", "/studies/1/comparison", "/runs", "/runs/1", "/runs/1/log", "/runs/1/series?key=a"]
    assert [answer.status_code for answer in asked_in_process(here, paths, token)] == [200] * len(paths)
    with opened(url) as engine:
        made = make_study(engine, settings, priority=9)
        with system_session(engine) as session:
            worker = run_queue.register_worker(session, "test:2", "cpu", {})
        assert claimed(engine, worker).study_id == made


# -- an older database ------------------------------------------------------------------------------------------------


def test_every_table_of_the_newest_revision_is_filled(engine: Engine, settings: Settings) -> None:
    """So that the next revision is tried with rows in all of them."""
    fill(engine, settings)
    add_people(engine)
    assert [name for name, (count, _) in contents(engine, schema_of(engine)).items() if not count] == []


@pytest.mark.parametrize("revision", older_revisions())
def test_a_database_of_an_older_revision_opens_with_all_it_holds(
    engine: Engine, settings: Settings, empty_database: str, revision: str
) -> None:
    fill(engine, settings)
    token = add_people(engine)
    migrate(empty_database, revision)
    with opened(empty_database) as old:
        assert not is_current(old)
        schema = schema_of(old)
        copy_rows(engine, old, schema)
        before = contents(old, schema)
        assert all(count for count, _ in before.values()), before
    migrate(empty_database)
    with opened(empty_database) as upgraded:
        assert is_current(upgraded)
        assert contents(upgraded, schema) == before
    assert_it_works(empty_database, settings, token)


# -- a backup ---------------------------------------------------------------------------------------------------------


@contextmanager
def written_to(engine: Engine, settings: Settings) -> Iterator[list[int]]:
    """Others make studies and tell points meanwhile; the ids of the studies that are acknowledged so far."""
    acknowledged: list[int] = []
    stop = threading.Event()
    with system_session(engine) as session:
        worker = run_queue.register_worker(session, "test:1", "cpu", {})
    told = claimed(engine, worker)

    def make() -> None:
        while not stop.is_set():
            acknowledged.append(studies.create_study(engine, settings, LOCAL, SMALL))

    def tell() -> None:
        step = 0
        while not stop.is_set():
            step += 1
            with system_session(engine) as session:
                # Two points in one transaction: a backup has both or neither.
                run_queue.record_events(
                    session, told.lease, [Point(key=key, step=step, value=step) for key in ("b", "c")]
                )

    threads = [threading.Thread(target=work) for work in (*[make] * WRITERS, tell)]
    for thread in threads:
        thread.start()
    try:
        yield acknowledged
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)


def back_up_sqlite(source: str, target: str) -> None:
    """With the database's own means, as docs and every tool for it do."""
    read, written = (sqlite3.connect(make_url(url).database or "") for url in (source, target))
    with written:
        read.backup(written)
    written.close()
    read.close()


def back_up_postgres(source: str, target: str) -> None:
    """pg_dump, and pg_restore into an empty database."""
    plain = (url.replace("+psycopg", "") for url in (source, target))
    read, written = plain
    dumped = subprocess.run([programs() / "pg_dump", "-Fc", read], check=True, capture_output=True).stdout
    subprocess.run([programs() / "pg_restore", "--exit-on-error", "-d", written], input=dumped, check=True)


BACK_UP: dict[str, Callable[[str, str], None]] = {"sqlite": back_up_sqlite, "postgresql": back_up_postgres}


def test_a_backup_taken_while_others_write_holds_all_that_was_acknowledged(
    engine: Engine, settings: Settings, empty_database: str
) -> None:
    fill(engine, settings)
    token = add_people(engine)
    schema = schema_of(engine)
    with written_to(engine, settings) as acknowledged:
        while len(acknowledged) < 2 * WRITERS:
            threading.Event().wait(0.05)
        before = set(acknowledged)
        BACK_UP[engine.dialect.name](settings.database, empty_database)
        after = len(acknowledged)
    with opened(empty_database) as restored:
        assert_it_is_whole(restored)
        with system_session(restored) as session:
            there = set(session.scalars(select(Study.id)))
        found, now = rows_of(restored, schema), rows_of(engine, schema)
    print(f"{len(before)} acknowledged before the backup, {after} at its end, {len(there) - 1} in it")
    assert before <= there
    for table in ("studies", "configurations", "series_points", "measurements", "artifacts", "attempts", "log_lines"):
        assert [row for row in found[table] if row not in now[table]] == []
    assert_it_works(empty_database, settings, token)


def assert_it_is_whole(engine: Engine) -> None:
    """No transaction is there by half."""
    with system_session(engine) as session:
        counts = Counter(session.scalars(select(Run.study_id).where(Run.study_id > 1)))
        assert set(counts.values()) == {RUNS_OF_A_STUDY}
        assert counts.keys() == set(session.scalars(select(Study.id).where(Study.id > 1)))
        pairs = Counter(session.scalars(select(SeriesPointRow.step).where(SeriesPointRow.key.in_(("b", "c")))))
        assert set(pairs.values()) == {2}
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
            assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
