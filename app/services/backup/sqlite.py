"""SQLite's part of a backup: one file, copied by the database's own means."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, func, inspect, select, table
from sqlalchemy.pool import NullPool

from app.db.migrate import VERSION_TABLE, migrate
from app.errors import Conflict, Invalid
from app.services.backup.archive import Archive, ArchiveWriter, Manifest, Table, pieces_of
from app.services.backup.not_kept import NOT_KEPT

PART = "database/atlas.sqlite"


@contextmanager
def moment(engine: Engine, folder: Path) -> Iterator[Connection]:
    """A connection to a copy of the database in `folder`, without what is not kept."""
    with tempfile.TemporaryDirectory(prefix=".peft-atlas-backup-", dir=folder) as scratch:
        copied = Path(scratch) / "atlas.sqlite"
        with closing(engine.raw_connection()) as source, closing(sqlite3.connect(copied)) as target:
            source.driver_connection.backup(target)  # type: ignore[union-attr]
            _forget(target)
        reading = create_engine(f"sqlite:///{copied}", poolclass=NullPool)
        with reading.connect() as connection:
            yield connection


def _forget(copy: sqlite3.Connection) -> None:
    """Deleted rows are overwritten; and a copy that nobody else reads needs no second file beside it."""
    copy.execute("PRAGMA journal_mode=DELETE")
    copy.execute("PRAGMA secure_delete=ON")
    there = {name for (name,) in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for name in sorted(NOT_KEPT & there):
        copy.execute(f'DELETE FROM "{name}"')  # nosec B608  # one of the names in NOT_KEPT
    copy.commit()


def write_tables(connection: Connection, archive: ArchiveWriter) -> tuple[Table, ...]:
    """The whole file as one part; what its tables hold."""
    file = Path(connection.engine.url.database or "")
    archive.add(PART, pieces_of(file), compress=True)
    return tables_of(connection)


def tables_of(connection: Connection) -> tuple[Table, ...]:
    """Every table but the one that says the revision."""
    seen = inspect(connection)
    return tuple(
        Table(
            name=name,
            columns=tuple(column["name"] for column in seen.get_columns(name)),
            rows=connection.scalar(select(func.count()).select_from(table(name))) or 0,
        )
        for name in sorted(seen.get_table_names())
        if name != VERSION_TABLE
    )


def read_tables(archive: Archive, file: Path) -> None:
    """Put the database in the place of the one in `file`, brought to the present revision; at once or not at all.

    Raises Conflict where somebody has the present one open, Invalid where the copy is broken.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".peft-atlas-restore-", dir=file.parent) as scratch:
        restored = Path(scratch) / file.name
        (part,) = archive.manifest.parts_in("database")
        with restored.open("wb") as written:
            written.writelines(archive.pieces(part))
        _check(restored, archive.manifest)
        migrate(f"sqlite:///{restored}")
        _close_journal(restored)
        close_for_good(file)
        restored.replace(file)


def _check(file: Path, manifest: Manifest) -> None:
    engine = create_engine(f"sqlite:///{file}", poolclass=NullPool)
    with engine.connect() as connection:
        sound = connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
        if not sound or tables_of(connection) != manifest.tables:
            raise Invalid("The database in this backup is not what its manifest says. Use another copy of it.")


def close_for_good(file: Path) -> None:
    """Leave no journal beside a database that is about to be replaced. Raises Conflict where it is in use."""
    if not file.exists():
        return
    try:
        _close_journal(file)
    except sqlite3.OperationalError as error:
        raise Conflict(f"{file} is in use ({error}). Stop the web process and every worker first.") from error


def _close_journal(file: Path) -> None:
    # Leaving the write-ahead log takes a lock that no other connection lets it have.
    with closing(sqlite3.connect(file, timeout=1)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE").fetchall()
