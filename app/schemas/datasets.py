"""Datasets that people upload, and what is seen of them before a study reads them."""

from datetime import datetime

from pydantic import JsonValue

from app.schemas.document import Document
from app.schemas.estimates import FieldProblem
from peft_core.spec import Splits

LARGEST_DATASET_BYTES = 50_000_000
MOST_DATASET_ROWS = 200_000
DATASET_FORMS = (".csv", ".tsv", ".jsonl", ".parquet")


class DatasetColumn(Document):
    """What one column holds."""

    name: str
    kind: str
    """text, a number, true or false, a list; nothing where every cell is empty."""
    filled: int
    """Cells that are not empty."""
    distinct: int | None
    """None: more different values than are counted."""
    counts: dict[str, int]
    """The commonest values and how often each occurs, of a column with few of them; else empty."""
    shortest: int | None
    median: int | None
    longest: int | None
    """Characters of its texts; None where it holds none."""


class DatasetView(Document):
    """An uploaded dataset. A study names it by `dataset`."""

    id: int
    name: str
    dataset: str
    sha256: str
    bytes: int
    rows: int
    columns: list[str]
    created_at: datetime
    created_by: str


class DatasetMapping(Document):
    """What a dataset is as one kind of task, with these columns."""

    kind: str
    items: int | None
    duplicates_removed: int | None
    labels: dict[str, int]
    """How often each class occurs, of a kind that has classes."""
    splits: Splits | None
    problems: list[FieldProblem]
    """Why it cannot be read so, by the field of a study's task; the figures are None then."""


class DatasetPreview(Document):
    """The first rows of a dataset, its columns, and what a mapping makes of it where one was asked about."""

    dataset: DatasetView
    head: list[dict[str, JsonValue]]
    columns: list[DatasetColumn]
    mapping: DatasetMapping | None
