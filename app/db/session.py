"""Connections and sessions. A session belongs to a team; only the worker's and the migration's belong to none."""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

from pydantic_core import to_json
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, TimeoutError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from app.db.tables import Owned

BUSY_SECONDS = 8
"""How long a statement waits for a lock, and a request for a connection: what gives up then is answered in ten."""
POOL = {"pool_size": 20, "max_overflow": 20, "pool_timeout": BUSY_SECONDS, "pool_use_lifo": True}
"""As many connections as the web process has threads: requests that wait for a lock must not keep readers out. Half of
them stay open: to open one takes longer than most questions. The one used last is taken first: SQLite has in its cache
what is asked for most."""
CACHE_KIBIBYTES = 8_000
"""Of each connection to SQLite: with its own 2,000, the best of 50,000 runs took 7.2 instead of 4.9 ms."""
DISK_FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, "53100"})
"""By SQLite's error codes (a quota that is used up is an I/O error) and PostgreSQL's."""
TEAM = "team_id"
EVERY_TEAM = "every team"
TURN = "turn"
"""Of a session that has not had its turn to write: what is done when it ends."""
SHORT_SECONDS = 0.1
"""A wait for one's turn that makes no difference to BUSY_SECONDS."""
_turns: WeakKeyDictionary[object, Lock] = WeakKeyDictionary()


class UnscopedQueryError(RuntimeError):
    """A session was made without saying whose rows it may see."""


def make_engine(url: str) -> Engine:
    """An engine for SQLite (WAL, foreign keys, writers wait) or PostgreSQL.

    Either gives a lock up after BUSY_SECONDS and raises OperationalError; PostgreSQL a server that hangs as well. What
    an error says goes into logs, so it does not tell the values of its statement.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return _postgres_engine(url)
    if parsed.database:
        # Other users of the machine have no business in it, whatever their masks say.
        Path(parsed.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    engine = create_engine(
        url, connect_args={"timeout": BUSY_SECONDS}, json_serializer=strict_json, hide_parameters=True, **POOL
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return engine


def _postgres_engine(url: str) -> Engine:
    from app.db.postgres import check_alive, connect

    engine = create_engine(url, json_serializer=strict_json, hide_parameters=True, **POOL)
    event.listen(engine, "do_connect", lambda _dialect, _record, words, named: connect(BUSY_SECONDS, *words, **named))
    event.listen(engine, "checkout", check_alive)
    return engine


def strict_json(value: Any) -> str:
    """JSON as PostgreSQL and browsers read it: a number that is not finite is null."""
    return to_json(value, inf_nan_mode="null").decode()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver would begin a transaction before some statements and not others; SQLAlchemy's "begin" event does it.
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_SECONDS * 1000}",
        f"cache_size=-{CACHE_KIBIBYTES}",
    ):
        connection.execute(f"PRAGMA {pragma}")


@contextmanager
def team_session(engine: Engine, team_id: int) -> Iterator[Session]:
    """A transaction that sees and makes only the rows of one team; commits at the end, rolls back on an error."""
    with _transaction(engine, team_id) as session:
        yield session


@contextmanager
def system_session(engine: Engine) -> Iterator[Session]:
    """A transaction of the product itself (queue, migration): it sees every team's rows."""
    with _transaction(engine, EVERY_TEAM) as session:
        yield session


@contextmanager
def _transaction(engine: Engine, whose: int | str) -> Iterator[Session]:
    with ExitStack() as turn:
        info = {TEAM: whose, TURN: turn}
        with Session(engine, expire_on_commit=False, info=info) as session, session.begin():
            yield session


@event.listens_for(Session, "do_orm_execute")
def _scope_to_team(state: ORMExecuteState) -> None:
    """Add `team_id = the caller's` to every ORM statement on an owned table."""
    if TEAM not in state.session.info:
        raise UnscopedQueryError("Use team_session(engine, team_id) or system_session(engine).")
    team_id = state.session.info[TEAM]
    if team_id != EVERY_TEAM and (state.is_select or state.is_update or state.is_delete):
        state.statement = state.statement.options(
            with_loader_criteria(Owned, lambda table: table.team_id == team_id, include_aliases=True)
        )


@event.listens_for(Session, "before_flush")
def _own_new_rows(session: Session, _context: Any, _instances: Any) -> None:
    """New rows belong to the session's team; the product itself must say whose they are."""
    team_id = session.info.get(TEAM)
    for row in session.new:
        if isinstance(row, Owned) and team_id != EVERY_TEAM:
            row.team_id = team_id  # type: ignore[assignment]


def is_disk_full(error: DBAPIError) -> bool:
    """Whether the database refused a write because its disk takes no more."""
    codes = {getattr(error.orig, name, None) for name in ("sqlite_errorcode", "sqlstate")}
    return not codes.isdisjoint(DISK_FULL)


def write_lock(session: Session) -> None:
    """Take SQLite's write lock now, before anything is read, so that two writers cannot act on the same reading.

    Writers of one process come in turn: whoever finds the lock taken asks SQLite again ever more seldom, so that many
    would leave it idle and starve one another. Waits BUSY_SECONDS in all, then raises TimeoutError or OperationalError.
    """
    engine = session.get_bind()
    if engine.dialect.name != "sqlite" or TURN not in session.info:
        return
    began = monotonic()
    turn = _turns.setdefault(engine, Lock())
    if not turn.acquire(timeout=BUSY_SECONDS):
        raise TimeoutError(f"Other writes were not done within {BUSY_SECONDS} seconds.")
    session.info.pop(TURN).callback(turn.release)
    with _patience(session, BUSY_SECONDS - (monotonic() - began)):
        session.connection().exec_driver_sql("UPDATE teams SET slug = slug WHERE id = -1")


@contextmanager
def _patience(session: Session, seconds: float) -> Iterator[None]:
    """How long SQLite itself waits for a lock meanwhile: no longer than what is left of BUSY_SECONDS."""
    if BUSY_SECONDS - seconds < SHORT_SECONDS:
        yield
        return
    driver: Any = session.connection().connection.driver_connection
    driver.execute(f"PRAGMA busy_timeout = {max(1, round(seconds * 1000))}")
    try:
        yield
    finally:
        driver.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")


class DatabaseClock(FunctionElement[datetime]):
    """What database_now answers, within a statement that writes it: one question less."""

    inherit_cache = True
    name = "database_clock"


@compiles(DatabaseClock, "sqlite")
def _sqlite_clock(_element: DatabaseClock, _compiler: SQLCompiler, **_: Any) -> str:
    # As its driver writes a time: other statements compare them as texts.
    return "strftime('%Y-%m-%d %H:%M:%f000', 'now')"


@compiles(DatabaseClock, "postgresql")
def _postgres_clock(_element: DatabaseClock, _compiler: SQLCompiler, **_: Any) -> str:
    return "clock_timestamp()"


def database_now(session: Session) -> datetime:
    """The time by the database's clock, the only one that leases and heartbeats are judged by."""
    # Nothing of it to compile or to scope, and every request asks.
    if session.get_bind().dialect.name == "sqlite":
        spoken = session.connection().exec_driver_sql("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')").scalar()
        return datetime.fromisoformat(str(spoken)).replace(tzinfo=UTC)
    now = session.connection().exec_driver_sql("SELECT clock_timestamp()").scalar()
    assert isinstance(now, datetime)
    return now.astimezone(UTC)
