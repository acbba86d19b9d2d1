"""Who comes in, and whether that fits the address that pages are served on."""

from collections.abc import Iterator

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from app.cli.doctor.database import sqlite_file
from app.cli.doctor.finding import Finding, ok, problem, warning
from app.db.identity import User
from app.db.migrate import is_current
from app.db.session import make_engine, system_session
from app.services.accounts.binding import is_loopback
from app.settings import Settings

FIRST = "Make the first account: `peft-atlas user add NAME --operator`."
EVERY_ADDRESS = ("0.0.0.0", "::")


def check(settings: Settings, host: str) -> Iterator[Finding]:
    """Nothing where the database cannot be asked: its own check says why."""
    people = _people(settings)
    if people is None:
        return
    if people:
        yield ok("access", f"{people} people have accounts, and everybody logs in")
    elif is_loopback(host):
        yield ok("access", "nobody has an account: pages answer on this machine only")
    else:
        yield problem("access", f"nobody has an account, so pages cannot be served on {host}", FIRST)
    if settings.host_names and not people:
        yield warning("access", "PEFT_ATLAS_HOSTS names hosts, but nobody has an account", FIRST)
    if people and host in EVERY_ADDRESS and not settings.host_names:
        advice = "Set PEFT_ATLAS_HOSTS to the names that browsers call this server by."
        yield warning("access", f"on {host} browsers reach this server by loopback names only", advice)


def _people(settings: Settings) -> int | None:
    """How many can log in."""
    file = sqlite_file(settings)
    if file is not None and not file.exists():
        return 0
    engine = make_engine(settings.database)
    try:
        if not is_current(engine):
            return None
        with system_session(engine) as session:
            return session.scalar(select(func.count()).select_from(User).where(User.disabled_at.is_(None))) or 0
    except DBAPIError:
        return None
    finally:
        engine.dispose()
