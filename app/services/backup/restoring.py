"""Putting a backup back: all of it is checked before anything is touched, and the database comes last."""

import shutil
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Engine, MetaData, func, make_url, select

from app.db.migrate import VERSION_TABLE, newest_revision, revisions
from app.db.session import make_engine
from app.errors import Conflict, DiskFull, Invalid
from app.services.backup import postgres, sqlite
from app.services.backup.archive import Archive, LeftOut, Manifest, Part, new_file, opened_archive
from app.services.disk import nearest_existing
from app.services.store import object_path
from app.settings import Settings

FILE_MODE = 0o644
"""Of a file in the store: workers may run as another user."""
ONE_TEAM = {"teams": 1}
"""What a database holds that nobody has used yet."""


class RestoreReport(BaseModel):
    """What was put back. backup_revision: of the database in the backup, which was then brought to `revision`."""

    model_config = ConfigDict(frozen=True)

    backup_revision: str
    revision: str
    rows: dict[str, int]
    files: int
    file_bytes: int
    left_out: tuple[LeftOut, ...]


def restore_backup(settings: Settings, file: Path, *, replace: bool) -> RestoreReport:
    """Check a backup, then put its files and its database in their places. Web and workers must not run.

    Raises Invalid where the backup is damaged, of a newer version or of another kind of database; Conflict where the
    home is in use, or holds something and `replace` is not said; DiskFull.
    """
    with opened_archive(file) as archive:
        archive.check()
        manifest = archive.manifest
        _check_origin(manifest, settings.database)
        _check_target(settings.database, replace)
        _check_room(manifest, settings)
        # Other users of the machine have no business in it.
        settings.home_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        files = [*manifest.parts_in("objects"), *manifest.parts_in("datasets")]
        for part in files:
            _put(archive, part, _place(settings, part))
        if manifest.database == "postgresql":
            postgres.read_tables(archive, settings.database)
        else:
            sqlite.read_tables(archive, _database_file(settings.database))
    return RestoreReport(
        backup_revision=manifest.revision,
        revision=newest_revision(),
        rows=manifest.rows,
        files=len(files),
        file_bytes=sum(part.bytes for part in files),
        left_out=manifest.left_out,
    )


def _check_origin(manifest: Manifest, url: str) -> None:
    if manifest.revision not in revisions():
        raise Invalid(
            f"This backup was written by a newer version ({manifest.product_version}, revision {manifest.revision}). "
            "Install that version, then restore it."
        )
    kind = make_url(url).get_backend_name()
    if kind != manifest.database:
        raise Invalid(
            f"This backup is of a {manifest.database} database, and PEFT_ATLAS_DATABASE_URL names a {kind} one. "
            "Restore it into one of its own kind."
        )


def _check_target(url: str, replace: bool) -> None:
    on_sqlite = make_url(url).get_backend_name() == "sqlite"
    if on_sqlite and not _database_file(url).exists():
        return
    engine = make_engine(url)
    try:
        if not replace and _rows(engine).items() - ONE_TEAM.items():
            raise Conflict("This installation holds something already. Restore into an empty home, or say --replace.")
        if not on_sqlite:
            postgres.check_unused(engine)
    finally:
        engine.dispose()
    if on_sqlite:
        sqlite.close_for_good(_database_file(url))


def _rows(engine: Engine) -> dict[str, int]:
    """How many rows there are, in each table that has any."""
    there = MetaData()
    with engine.connect() as connection:
        there.reflect(connection)
        counts = {
            name: connection.scalar(select(func.count()).select_from(table)) or 0
            for name, table in there.tables.items()
            if name != VERSION_TABLE
        }
    return {name: count for name, count in counts.items() if count}


def _database_file(url: str) -> Path:
    return Path(make_url(url).database or "")


def _check_room(manifest: Manifest, settings: Settings) -> None:
    needed = sum(part.bytes for part in manifest.parts)
    for folder in {settings.store_folder, settings.home_folder}:
        if shutil.disk_usage(nearest_existing(folder)).free < needed:
            raise DiskFull(f"The backup needs {needed / 1e9:.2f} GB at {folder}. Free some room, or name another home.")


def _place(settings: Settings, part: Part) -> Path:
    """Where a file belongs; its name has been checked."""
    folder, _, name = part.name.partition("/")
    if folder == "datasets":
        return settings.home_folder / "datasets" / name
    if name != part.sha256:
        raise Invalid(f"{part.name} of the backup has another content than its name says.")
    return object_path(settings.store_folder, name)


def _put(archive: Archive, part: Part, target: Path) -> None:
    """Whole or not at all, and on the disk before the database refers to it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with new_file(target) as written:
        written.writelines(archive.pieces(part))
    target.chmod(FILE_MODE)
