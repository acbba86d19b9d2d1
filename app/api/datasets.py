"""POST and GET datasets: what people upload, and what is seen of it before a study reads it."""

from typing import Annotated

from fastapi import APIRouter, File, Query, Response, UploadFile

from app.api.context import AsMember, AsViewer, RowId
from app.schemas import DatasetPreview, DatasetView, Name, Page, TaskEntry
from app.services import datasets

router = APIRouter(prefix="/datasets", tags=["datasets"])

Column = Annotated[Name | None, Query()]


@router.post("", status_code=201)
def upload_dataset(
    here: AsMember,
    file: Annotated[UploadFile, File(description="A CSV, TSV, JSON lines or Parquet file, named as it is.")],
    response: Response,
) -> DatasetView:
    """Keep a dataset file for studies to name, or refuse it naming the line and the column that is wrong."""
    kept = datasets.keep_dataset(here.engine, here.settings, here.caller, file.filename or "", file.file.read)
    response.headers["location"] = f"/api/v1/datasets/{kept.id}/preview"
    return kept


@router.get("")
def list_datasets(here: AsViewer) -> Page[DatasetView]:
    """The uploaded datasets, the newest first."""
    return Page(items=datasets.list_datasets(here.engine, here.caller))


@router.get("/{dataset_id}/preview")
def preview_dataset(
    here: AsViewer,
    dataset_id: RowId,
    kind: Annotated[str | None, Query(max_length=200)] = None,
    text: Column = None,
    label: Column = None,
    pair: Column = None,
    group: Column = None,
    choices: Annotated[list[Name], Query(max_length=26)] = [],  # noqa: B006 (FastAPI copies it)
) -> DatasetPreview:
    """First rows, and what each column holds; with a kind of task and its text column also what they make of it."""
    mapping = None
    if kind is not None and text is not None:
        columns = {"text": text, "label": label, "pair": pair, "group": group, "choices": tuple(choices)}
        mapping = TaskEntry.model_validate({"dataset": "-", "kind": kind} | columns)
    return datasets.preview(here.engine, here.settings, here.caller, dataset_id, mapping)
