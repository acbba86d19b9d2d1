"""What many requests have done at the same time is in the audit log before any of them is answered."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, event, text
from sqlalchemy.exc import OperationalError

from app.api.audit_writing import AuditLog
from app.services.audit import Entry, read_entries
from tests.databases import on_both_databases

MANY = 40


def did(number: int) -> Entry:
    return Entry(None, "tested", f"thing {number}")


def logged(engine: Engine) -> list[str]:
    """The oldest first."""
    return [entry.target for entry in reversed(read_entries(engine, None, limit=100).items)]


@contextmanager
def counting_commits(engine: Engine) -> Iterator[list[object]]:
    commits: list[object] = []
    count = commits.append
    event.listen(engine, "commit", count)
    yield commits
    event.remove(engine, "commit", count)


@on_both_databases
def test_what_comes_at_once_is_written_at_once_and_in_order(engine: Engine) -> None:
    async def write() -> None:
        log = AuditLog(engine)
        await asyncio.gather(*(log.write(did(number)) for number in range(MANY)))

    with counting_commits(engine) as commits:
        asyncio.run(write())
    assert logged(engine) == [f"thing {number}" for number in range(MANY)]
    assert len(commits) <= 2


def test_an_entry_is_in_the_log_when_its_writing_has_ended(engine: Engine) -> None:
    async def write() -> None:
        log = AuditLog(engine)

        async def write_and_look(number: int) -> None:
            await asyncio.sleep(0.002 * number)
            await log.write(did(number))
            assert f"thing {number}" in logged(engine)

        await asyncio.gather(*map(write_and_look, range(MANY)))

    asyncio.run(write())
    assert len(logged(engine)) == MANY


def test_who_has_gone_meanwhile_is_in_the_log(engine: Engine) -> None:
    async def write() -> None:
        log = AuditLog(engine)
        gone = asyncio.create_task(log.write(did(0)))
        await asyncio.sleep(0)
        gone.cancel()
        await log.write(did(1))

    asyncio.run(write())
    assert logged(engine) == ["thing 0", "thing 1"]


def test_a_failure_is_told_to_all_and_is_not_the_next_ones(engine: Engine) -> None:
    async def write() -> None:
        log = AuditLog(engine)
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE audit_entries RENAME TO elsewhere"))
        told = await asyncio.gather(log.write(did(0)), log.write(did(1)), return_exceptions=True)
        assert [type(error) for error in told] == [OperationalError] * 2
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE elsewhere RENAME TO audit_entries"))
        await log.write(did(2))

    asyncio.run(write())
    assert logged(engine) == ["thing 2"]
