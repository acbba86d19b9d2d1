"""Studies: the document that makes one, and how one is shown and changed."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Discriminator, Field, JsonValue, Tag

from app.schemas.document import Document, Name, StudyStatus
from app.schemas.imports import ArchiveOrigin, StudyOrigin
from app.schemas.numbers import Sentence
from app.schemas.reviews import ApprovalView
from app.schemas.study_archives import StudyResults
from peft_core.spec import Budget, Columns, Precision, Splits


class TaskEntry(Document):
    """A dataset: a file or folder under an allowed root or a hub's org/name, the kind of task, the columns it reads."""

    dataset: Annotated[str, Field(min_length=1, max_length=4_096)]
    folder: Annotated[str, Field(max_length=4_096)] | None = None
    """Which folder of the dataset is read; None: the only one that has data."""
    kind: str = "classification"
    text: Name
    label: Name | None = None
    pair: Name | None = None
    choices: Annotated[tuple[Name, ...], Field(max_length=26)] = ()
    group: Name | None = None
    splits: Splits | None = None

    def columns(self) -> Columns:
        return Columns(text=self.text, label=self.label, pair=self.pair, choices=self.choices, group=self.group)


def _task_form(task: object) -> str:
    return "[name]" if isinstance(task, str) else "[dataset]"


TaskChoice = Annotated[
    Annotated[str, Tag("[name]")] | Annotated[TaskEntry, Tag("[dataset]")],
    Discriminator(_task_form),
]
"""A registered task's name, or a dataset: told apart before either is read, so that errors name its own fields."""


Priority = Annotated[int, Field(ge=-10, le=10, strict=True)]


MOST_ROWS = 100
MOST_LEARNING_RATES = 20
Seed = Annotated[int, Field(strict=True)]
"""Neither a text nor true, which would be 1."""
Rate = Annotated[float, Field(gt=0, le=10, strict=True)]


Tuning = Literal["grid", "halving"]
"""grid: every learning rate is tried with the whole budget. halving: with a part of it first, and the better half of
them, rounded down, with all of it; rows of fewer than four learning rates have no first rung."""
LEAST_RATES_HALVED = 4
"""Of fewer, one alone would go on: chosen by a part of the budget, with nothing beside it that had the whole. Of five
rates that loses 3.1 points on validation, two of them 0.7 (docs/benchmarks/halving.md)."""


class MethodEntry(Document):
    method: str
    hyperparameters: dict[str, JsonValue] = {}
    learning_rates: list[Rate] | None = Field(default=None, min_length=1, max_length=MOST_LEARNING_RATES)
    """None: the method's own grid. One value: no tuning runs."""


class StudyDocument(Document):
    """What a study compares; the body of POST studies, the YAML of `peft-atlas study run`, and its export."""

    name: Name
    base_model: Annotated[str, Field(min_length=1, max_length=4_096)] = "minilm"
    task: TaskChoice = "tweets"
    budget: Budget = Budget(epochs=3)
    seeds: Seed | list[Seed] = 5
    methods: list[MethodEntry] = Field(min_length=1, max_length=MOST_ROWS)
    references: list[str] = ["untuned", "head_only", "full"]
    device: Literal["cpu", "cuda"] | None = None
    """The kind of device its runs need; None: whichever a worker has."""
    priority: Priority = 0
    """Studies of a higher priority go first."""
    grid_points: Literal[1, 3, 5] = 5
    """Learning rates tried per tuned method that names none of its own."""
    tuning: Tuning = "grid"
    metrics: list[str] | None = None
    """None: every metric of the catalogue."""
    results: StudyResults | None = None
    """What an exported study has measured: POST imports/study reads it, and launching the document ignores it."""


class RunCounts(Document):
    queued: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0


class StudyView(Document):
    """A study in lists and heads of pages. `document` has every default filled in."""

    id: int
    name: str
    status: StudyStatus
    document: StudyDocument
    task_kind: str
    metric: str
    splits: Splits | None
    """None: not known, of imported results."""
    warnings: list[str] = []
    """What splits of this size cannot tell, a sentence each."""
    precision: Precision | None
    counts: RunCounts
    failures: int
    created_at: datetime
    created_by: str
    updated_at: datetime
    finding: Sentence
    """What it shows so far, in one sentence."""
    origin: Annotated[StudyOrigin | ArchiveOrigin, Field(discriminator="kind")] | None = None
    """Where its results were imported from; None where it was launched here."""
    tags: list[str] = []
    comments: int = 0
    approval: ApprovalView | None = None
    """The newest approval or withdrawal; None where nobody ever approved it."""


class StudyPatch(Document):
    """What can be changed of a study; what is left out stays."""

    name: Name | None = None
    priority: Priority | None = None


class StudyExtension(Document):
    """Body of POST studies/{id}/extend: what the study is to have besides. What it has already is not run again."""

    methods: list[MethodEntry] = Field(default=[], max_length=MOST_ROWS)
    seeds: Seed | list[Seed] | None = None
    """A number n stands for 0..n-1."""
    learning_rates: dict[int, Annotated[list[Rate], Field(min_length=1, max_length=MOST_LEARNING_RATES)]] = Field(
        default={}, max_length=MOST_ROWS
    )
    """Configuration id -> learning rates to try beside those of its grid; its choice among them is open again."""


class Reused(Document):
    """Something that an extension asks for and the study has already. configuration None: all its rows have it."""

    what: Literal["method", "seeds", "learning_rates"]
    configuration: int | None = None
    sentence: str


class Added(Document):
    """What an extension came to: the ids of new rows and of the runs that were queued, and what was there already."""

    configurations: list[int] = []
    run_ids: list[int] = []
    reused: list[Reused] = []


class ExtensionView(Added):
    """POST studies/{id}/extend."""

    study: StudyView
