"""An engine whose n-th statement or commit fails, in the driver."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.pool import NullPool

Kind = Literal["refused", "answer lost"]
"""refused: a statement or commit that is not done. answer lost: a commit that is done, and nobody is told."""


@dataclass
class Failure:
    """Which statement or commit fails, counted from 1, and how many there were so far."""

    number: int
    kind: Kind
    counted: int = 0

    @property
    def happened(self) -> bool:
        return self.counted >= self.number

    def due(self) -> bool:
        self.counted += 1
        return self.counted == self.number


@contextmanager
def failing(engine: Engine, number: int, kind: Kind) -> Iterator[Failure]:
    """SQLite says that the disk does; PostgreSQL's end of the connection is really gone."""
    failure = Failure(number, kind)
    commit: Callable[[Any], None] = engine.dialect.do_commit

    def execute(connection: Connection, *_: Any) -> None:
        if kind == "refused" and failure.due():
            _break(engine, connection.connection.driver_connection)

    def commit_or_fail(connection: Any) -> None:
        if not failure.due():
            commit(connection)
            return
        if kind == "answer lost":
            commit(connection)
        _break(engine, connection.driver_connection)

    event.listen(engine, "before_cursor_execute", execute)
    engine.dialect.do_commit = commit_or_fail  # type: ignore[method-assign, assignment]
    try:
        yield failure
    finally:
        engine.dialect.do_commit = commit  # type: ignore[method-assign, assignment]
        event.remove(engine, "before_cursor_execute", execute)


def _break(engine: Engine, connection: Any) -> None:
    """Raises what the driver does when the disk, or the server, is gone."""
    if engine.dialect.name == "sqlite":
        raise sqlite3.OperationalError("disk I/O error")
    other = create_engine(engine.url, poolclass=NullPool)
    with other.connect() as killer:
        killer.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": connection.info.backend_pid})
    connection.execute("SELECT 1")
