"""Datasets that people upload: kept under the home's datasets by a safe name, looked at before a study reads them."""

import hashlib
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select

from app.db.session import database_now, team_session, write_lock
from app.db.tables import Dataset
from app.errors import Invalid, NotFound, TooLarge
from app.language import tr
from app.schemas import (
    DATASET_FORMS,
    LARGEST_DATASET_BYTES,
    MOST_DATASET_ROWS,
    DatasetColumn,
    DatasetMapping,
    DatasetPreview,
    DatasetView,
    FieldProblem,
    TaskEntry,
)
from app.services import quotas
from app.services.callers import Caller
from app.services.dataset_reading import read_apart
from app.services.disk import check_room_for
from app.services.tasks import check_mapping
from app.services.team_settings import uploads_of
from app.settings import Settings

PIECE_BYTES = 2**20
HASH_CHARACTERS = 10
LONGEST_STEM = 60
LONGEST_NAME = 200
Read = Callable[[int], bytes]


def keep_dataset(engine: Engine, settings: Settings, caller: Caller, name: str, read: Read) -> DatasetView:
    """Write an upload down piece by piece, look at it in a process of its own, and register it; or keep nothing.

    The same file again is the dataset that is there. Raises Invalid naming the line and the column that is wrong,
    TooLarge past LARGEST_DATASET_BYTES, DiskFull beyond what the team may keep.
    """
    stem, suffix = _safe_name(name)
    datasets, uploads = settings.home_folder / "datasets", uploads_of(caller.team_id)
    folder = datasets / uploads
    folder.mkdir(parents=True, exist_ok=True)
    check_room_for(folder, tr("This dataset"), LARGEST_DATASET_BYTES)
    with tempfile.TemporaryDirectory(prefix=".incoming-", dir=folder) as incoming:
        # Under its own name, for a refusal says it.
        arrived = Path(incoming) / f"{stem}{suffix}"
        sha256 = _write(arrived, read)
        kept = f"{stem}-{sha256[:HASH_CHARACTERS]}{suffix}"
        file = f"{uploads}/{kept}"
        # One from before teams had folders of their own lies where it lay.
        for known in (_known(engine, caller, file), _known(engine, caller, kept)):
            if known is not None and (datasets / known.dataset).is_file():
                return known
        size = arrived.stat().st_size
        quotas.check_room(engine, caller, size)
        request = {"reading": "look", "file": str(arrived), "most_rows": MOST_DATASET_ROWS}
        seen = read_apart(request, field="file")
        with team_session(engine, caller.team_id) as session:
            write_lock(session)
            # Once more: others may have been kept while this one was looked at.
            quotas.check_disk(session, caller.team_id, size)
            shutil.move(arrived, datasets / file)
            row = session.scalar(select(Dataset).where(Dataset.file == file)) or Dataset(file=file)
            row.name, row.sha256, row.size_bytes, row.rows = name, sha256, size, seen["rows"]
            row.columns, row.head = seen["columns"], seen["head"]
            row.created_at, row.created_by = database_now(session), caller.user
            session.add(row)
            session.flush()
            return _view(row)


def list_datasets(engine: Engine, caller: Caller) -> list[DatasetView]:
    """The team's uploaded datasets, the newest first."""
    with team_session(engine, caller.team_id) as session:
        return [_view(row) for row in session.scalars(select(Dataset).order_by(Dataset.id.desc()))]


def preview(
    engine: Engine, settings: Settings, caller: Caller, dataset_id: int, mapping: TaskEntry | None
) -> DatasetPreview:
    """First rows and columns of a dataset, and what a mapping makes of it; a mapping that is wrong is told, not
    refused."""
    with team_session(engine, caller.team_id) as session:
        row = session.scalar(select(Dataset).where(Dataset.id == dataset_id))
        if row is None:
            raise NotFound(f"There is no dataset {dataset_id}.")
        shown = DatasetPreview(
            dataset=_view(row),
            head=row.head,
            columns=[DatasetColumn.model_validate(column) for column in row.columns],
            mapping=None,
        )
    if mapping is not None:
        shown.mapping = _mapped(settings.home_folder / "datasets" / shown.dataset.dataset, mapping)
    return shown


def _mapped(file: Path, entry: TaskEntry) -> DatasetMapping:
    columns = entry.columns().model_dump(mode="json")
    nothing: dict[str, Any] = {"items": None, "duplicates_removed": None, "labels": {}, "splits": None}
    try:
        check_mapping(entry)
        if not file.is_file():
            raise Invalid(f"The file {file.name!r} is gone. Upload it again.", field="task.dataset")
        request = {"reading": "map", "file": str(file), "kind": entry.kind, "columns": columns}
        found = read_apart(request, field="task.dataset")
    except Invalid as error:
        problem = FieldProblem(field=_field(error, entry), message=error.detail)
        return DatasetMapping.model_validate(nothing | {"kind": entry.kind, "problems": [problem]})
    return DatasetMapping.model_validate(found | {"kind": entry.kind, "problems": []})


def _field(error: Invalid, entry: TaskEntry) -> str:
    """The role of the column that a sentence is about, where it names one."""
    if error.field != "task.dataset":
        return error.field or "task"
    for role, column in entry.columns().model_dump().items():
        for name in column if isinstance(column, tuple) else (column,):
            if name and f"column {name!r}" in error.detail:
                return f"task.{role}"
    return "task.dataset"


def _safe_name(name: str) -> tuple[str, str]:
    """The stem and ending that a file is kept under. Raises Invalid for a path, or a form that is not read."""
    if not name or len(name) > LONGEST_NAME or not name.isprintable() or "/" in name or "\\" in name:
        raise Invalid("Give the file a plain name of its own, without folders: reviews.csv.", field="file")
    suffix = Path(name).suffix.lower()
    if suffix not in DATASET_FORMS:
        raise Invalid(
            f"{name[:100]!r} ends in none of {', '.join(DATASET_FORMS)}. Save it as one of these.", field="file"
        )
    stem = re.sub(r"[^A-Za-z0-9_]+", "-", Path(name).stem).strip("-_")[:LONGEST_STEM]
    return stem or "dataset", suffix


def _write(file: Path, read: Read) -> str:
    """Write what is read, piece by piece; its hash."""
    digest, size = hashlib.sha256(), 0
    with file.open("wb") as opened:
        while piece := read(PIECE_BYTES):
            size += len(piece)
            if size > LARGEST_DATASET_BYTES:
                raise TooLarge(f"A dataset may hold at most {LARGEST_DATASET_BYTES} bytes. Give a smaller file.")
            digest.update(piece)
            opened.write(piece)
    return digest.hexdigest()


def _known(engine: Engine, caller: Caller, file: str) -> DatasetView | None:
    with team_session(engine, caller.team_id) as session:
        row = session.scalar(select(Dataset).where(Dataset.file == file))
        return None if row is None else _view(row)


def _view(row: Dataset) -> DatasetView:
    return DatasetView(
        id=row.id,
        name=row.name,
        dataset=row.file,
        sha256=row.sha256,
        bytes=row.size_bytes,
        rows=row.rows,
        columns=[column["name"] for column in row.columns],
        created_at=row.created_at,
        created_by=row.created_by,
    )
