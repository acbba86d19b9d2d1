"""A backup is put back with the same rows and files, and one that is damaged or strange touches nothing."""

import hashlib
import json
import os
import resource
import stat
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import JSON, Engine, Text, cast, select

from app.db.migrate import is_current, migrate
from app.db.session import database_now, make_engine, system_session
from app.db.tables import ArtifactRow, Dataset, Run, Study
from app.errors import AtlasError, Conflict, DiskFull, Invalid
from app.services import studies
from app.services.backup import BackupReport, restore_backup, write_backup
from app.services.callers import LOCAL
from app.services.store import object_path
from app.settings import Settings
from tests.databases import on_both_databases
from tests.faults import contents
from tests.faults.documents import SMALL, make_study
from tests.postgres import Postgres

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
STRANGE_NAME = "Ü \\N \\t €"
ROWS = b"text,label\nfine,1\n"


@pytest.fixture
def elsewhere(request: pytest.FixtureRequest, database: str | None, tmp_path: Path) -> Iterator[Settings]:
    """Another, empty installation with the same kind of database."""
    if database is None:
        yield Settings(home=tmp_path / "elsewhere")
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = server.make_database(migrated=False)
    yield Settings(home=tmp_path / "elsewhere", database_url=url)
    server.drop_database(url)


def fill(engine: Engine, settings: Settings, content: bytes = CONTENT) -> None:
    """A study with a run's file and an uploaded dataset."""
    make_study(engine, settings, name=STRANGE_NAME)
    sha256 = hashlib.sha256(content).hexdigest()
    stored = object_path(settings.store_folder, sha256)
    stored.parent.mkdir(parents=True)
    stored.write_bytes(content)
    (settings.home_folder / "datasets").mkdir()
    (settings.home_folder / "datasets" / "few-0.csv").write_bytes(ROWS)
    with system_session(engine) as session:
        session.add(ArtifactRow(team_id=1, run_id=1, path="adapter/a", size_bytes=len(content), sha256=sha256))
        session.add(
            Dataset(
                team_id=1,
                name="few.csv",
                file="few-0.csv",
                sha256=hashlib.sha256(ROWS).hexdigest(),
                size_bytes=len(ROWS),
                rows=1,
                columns=[],
                head=[],
                created_by="ü",
                created_at=database_now(session),
            )
        )


@pytest.fixture
def backup(engine: Engine, settings: Settings, tmp_path: Path) -> BackupReport:
    fill(engine, settings)
    return write_backup(engine, settings, tmp_path / "atlas.backup")


def names(settings: Settings) -> list[str]:
    engine = make_engine(settings.database)
    with system_session(engine) as session:
        found = list(session.scalars(select(Study.name).order_by(Study.id)))
    engine.dispose()
    return found


@on_both_databases
def test_it_is_put_back_elsewhere_and_works_on(
    engine: Engine, settings: Settings, elsewhere: Settings, backup: BackupReport
) -> None:
    report = restore_backup(elsewhere, backup.file, replace=False)
    assert (report.rows, report.files, report.left_out) == (backup.rows, 2, ())
    assert report.rows["studies"] == 1
    assert object_path(elsewhere.store_folder, SHA256).read_bytes() == CONTENT
    assert (elsewhere.home_folder / "datasets" / "few-0.csv").read_bytes() == ROWS
    there = make_engine(elsewhere.database)
    assert is_current(there)
    assert make_study(there, elsewhere) == 2
    there.dispose()


@on_both_databases
def test_every_table_comes_back_as_it_was_but_for_who_is_logged_in(
    engine: Engine, settings: Settings, elsewhere: Settings, tmp_path: Path
) -> None:
    contents.fill(engine, settings)
    contents.add_people(engine)
    report = write_backup(engine, settings, tmp_path / "atlas.backup")
    restore_backup(elsewhere, report.file, replace=False)
    there = make_engine(elsewhere.database)
    before, after = (everything(which) for which in (engine, there))
    there.dispose()
    assert {name for name, rows in before.items() if rows != after[name]} == {"sessions", "login_attempts"}
    assert (after["sessions"], after["login_attempts"]) == ([], [])
    with zipfile.ZipFile(report.file) as archive:
        assert not [name for name in archive.namelist() if b"1" * 64 in archive.read(name)]


def everything(engine: Engine) -> dict[str, list[Any]]:
    """What the driver says is in every table: JSON as text, so that a missing value is not taken for its null."""
    found = {}
    with engine.connect() as connection:
        for name, table in contents.schema_of(engine).tables.items():
            columns = [cast(column, Text) if isinstance(column.type, JSON) else column for column in table.c]
            found[name] = [tuple(row) for row in connection.execute(select(*columns).order_by(*table.primary_key))]
    return found


def test_only_its_owner_may_read_it_and_the_home_it_is_put_back_in(elsewhere: Settings, backup: BackupReport) -> None:
    restore_backup(elsewhere, backup.file, replace=False)
    assert stat.S_IMODE(elsewhere.home_folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(backup.file.stat().st_mode) == 0o600
    assert [path.name for path in backup.file.parent.glob(".*")] == []


@on_both_databases
def test_files_that_are_gone_or_damaged_are_told(engine: Engine, settings: Settings, tmp_path: Path) -> None:
    fill(engine, settings)
    object_path(settings.store_folder, SHA256).write_bytes(b"another")
    (settings.home_folder / "datasets" / "few-0.csv").unlink()
    report = write_backup(engine, settings, tmp_path / "atlas.backup")
    assert {missed.name: missed.reason for missed in report.left_out} == {
        f"objects/{SHA256}": "its content is not what was registered",
        "datasets/few-0.csv": "it is not there",
    }
    assert report.files == 0


@pytest.mark.skipif(sys.platform != "linux", reason="Elsewhere a limit on files is another one.")
@pytest.mark.parametrize("size_bytes", [20_000, 700_000])
def test_a_disk_that_takes_no_more_is_told_and_nothing_is_left(
    engine: Engine, settings: Settings, tmp_path: Path, size_bytes: int
) -> None:
    """While the database is copied, and while the archive is written."""
    fill(engine, settings, os.urandom(2_000_000))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        with pytest.raises(DiskFull, match="no room for the backup"):
            write_backup(engine, settings, tmp_path / "atlas.backup")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_an_older_database_is_saved_as_it_is_and_migrated_where_it_is_put_back(
    settings: Settings, elsewhere: Settings, tmp_path: Path
) -> None:
    migrate(settings.database, "0004")
    old = make_engine(settings.database)
    report = write_backup(old, settings, tmp_path / "atlas.backup")
    old.dispose()
    assert report.revision == "0004"
    restored = restore_backup(elsewhere, report.file, replace=False)
    assert restored.backup_revision == "0004"
    there = make_engine(elsewhere.database)
    assert is_current(there)
    there.dispose()


@on_both_databases
def test_what_is_there_is_replaced_only_when_that_is_said(
    engine: Engine, settings: Settings, elsewhere: Settings, backup: BackupReport
) -> None:
    migrate(elsewhere.database)
    used = make_engine(elsewhere.database)
    studies.create_study(used, elsewhere, LOCAL, SMALL)
    with pytest.raises(Conflict, match="holds something already"):
        restore_backup(elsewhere, backup.file, replace=False)
    with used.connect(), pytest.raises(Conflict, match="Stop the web process"):
        restore_backup(elsewhere, backup.file, replace=True)
    used.dispose()
    assert names(elsewhere) == ["Small"]
    restore_backup(elsewhere, backup.file, replace=True)
    assert names(elsewhere) == [STRANGE_NAME]


def test_a_backup_is_not_written_over_another_file(engine: Engine, settings: Settings, backup: BackupReport) -> None:
    with pytest.raises(Conflict, match="is there already"):
        write_backup(engine, settings, backup.file)
    with pytest.raises(Invalid, match="no folder"):
        write_backup(engine, settings, backup.file.parent / "missing" / "file")


# -- what is not a backup ---------------------------------------------------------------------------------------------


def rewritten(file: Path, change: Any) -> Path:
    """A copy of an archive whose manifest and entries `change` has had in its hands."""
    with zipfile.ZipFile(file) as source:
        entries = {name: source.read(name) for name in source.namelist()}
    manifest = json.loads(entries["manifest.json"])
    change(manifest, entries)
    entries["manifest.json"] = json.dumps(manifest).encode()
    target = file.with_suffix(".changed")
    with zipfile.ZipFile(target, "w") as written:
        for name, content in entries.items():
            written.writestr(name, content)
    return target


def damage(manifest: Any, entries: dict[str, bytes]) -> None:
    entries[f"objects/{SHA256}"] = b"another"


def lengthen(manifest: Any, entries: dict[str, bytes]) -> None:
    entries[f"objects/{SHA256}"] += bytes(10)


def lose(manifest: Any, entries: dict[str, bytes]) -> None:
    del entries[f"objects/{SHA256}"]


def add(manifest: Any, entries: dict[str, bytes]) -> None:
    entries["datasets/more.csv"] = b""


def be_newer(manifest: Any, entries: dict[str, bytes]) -> None:
    manifest["revision"] = "9999"


def be_of_postgres(manifest: Any, entries: dict[str, bytes]) -> None:
    manifest["database"] = "postgresql"


def miscount(manifest: Any, entries: dict[str, bytes]) -> None:
    manifest["tables"][0]["rows"] += 1


def lead_out(name: str) -> Any:
    def change(manifest: Any, entries: dict[str, bytes]) -> None:
        entries[name] = b""
        manifest["parts"].append({"name": name, "bytes": 0, "sha256": hashlib.sha256().hexdigest()})

    return change


OUTSIDE = (
    "../outside",
    "datasets/../../outside",
    "/outside",
    "objects/..",
    "datasets/..",
    "datasets/.",
    "datasets/a\\b",
)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (damage, "damaged|cannot be read"),
        (lengthen, "damaged|cannot be read"),
        (lose, "does not hold"),
        (add, "does not hold"),
        (be_newer, "newer version"),
        (be_of_postgres, "names a sqlite one"),
        (miscount, "not what its manifest says"),
        *((lead_out(name), "which no backup has") for name in OUTSIDE),
    ],
)
def test_a_strange_archive_is_refused(elsewhere: Settings, backup: BackupReport, change: Any, words: str) -> None:
    changed = rewritten(backup.file, change)
    with pytest.raises(Invalid, match=words):
        restore_backup(elsewhere, changed, replace=True)
    assert not (elsewhere.home_folder / "atlas.sqlite").exists()


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04" + os.urandom(200)])
def test_another_file_is_refused(elsewhere: Settings, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "other"
    file.write_bytes(content)
    with pytest.raises(AtlasError, match="cannot be read as a backup"):
        restore_backup(elsewhere, file, replace=True)


def test_a_file_that_is_cut_short_is_refused(elsewhere: Settings, backup: BackupReport) -> None:
    whole = backup.file.read_bytes()
    backup.file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Invalid):
        restore_backup(elsewhere, backup.file, replace=True)
    assert not elsewhere.home_folder.exists()


@pytest.mark.postgres
def test_a_damaged_table_of_postgres_is_refused_before_anything_is_dropped(
    postgres: Postgres, home: Path, tmp_path: Path
) -> None:
    settings = Settings(home=home, database_url=postgres.make_database())
    engine = make_engine(settings.database)
    make_study(engine, settings)
    report = write_backup(engine, settings, tmp_path / "atlas.backup")
    engine.dispose()

    def cut(manifest: Any, entries: dict[str, bytes]) -> None:
        entries["database/runs.copy"] = entries["database/runs.copy"][:-20]

    with pytest.raises(Invalid, match="damaged"):
        restore_backup(settings, rewritten(report.file, cut), replace=True)
    with system_session(engine) as session:
        assert len(list(session.scalars(select(Run.id)))) > 0
    engine.dispose()
    postgres.drop_database(settings.database)
