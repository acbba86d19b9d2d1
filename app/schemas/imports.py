"""Results that were taken elsewhere: what an import came to, and what a run trained elsewhere is told by."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, JsonValue

from app.schemas.document import Document, Name
from peft_core.spec import FiniteOrMissing

LARGEST_RESULT_BYTES = 1_000_000
"""Of one published result; the largest one that is published has 78 kB."""
MOST_RUNS_A_BATCH = 200
MOST_POINTS_A_BATCH = 5_000
LARGEST_STEP = 2**31 - 1


class StudyOrigin(Document):
    """Where a study's results were imported from. What the files do not say is None."""

    kind: Literal["hf-peft"] = "hf-peft"
    suite: str
    """The folder of the suite, e.g. MetaMathQA."""
    label: str = "imported, single seed"
    base_model: str | None = None
    steps: int | None = None
    batch_size: int | None = None
    max_length: int | None = None
    test_items: int | None = None
    """Over how many items the score is a counted share."""


class ArchiveOrigin(Document):
    """The exported study that a study was made from: whose file it was, and what its content hashes to."""

    kind: Literal["study"]
    suite: str
    """The task."""
    label: str
    base_model: str
    steps: int | None
    batch_size: int
    max_length: int
    test_items: int | None
    sha256: str
    format: str
    study: int
    """Its number where it was exported."""
    exported_at: datetime
    product_version: str
    anchors_version: str
    created_at: datetime
    created_by: str
    origin: dict[str, JsonValue] | None
    """Where its results had been imported from before it was exported."""


class RefusedFile(Document):
    """A file that was not imported, and why."""

    file: str
    reason: str


class ImportReport(Document):
    """POST imports/hf-peft: what became of every file. A file whose experiment the study has already, with the same
    content, is unchanged."""

    imported: int
    unchanged: int
    refused: list[RefusedFile]
    study_ids: list[int]
    """The studies that the files belong to, the new ones and the old."""


class RunElsewhere(Document):
    """A run that was trained elsewhere: of a configuration of the study, or of a method with its hyper-parameters.

    metrics: by key, in SI units and fractions. item_scores: each test item's score, in the order of the study's test
    split; their mean is the task performance. environment: what is to be compared with other runs, under the names that
    runs use themselves: device_name, driver, precision, torch, transformers, peft, steps, tokens, decoding,
    dataset_revision.
    """

    configuration: Annotated[int, Field(ge=1, le=2**63 - 1)] | None = None
    method: Name | None = None
    hyperparameters: dict[str, JsonValue] = {}
    learning_rate: Annotated[float, Field(gt=0, le=10)] | None = None
    seed: Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)]
    metrics: Annotated[dict[str, FiniteFloat], Field(max_length=100)] = {}
    item_scores: Annotated[list[FiniteFloat], Field(min_length=1, max_length=100_000)] | None = None
    environment: dict[str, JsonValue] = {}
    train_seconds: Annotated[FiniteFloat, Field(ge=0)] | None = None
    started_at: datetime | None = None


class RunsElsewhere(Document):
    """Body of POST studies/{id}/runs: all are taken, or none."""

    items: list[RunElsewhere] = Field(min_length=1, max_length=MOST_RUNS_A_BATCH)


class GivenPoint(Document):
    """One value of one series; given again, it replaces itself."""

    key: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_.:-]+$")]
    step: Annotated[int, Field(ge=0, le=LARGEST_STEP, strict=True)]
    value: FiniteOrMissing


class GivenPoints(Document):
    """Body of POST runs/{id}/points."""

    items: list[GivenPoint] = Field(min_length=1, max_length=MOST_POINTS_A_BATCH)


class PointsWritten(Document):
    """How many values the run's series were given."""

    written: int
