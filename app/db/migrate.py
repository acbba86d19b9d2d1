"""Bringing a database to the present revision."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
VERSION_TABLE = "alembic_version"


def alembic_config(url: str) -> Config:
    """Alembic's configuration, without a file."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def migrate(url: str, revision: str = "head") -> None:
    """Upgrade the database to `revision`; it is made if it does not exist."""
    command.upgrade(alembic_config(url), revision)


def is_current(engine: Engine) -> bool:
    """Whether the database is at the newest revision."""
    present, newest = present_revision(engine)
    return present == newest


def present_revision(engine: Engine) -> tuple[str | None, str]:
    """The database's revision, None before its first migration, and the newest one."""
    with engine.connect() as connection:
        return revision_of(connection), newest_revision()


def revision_of(connection: Connection) -> str | None:
    """The revision of a database, None before its first migration."""
    return MigrationContext.configure(connection).get_current_revision()


def newest_revision() -> str:
    """The one that this version's tables are of."""
    return revisions()[0]


@cache
def revisions() -> tuple[str, ...]:
    """Every revision that this version can bring a database from, the newest first."""
    return tuple(script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions())
