"""How much room an installation takes, told by the database in a few aggregates however many runs there are."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import Engine, Subquery, func, select, text
from sqlalchemy.orm import Session

from app.db.session import system_session, team_session
from app.db.tables import ArtifactRow, Dataset, Run, Study
from app.schemas import StorageView, StudyStorage
from app.services import retention
from app.services.callers import Caller
from app.services.disk import SHARE_LEFT_FREE, nearest_existing
from app.services.installation_counts import registered_files
from app.settings import Settings

MOST_STUDIES = 30
"""Are listed; the others are counted."""


def storage(engine: Engine, settings: Settings, caller: Caller) -> StorageView:
    """What the store, the datasets and the database hold, and what is left of the disk."""
    store = settings.store_folder
    with system_session(engine) as session:
        files, file_bytes = registered_files(session)
        database_bytes = _database_bytes(session)
    with team_session(engine, caller.team_id) as session:
        studies, count = _by_study(session)
        dataset_bytes = session.scalar(select(func.coalesce(func.sum(Dataset.size_bytes), 0))) or 0
    disk = shutil.disk_usage(nearest_existing(store))
    return StorageView(
        store=str(store),
        disk_total_bytes=disk.total,
        disk_free_bytes=disk.free,
        kept_free_bytes=round(SHARE_LEFT_FREE * disk.total),
        files=files,
        file_bytes=file_bytes,
        checkpoint_bytes=_bytes_of((store / "runs").rglob("*")),
        dataset_bytes=int(dataset_bytes),
        database_bytes=database_bytes,
        studies=studies,
        other_studies=count - len(studies),
    )


def free_leftovers(engine: Engine, settings: Settings, caller: Caller) -> StorageView:
    """Delete what lost workers and interrupted deletions have left, as every worker does from time to time."""
    retention.sweep(engine, settings.store_folder)
    return storage(engine, settings, caller)


def _by_study(session: Session) -> tuple[list[StudyStorage], int]:
    """The studies that keep most, and how many keep anything."""
    once = _files_of_studies()
    total = select(once.c.study_id, func.count().label("files"), func.sum(once.c.size).label("size"))
    total_of = total.group_by(once.c.study_id).subquery()
    keeping = select(Run.study_id, func.count(func.distinct(Run.id)).label("runs"))
    runs_of = keeping.join(ArtifactRow, ArtifactRow.run_id == Run.id).group_by(Run.study_id).subquery()
    wanted = (
        select(Study.id, Study.name, runs_of.c.runs, total_of.c.files, total_of.c.size)
        .join(total_of, total_of.c.study_id == Study.id)
        .join(runs_of, runs_of.c.study_id == Study.id)
        .order_by(total_of.c.size.desc(), Study.id)
        .limit(MOST_STUDIES)
    )
    found = [
        StudyStorage(study=study, name=name, runs=runs, files=files, bytes=int(size))
        for study, name, runs, files, size in session.execute(wanted)
    ]
    return found, session.scalar(select(func.count()).select_from(total_of)) or 0


def _files_of_studies() -> Subquery:
    """Each file of a study once, for its runs may share some."""
    files = select(Run.study_id, ArtifactRow.sha256, func.max(ArtifactRow.size_bytes).label("size"))
    return files.join(Run, ArtifactRow.run_id == Run.id).group_by(Run.study_id, ArtifactRow.sha256).subquery()


def _database_bytes(session: Session) -> int:
    """Of SQLite with its journal, which holds what was written last."""
    url = session.get_bind().engine.url
    if url.get_backend_name() == "sqlite":
        file = Path(url.database or "")
        return _bytes_of(file.parent.glob(f"{file.name}*"))
    return int(session.scalar(text("SELECT pg_database_size(current_database())")) or 0)


def _bytes_of(files: Iterable[Path]) -> int:
    """Files come and go while they are looked at: what is gone takes no room."""
    total = 0
    for file in files:
        try:
            total += file.stat().st_size if file.is_file() else 0
        except FileNotFoundError:
            continue
    return total
