"""GET healthz (the process answers) and readyz (it can do its work)."""

import tempfile
import time
from pathlib import Path

import anyio
import anyio.to_thread
from fastapi import APIRouter, Request

from app.api.context import AsAnyone, OpenContext
from app.db.migrate import is_current
from app.errors import Unavailable

router = APIRouter(tags=["health"])

ROOM_BYTES = 2**20
ANSWER_SECONDS = 4.0
REFUSAL_SECONDS = 5.0
"""How long a write that the database's disk did not take counts: that disk may be another machine's."""


@router.get("/healthz")
async def healthz(here: AsAnyone) -> dict[str, str]:
    """The process is up. Asked of the event loop itself, for its threads may all be waiting for the database."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(here: AsAnyone, request: Request) -> dict[str, str]:
    """The database answers and is at the newest revision, there is room on the disk, and nobody told it to stop.

    Answered within ANSWER_SECONDS, whatever hangs: who asks has other servers to send people to.
    """
    if getattr(request.app.state, "stopping", False):
        raise Unavailable("This web process was told to stop. Ask again in a moment.")
    if time.monotonic() - getattr(request.app.state, "disk_full_at", -REFUSAL_SECONDS) < REFUSAL_SECONDS:
        raise Unavailable("The database's disk is full. Free some room.")
    try:
        with anyio.fail_after(ANSWER_SECONDS):
            await anyio.to_thread.run_sync(_check, here, abandon_on_cancel=True)
    except TimeoutError:
        raise Unavailable(f"Database and disk did not answer within {ANSWER_SECONDS:.0f} seconds.") from None
    return {"status": "ready"}


def _check(here: OpenContext) -> None:
    if not is_current(here.engine):
        raise Unavailable("The database is not at the newest revision. Run `peft-atlas migrate`.")
    for folder in _written_to(here):
        _check_room(folder)


def _written_to(here: OpenContext) -> set[Path]:
    """The folders of the store and, where it is a file, of the database."""
    folders = {here.settings.store_folder}
    if here.engine.dialect.name == "sqlite" and here.engine.url.database:
        folders.add(Path(here.engine.url.database).parent)
    return folders


def _check_room(folder: Path) -> None:
    """Only writing tells: quotas and limits refuse a file where the disk itself has room."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(ROOM_BYTES))
            # Unbuffered, a write that got half of its bytes down would say nothing.
            file.flush()
    except OSError as error:
        raise Unavailable(f"{folder} takes no more files ({error.strerror}). Free some room.") from error
