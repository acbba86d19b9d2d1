"""Writing the audit log: what many requests have done at the same time is written at once."""

import asyncio

from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from app.services import audit


class AuditLog:
    """One transaction for all entries that came while the one before it was written: a write of one value takes as
    long as its entry."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: list[audit.Entry] = []
        self._next: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()

    async def write(self, entry: audit.Entry) -> None:
        """Until it is in the database, even if whoever waits for it has gone. Raises what the database raises."""
        self._waiting.append(entry)
        if self._next is None:
            self._next = asyncio.create_task(self._write_waiting())
        await asyncio.shield(self._next)

    async def _write_waiting(self) -> None:
        async with self._turn:
            entries, self._waiting, self._next = self._waiting, [], None
            await run_in_threadpool(audit.record_together, self._engine, entries)
