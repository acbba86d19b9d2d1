"""GET healthz (the process answers) and readyz (it can do its work)."""

from fastapi import APIRouter
from sqlalchemy import text

from app.api.context import Here
from app.db.migrate import is_current
from app.errors import Unavailable

router = APIRouter(tags=["health"])


@router.get("/healthz")
def healthz() -> dict[str, str]:
    """The process is up."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(here: Here) -> dict[str, str]:
    """The database answers and is at the newest revision."""
    with here.engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    if not is_current(here.engine):
        raise Unavailable("The database is not at the newest revision. Run `peft-atlas migrate`.")
    return {"status": "ready"}
