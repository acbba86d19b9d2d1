"""GET healthz (the process answers) and readyz (it can do its work)."""

import tempfile
import time
from pathlib import Path

from fastapi import APIRouter, Request
from sqlalchemy import text

from app.api.context import AsAnyone, OpenContext
from app.db.migrate import is_current
from app.errors import Unavailable

router = APIRouter(tags=["health"])

ROOM_BYTES = 2**20
REFUSAL_SECONDS = 5.0
"""How long a write that the database's disk did not take counts: that disk may be another machine's."""


@router.get("/healthz")
async def healthz(here: AsAnyone) -> dict[str, str]:
    """The process is up. Asked of the event loop itself, for its threads may all be waiting for the database."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(here: AsAnyone, request: Request) -> dict[str, str]:
    """The database answers and is at the newest revision, and there is room on the disk."""
    with here.engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    if not is_current(here.engine):
        raise Unavailable("The database is not at the newest revision. Run `peft-atlas migrate`.")
    if time.monotonic() - getattr(request.app.state, "disk_full_at", -REFUSAL_SECONDS) < REFUSAL_SECONDS:
        raise Unavailable("The database's disk is full. Free some room.")
    for folder in _written_to(here):
        _check_room(folder)
    return {"status": "ready"}


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
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            file.write(bytes(ROOM_BYTES))
    except OSError as error:
        raise Unavailable(f"{folder} takes no more files ({error.strerror}). Free some room.") from error
