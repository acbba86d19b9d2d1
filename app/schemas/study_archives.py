"""What an exported study carries besides its document: everything that its cells are made from."""

import math
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StrictBool,
    StringConstraints,
    field_validator,
    model_validator,
)

from app.schemas.document import Document, Name, RunStatus
from peft_core.method import Family
from peft_core.spec import HubSource, Precision, Purpose

ARCHIVE_FORMAT = "peft-atlas-study/1"
LARGEST_ARCHIVE_BYTES = 32_000_000
"""What is read of an exported study; what is written is kept below."""
MOST_CONFIGURATIONS = 200
MOST_RUNS = 50_000
LARGEST_INTEGER = 2**63 - 1

LARGEST_VALUE = 1e100
"""Squares of what is measured have to stay finite, and sums of those."""

Measured = Annotated[float, Field(ge=-LARGEST_VALUE, le=LARGEST_VALUE, strict=True)]
RowNumber = Annotated[int, Field(ge=1, le=LARGEST_INTEGER, strict=True)]
Step = Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)]
Text = Annotated[str, StringConstraints(max_length=1_000_000)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def _no_number(value: object) -> object:
    """Seconds since some day, or a truth, would be read as a time."""
    if isinstance(value, int | float):
        raise ValueError("write the time as text, 2026-03-02T09:00:00Z")
    return value


def _is_none(value: object) -> bool:
    return value is None


Time = Annotated[
    AwareDatetime,
    Field(ge=datetime(1970, 1, 1, tzinfo=UTC), le=datetime(9000, 1, 1, tzinfo=UTC)),
    BeforeValidator(_no_number),
]


class Archived(Document):
    """Part of a file that may come from anywhere: every number is finite, every text can be stored."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=(), allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _can_be_stored(cls, value: Any) -> Any:
        refuse_what_no_database_takes(value)
        return value


def refuse_what_no_database_takes(value: Any) -> None:
    """Raise ValueError for a number that is not finite or does not fit a column, and for text with a NUL in it."""
    if isinstance(value, str) and "\0" in value:
        raise ValueError("text cannot hold a NUL character")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number has to be finite")
    if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        raise ValueError("a whole number of more than 63 bits cannot be stored")
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, (list, tuple)):
        for part in value:
            refuse_what_no_database_takes(part)


class ArchivedConfiguration(Archived):
    """One row of the study. Its place in the list is its place in the study."""

    id: RowNumber
    method: Name
    label: Name
    family: Family
    reference: StrictBool
    hyperparameters: dict[str, JsonValue]
    learning_rates: Annotated[list[Annotated[float, Field(gt=0, strict=True)]], Field(max_length=1_000)]
    learning_rate: Annotated[float, Field(gt=0, strict=True)] | None
    """The chosen one."""


class ArchivedAttempt(Archived):
    """One claim of a run by a worker."""

    attempt: Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
    worker: Name
    started_at: Time
    ended_at: Time | None
    resumed_from_step: Step | None
    outcome: Annotated[str, StringConstraints(max_length=10)] | None
    reason: Text | None


class ArchivedMeasurement(Archived):
    """One metric's value in one run; value None is missing, and `detail` says why."""

    metric: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    value: Measured | None
    detail: dict[str, JsonValue]

    @model_validator(mode="after")
    def _is_a_share_where_items_were_counted(self) -> "ArchivedMeasurement":
        items = self.detail.get("counted_items")
        if items is not None and not (isinstance(items, int) and items >= 1):
            raise ValueError("detail.counted_items is a whole number of items, at least one")
        if items is not None and self.value is not None and not 0 <= self.value <= 1:
            raise ValueError("a share of counted items lies between 0 and 1")
        return self


class ArchivedPredictions(Archived):
    """The test split item by item, in item order."""

    items: list[Annotated[int, Field(ge=0, le=LARGEST_INTEGER, strict=True)]]
    predicted: list[str]
    """Empty where the answers' texts would have made the file too large."""
    scores: list[Measured]


class ArchivedValidation(Archived):
    """What a reporting run scored on validation after a step, and the training seconds until then; None where it took
    steps together with other runs."""

    step: Step
    train_seconds: Measured | None
    score: Measured


class ArchivedRun(Archived):
    """One run with all that it measured; of its series, what the time to target is taken from.

    A list of them is in the order in which they were queued: a run stands behind the one that it was tried again for.
    """

    id: RowNumber
    configuration: RowNumber
    purpose: Purpose
    seed: Annotated[int, Field(ge=0, lt=2**32, strict=True)]
    learning_rate: Annotated[float, Field(gt=0, strict=True)] | None
    rung_steps: Annotated[int, Field(ge=1, le=2**31 - 1, strict=True)] | None = Field(default=None, exclude_if=_is_none)
    """Optimizer steps of a tuning run that was given a part of the budget; left out where it had all of it."""
    status: RunStatus
    reason: Text | None
    retry_of: RowNumber | None
    attempts: Annotated[list[ArchivedAttempt], Field(max_length=1_000)]
    step: Annotated[int, Field(ge=0, le=LARGEST_INTEGER, strict=True)]
    total_steps: Annotated[int, Field(ge=0, le=LARGEST_INTEGER, strict=True)] | None
    validation_score: Measured | None
    train_seconds: Measured | None
    environment: dict[str, JsonValue] | None
    spec: dict[str, JsonValue] | None
    """The RunSpec that its worker was given, without the folders of that machine."""
    source: Literal["measured", "imported"]
    origin: dict[str, JsonValue] | None
    created_at: Time
    started_at: Time | None
    ended_at: Time | None
    measurements: Annotated[list[ArchivedMeasurement], Field(max_length=1_000)]
    predictions: ArchivedPredictions | None
    validations: Annotated[list[ArchivedValidation], Field(max_length=10_000)]


class ArchiveSource(Archived):
    """Where and when a file was written: not part of what it says of the study."""

    study: RowNumber
    exported_at: Time
    product_version: Annotated[str, StringConstraints(max_length=100)]
    anchors_version: Annotated[str, StringConstraints(max_length=100)]


class StudyResults(Archived):
    """All that a study has measured, enough to make its cells again elsewhere."""

    format: Literal["peft-atlas-study/1"]
    exported: ArchiveSource
    base_model_sha256: Sha256 | Literal[""]
    """Empty where the files were on a hub that does not say their hashes."""
    base_model_source: HubSource | None
    task: dict[str, JsonValue]
    """A TaskSpec whose `dataset` is the bare name of the file or folder; of results that were imported from elsewhere,
    what is known of their task."""
    precision: Precision | None
    precision_probe: dict[str, JsonValue] | None
    created_at: Time
    created_by: Annotated[str, StringConstraints(max_length=200)]
    origin: dict[str, JsonValue] | None
    """Where the study's results had been imported from before; None: its runs were launched where it was exported."""
    configurations: Annotated[list[ArchivedConfiguration], Field(min_length=1, max_length=MOST_CONFIGURATIONS)]
    runs: Annotated[list[ArchivedRun], Field(max_length=MOST_RUNS)]
