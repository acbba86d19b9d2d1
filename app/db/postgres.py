"""Connections to PostgreSQL that wait for nothing without end."""

from collections.abc import Generator
from time import monotonic
from typing import Any

import psycopg
from sqlalchemy.exc import InvalidatePoolError

SILENT_SECONDS = 4
"""How long the server may be silent before it is asked whether it still answers anybody."""
CONNECT_SECONDS = 2
UNASKED_SECONDS = 1
"""A connection that the server answered on so recently is taken for alive: to ask costs as much as a short question."""


class ImpatientConnection(psycopg.Connection[Any]):
    """Gives up a server that answers nobody: a stopped one keeps its connections open and would be waited for without
    end. One that answers others is at work on a long statement, and is waited for."""

    heard_at = 0.0
    """When the server last answered, by the monotonic clock."""

    def wait(self, gen: Generator[Any, Any, Any], *how: Any, **more: Any) -> Any:
        """The driver's own place to wait for the server. Raises OperationalError where there is nothing to wait for."""
        answer = super().wait(self._asking(gen), *how, **more)
        self.heard_at = monotonic()
        return answer

    def _asking(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """The same generator. The driver wakes it up ten times a second, with nothing where there is no news."""
        silent_since = monotonic()
        try:
            wanted = next(gen)
            while True:
                news = yield wanted
                if news:
                    silent_since = monotonic()
                elif monotonic() - silent_since > SILENT_SECONDS:
                    self._ask_whether_it_lives()
                    silent_since = monotonic()
                wanted = gen.send(news)
        except StopIteration as end:
            return end.value

    def _ask_whether_it_lives(self) -> None:
        try:
            psycopg.connect(self.info.dsn, password=self.info.password, connect_timeout=CONNECT_SECONDS).close()
        except psycopg.OperationalError:
            self.pgconn.finish()
            raise


def connect(lock_seconds: float, *words: Any, **named: Any) -> ImpatientConnection:
    """A connection that gives up a lock after `lock_seconds`, a server that does not answer sooner than that."""
    connection = ImpatientConnection.connect(*words, **{"connect_timeout": CONNECT_SECONDS} | named)
    connection.execute(f"SET lock_timeout = {round(lock_seconds * 1000)}")
    connection.commit()
    return connection


def check_alive(connection: ImpatientConnection, _record: Any, _borrowed: Any) -> None:
    """Before a connection of the pool is used again. Where the server has gone meanwhile, raises InvalidatePoolError:
    the pool then opens new ones."""
    if monotonic() - connection.heard_at < UNASKED_SECONDS:
        return
    try:
        connection.execute("SELECT 1")
        connection.rollback()
    except psycopg.OperationalError as error:
        raise InvalidatePoolError from error
