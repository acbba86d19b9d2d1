"""Taking a backup while others write: the database as it was at one moment, then the files that it refers to."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, Engine, inspect, select

from app.db.migrate import revision_of
from app.db.session import DISK_FULL
from app.db.tables import ArtifactRow, Dataset
from app.errors import Conflict, DiskFull, Invalid
from app.services.backup import postgres, sqlite
from app.services.backup.archive import ArchiveWriter, LeftOut, Manifest, new_archive, pieces_of, sha256_of
from app.services.store import object_path
from app.settings import Settings

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class BackupReport(BaseModel):
    """What was written. rows: by table; files: of runs and datasets, without those that are left out."""

    model_config = ConfigDict(frozen=True)

    file: Path
    bytes: int
    revision: str
    rows: dict[str, int]
    files: int
    file_bytes: int
    left_out: tuple[LeftOut, ...]


def write_backup(engine: Engine, settings: Settings, file: Path) -> BackupReport:
    """Write the database, the files of runs and the uploaded datasets into one archive; nobody has to stop meanwhile.

    The secret key and the first-visit key are not in it, nor who is logged in. Raises Conflict where `file` is there
    already, Invalid where the database was never migrated, DiskFull.
    """
    if file.exists():
        raise Conflict(f"{file} is there already. Name another file, or move it away.")
    if not file.resolve().parent.is_dir():
        raise Invalid(f"There is no folder {file.parent} to write the backup into.")
    try:
        with new_archive(file) as archive:
            manifest = _write(archive, engine, settings, file.resolve().parent)
            archive.close_with(manifest)
    except (OSError, sqlite3.OperationalError) as error:
        if getattr(error, "errno", None) in NO_ROOM or getattr(error, "sqlite_errorcode", None) in DISK_FULL:
            raise DiskFull(f"There is no room for the backup at {file}. Free some, or name another disk.") from error
        if isinstance(error, OSError):
            raise Invalid(f"{file} cannot be written: {error.strerror}.") from error
        raise
    files = [*manifest.parts_in("objects"), *manifest.parts_in("datasets")]
    return BackupReport(
        file=file,
        bytes=file.stat().st_size,
        revision=manifest.revision,
        rows=manifest.rows,
        files=len(files),
        file_bytes=sum(part.bytes for part in files),
        left_out=manifest.left_out,
    )


def _write(archive: ArchiveWriter, engine: Engine, settings: Settings, folder: Path) -> Manifest:
    with _moment(engine, folder) as connection:
        revision = revision_of(connection)
        if revision is None:
            raise Invalid("This database holds nothing yet. Run `peft-atlas migrate`, or check PEFT_ATLAS_HOME.")
        kind = postgres if connection.dialect.name == "postgresql" else sqlite
        tables = kind.write_tables(connection, archive)
        files = _files(connection, settings)
    left_out = [missed for name, (path, sha256) in files.items() if (missed := _add_file(archive, name, path, sha256))]
    return Manifest(
        product_version=version("peft-atlas"),
        created_at=datetime.now(UTC),
        database="postgresql" if kind is postgres else "sqlite",
        revision=revision,
        tables=tables,
        parts=tuple(archive.parts),
        left_out=tuple(left_out),
    )


@contextmanager
def _moment(engine: Engine, folder: Path) -> Iterator[Connection]:
    """A connection that sees the database as it is now, whatever is written later."""
    moment = postgres.moment(engine) if engine.dialect.name == "postgresql" else sqlite.moment(engine, folder)
    with moment as connection:
        yield connection


def _files(connection: Connection, settings: Settings) -> dict[str, tuple[Path, str]]:
    """What the database refers to: the part's name -> where it lies, and its hash."""
    found = {}
    there = set(inspect(connection).get_table_names())
    if ArtifactRow.__tablename__ in there:
        for sha256 in connection.scalars(select(ArtifactRow.sha256).distinct().order_by(ArtifactRow.sha256)):
            found[f"objects/{sha256}"] = (object_path(settings.store_folder, sha256), sha256)
    if Dataset.__tablename__ in there:
        for name, sha256 in connection.execute(select(Dataset.file, Dataset.sha256).order_by(Dataset.id)):
            found[f"datasets/{name}"] = (settings.home_folder / "datasets" / name, sha256)
    return found


def _add_file(archive: ArchiveWriter, name: str, path: Path, sha256: str) -> LeftOut | None:
    """What is gone, as that of a study deleted meanwhile, or damaged is told, not taken."""
    try:
        if sha256_of(path) != sha256:
            return LeftOut(name=name, reason="its content is not what was registered")
        archive.add(name, pieces_of(path), compress=name.startswith("datasets/"))
    except FileNotFoundError:
        return LeftOut(name=name, reason="it is not there")
    return None
