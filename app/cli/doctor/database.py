"""The database, and whether somebody takes what waits in it."""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Engine, func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from app.cli.doctor.finding import Finding, ok, problem, warning
from app.db.migrate import present_revision, revisions
from app.db.session import make_engine, system_session
from app.db.tables import Run
from app.services.callers import COMMAND
from app.services.workers import list_workers
from app.settings import Settings


def check(settings: Settings) -> Iterator[Finding]:
    """Reachable, at the newest revision, and open to writes; nothing is changed."""
    file = sqlite_file(settings)
    if file is not None and not file.exists():
        yield ok("database", f"there is none yet: the first start makes {file}")
        return
    engine: Engine | None = None
    try:
        engine = make_engine(settings.database)
        yield from _looked_into(engine)
    except (DBAPIError, OSError) as error:
        yield problem("database", f"cannot be opened: {_first_line(error)}", _how_to_open(file))
    finally:
        if engine is not None:
            engine.dispose()


def sqlite_file(settings: Settings) -> Path | None:
    """Where the database is a file."""
    url = make_url(settings.database)
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def _looked_into(engine: Engine) -> Iterator[Finding]:
    name = "SQLite" if engine.dialect.name == "sqlite" else "PostgreSQL"
    present, newest = present_revision(engine)
    if present is None:
        yield problem("database", f"{name} without the tables of PEFT Atlas", "Run `peft-atlas migrate`.")
        return
    if present != newest and present not in revisions():
        advice = "Install the version that has written it, or a newer one."
        yield problem("database", f"{name} at revision {present}, which this version does not know", advice)
        return
    if present != newest:
        detail = f"{name} at revision {present}, of which {newest} is the newest"
        yield problem("database", detail, "Run `peft-atlas migrate`, after `peft-atlas backup`.")
        return
    yield _writable(engine, f"{name} at revision {present}")
    yield _workers(engine)


def _writable(engine: Engine, detail: str) -> Finding:
    try:
        with engine.begin() as connection:
            connection.execute(text("UPDATE teams SET slug = slug WHERE id = -1"))
    except DBAPIError as error:
        advice = "Give this user the right to write to it; of a file, to its folder as well."
        return problem("database", f"{detail} refuses to be written to: {_first_line(error)}", advice)
    return ok("database", f"{detail}, readable and writable")


def _workers(engine: Engine) -> Finding:
    with system_session(engine) as session:
        waiting = session.scalar(select(func.count()).select_from(Run).where(Run.status == "queued")) or 0
    alive = sum(worker.alive and not worker.paused for worker in list_workers(engine, COMMAND))
    detail = f"{alive} at work, {waiting} runs wait"
    if waiting and not alive:
        return warning("workers", detail, "Start one: `peft-atlas up`, or `peft-atlas worker`.")
    return ok("workers", detail)


def _how_to_open(file: Path | None) -> str:
    if file is None:
        return "Start the server, and compare PEFT_ATLAS_DATABASE_URL with where it runs and who may log in."
    return f"Let this user read and write {file} and its folder, or put a backup back: `peft-atlas restore`."


def _first_line(error: DBAPIError | OSError) -> str:
    lines = str(error.orig if isinstance(error, DBAPIError) else error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
