"""Whose rows a session sees, and a database that can be made, checked and taken back."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from time import monotonic, sleep

import pytest
from alembic import command
from sqlalchemy import Engine, func, select, text, update
from sqlalchemy.exc import OperationalError, TimeoutError
from sqlalchemy.orm import Session

from app.db.migrate import alembic_config, is_current, migrate
from app.db.postgres import UNASKED_SECONDS
from app.db.session import (
    BUSY_SECONDS,
    DatabaseClock,
    UnscopedQueryError,
    database_now,
    make_engine,
    system_session,
    team_session,
    write_lock,
)
from app.db.tables import Owned, Study, Team
from tests.databases import on_both_databases
from tests.postgres import Postgres

on_postgres = pytest.mark.parametrize("database", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)


def add_study(engine: Engine, team_id: int, name: str) -> int:
    with team_session(engine, team_id) as session:
        row = Study(
            name=name,
            document={},
            base_model_path="m",
            base_model_sha256="0" * 64,
            task={},
            created_at=database_now(session),
            created_by="test",
        )
        session.add(row)
        session.flush()
        return row.id


@pytest.fixture
def two_teams(engine: Engine) -> tuple[int, int]:
    with system_session(engine) as session:
        session.add(Team(id=2, slug="other"))
    return add_study(engine, 1, "ours"), add_study(engine, 2, "theirs")


def test_a_session_sees_its_own_teams_rows(engine: Engine, two_teams: tuple[int, int]) -> None:
    with team_session(engine, 1) as session:
        assert [study.name for study in session.scalars(select(Study))] == ["ours"]
        assert session.scalar(select(Study).where(Study.id == two_teams[1])) is None
        assert session.scalar(select(func.count()).select_from(Study)) == 1


def test_the_product_itself_sees_all(engine: Engine, two_teams: tuple[int, int]) -> None:
    with system_session(engine) as session:
        assert session.scalar(select(func.count()).select_from(Study)) == 2


def test_an_unscoped_query_fails(engine: Engine) -> None:
    with Session(engine) as session, pytest.raises(UnscopedQueryError):
        session.scalars(select(Study))


def test_every_table_of_results_is_owned() -> None:
    import app.db.identity  # noqa: F401 (declares the rest of the tables)

    owned = {table.__tablename__ for table in Owned.__subclasses__()}  # type: ignore[attr-defined]
    assert owned == {
        "custom_scenarios",
        "studies",
        "configurations",
        "runs",
        "study_templates",
        "datasets",
        "jobs",
        "attempts",
        "measurements",
        "series_points",
        "log_lines",
        "prediction_sets",
        "artifacts",
        "idempotency_keys",
        "study_comments",
        "study_tags",
        "study_approvals",
        "api_tokens",
        "invitations",
        "share_links",
        "publications",
        "team_secrets",
    }


def test_a_failed_transaction_leaves_nothing(engine: Engine) -> None:
    def half() -> None:
        with team_session(engine, 1) as session:
            session.add(Team(id=9, slug="half"))
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    with system_session(engine) as session:
        assert session.get(Team, 9) is None


def test_writers_take_turns_and_none_is_kept_out(engine: Engine) -> None:
    """Asking SQLite again and again, some of so many would wait for seconds while its lock is free."""
    took: list[float] = []

    def write() -> None:
        for _ in range(10):
            began = monotonic()
            with system_session(engine) as session:
                write_lock(session)
                team = session.get_one(Team, 1)
                team.most_queued_runs = (team.most_queued_runs or 0) + 1
            took.append(monotonic() - began)

    with ThreadPoolExecutor(12) as threads:
        for written in [threads.submit(write) for _ in range(12)]:
            written.result()
    with system_session(engine) as session:
        assert session.get_one(Team, 1).most_queued_runs == 120
    assert max(took) < BUSY_SECONDS / 2


def test_a_turn_ends_with_its_transaction_however_that_ends(engine: Engine) -> None:
    def fail() -> None:
        with system_session(engine) as session:
            write_lock(session)
            write_lock(session)
            raise RuntimeError

    for _ in range(3):
        with pytest.raises(RuntimeError):
            fail()
    with system_session(engine) as session:
        write_lock(session)


def test_a_writer_gives_up_in_time_where_another_keeps_the_lock(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind one that waits for its turn or for SQLite itself: BUSY_SECONDS in all, not for each."""
    monkeypatch.setattr("app.db.session.BUSY_SECONDS", 1)
    monkeypatch.setattr("app.db.session.SHORT_SECONDS", 0)
    other = make_engine(str(engine.url))

    def write() -> float:
        began = monotonic()
        with pytest.raises((TimeoutError, OperationalError)), system_session(engine) as session:
            write_lock(session)
        return monotonic() - began

    with system_session(other) as holding, ThreadPoolExecutor(6) as threads:
        write_lock(holding)
        waited = [written.result() for written in [threads.submit(write) for _ in range(6)]]
    assert max(waited) < 1.8
    with system_session(engine) as session:
        write_lock(session)
        assert session.connection().exec_driver_sql("PRAGMA busy_timeout").scalar() == 1_000
    other.dispose()


def test_migrations_go_up_down_and_up_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.sqlite'}"
    migrate(url)
    engine = make_engine(url)
    assert is_current(engine)
    command.check(alembic_config(url))
    command.downgrade(alembic_config(url), "base")
    with engine.connect() as connection:
        left = connection.scalars(text("SELECT name FROM sqlite_master WHERE type = 'table'")).all()
    assert set(left) <= {"alembic_version"}
    migrate(url)
    assert is_current(engine)
    engine.dispose()


def test_sqlite_is_in_wal_with_foreign_keys(engine: Engine) -> None:
    with engine.connect() as connection:
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
        assert connection.scalar(text("PRAGMA foreign_keys")) == 1


@pytest.mark.postgres
@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_the_second_team_has_a_number_of_its_own(engine: Engine) -> None:
    """The first one is written with its number by a migration, past PostgreSQL's counter."""
    with system_session(engine) as session:
        team = Team(slug="second")
        session.add(team)
        session.flush()
        assert team.id > 1


@on_both_databases
def test_a_time_that_a_statement_writes_itself_is_kept_as_any_other(engine: Engine) -> None:
    asked, told = add_study(engine, 1, "asked"), add_study(engine, 1, "told")
    with team_session(engine, 1) as session:
        session.execute(update(Study).where(Study.id == told).values(created_at=DatabaseClock()))
        after = database_now(session)
    with team_session(engine, 1) as session:
        written = session.get_one(Study, told).created_at
        assert session.scalar(select(Study.id).where(Study.created_at == written, Study.id != asked)) == told
        kept = session.execute(text("SELECT created_at FROM studies ORDER BY id")).scalars().all()
    assert timedelta(0) <= after - written < timedelta(seconds=1)
    assert engine.dialect.name == "postgresql" or len(kept[0]) == len(kept[1])


@on_postgres
def test_a_connection_that_the_server_dropped_is_replaced(engine: Engine, postgres: Postgres) -> None:
    ask_once(engine)
    drop_connections(engine, postgres)
    sleep(UNASKED_SECONDS)
    ask_once(engine)


@on_postgres
def test_a_connection_just_used_is_not_asked_whether_it_lives(engine: Engine, postgres: Postgres) -> None:
    """The question would cost as much as a request's own: who comes within that second is refused, and no other."""
    ask_once(engine)
    drop_connections(engine, postgres)
    with pytest.raises(OperationalError):
        ask_once(engine)
    ask_once(engine)


def ask_once(engine: Engine) -> None:
    with system_session(engine) as session:
        assert session.scalar(select(Team.id)) == 1


def drop_connections(engine: Engine, postgres: Postgres) -> None:
    """What the server does with all of a database at its restart."""
    postgres.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{engine.url.database}'")
