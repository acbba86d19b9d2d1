"""All that crosses the boundary between the product and a run: what to do, what happens, what came out.

Everything here is plain data (JSON in, JSON out) and imports nothing that trains.
"""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, model_validator

Purpose = Literal["tune", "report", "probe"]
"""tune: validation quality at one learning rate. report: test quality at the chosen one. probe: cost, alone."""

Precision = Literal["fp32", "bf16"]


def _finite_or_missing(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


FiniteOrMissing = Annotated[float | None, BeforeValidator(_finite_or_missing)]
"""A measured value: what is no number was not measured."""


UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def storable(value: object) -> object:
    """Plain data in which U+FFFD stands for each character that a database refuses: NUL, half of a surrogate pair.

    A run's words come from anywhere: a library's message, a label, a file's name.
    """
    if isinstance(value, str):
        return UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {storable(key): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    return value


Storable = BeforeValidator(storable)
Text = Annotated[str, Storable]
Key = Annotated[str, Storable, Field(max_length=100)]
Step = Annotated[int, Field(ge=0, le=2**31 - 1)]
"""As large as a column holds: what is larger is refused where it is told, in the run's own process."""
Count = Annotated[int, Field(ge=0, le=2**63 - 1)]


class Frozen(BaseModel):
    """Plain data: immutable, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Budget(Frozen):
    """How much training every method of a study gets: `epochs` or `steps`, never both."""

    epochs: int | None = Field(default=None, ge=1, le=1_000, strict=True)
    steps: int | None = Field(default=None, ge=1, le=10_000_000, strict=True)
    batch_size: int = Field(default=8, ge=1, le=4_096, strict=True)
    """Items of one optimizer step, whatever `accumulation` is."""
    max_length: int = Field(default=64, ge=4, le=131_072, strict=True)
    accumulation: int = Field(default=1, ge=1, le=4_096, strict=True)
    """A batch is worked off in this many parts, which take less memory and give the same gradient."""
    gradient_checkpointing: bool = False
    """Activations are computed again on the way back instead of kept: less memory for about a third more time."""
    evaluations: int = Field(default=4, ge=1, le=1_000, strict=True)
    """How often a run is validated, evenly spread, the last time at its end. Probes are not."""
    patience: int | None = Field(default=None, ge=1, le=1_000, strict=True)
    """To convergence: training ends after so many evaluations without a better one, and the best weights are kept.
    None: equal steps for every method."""

    @model_validator(mode="after")
    def _consistent(self) -> "Budget":
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("give the budget in either epochs or steps")
        if self.accumulation > self.batch_size:
            raise ValueError(f"accumulation is {self.accumulation}: at most the batch size, {self.batch_size}")
        if self.patience is not None and self.patience >= self.evaluations:
            raise ValueError(
                f"patience is {self.patience}: it must be smaller than evaluations ({self.evaluations}) to end anything"
            )
        return self

    def total_steps(self, train_items: int) -> int:
        """Optimizer steps for `train_items` items; the last batch of an epoch may be smaller."""
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None
        return self.epochs * -(-train_items // self.batch_size)

    def evaluation_steps(self, total_steps: int) -> frozenset[int]:
        """The steps after which a run is validated; the last one is always among them."""
        return frozenset(max(1, round(total_steps * (k + 1) / self.evaluations)) for k in range(self.evaluations))


class Splits(Frozen):
    """Items of each split, drawn stratified with `seed` after removing duplicates."""

    train: int = Field(ge=1, strict=True)
    validation: int = Field(ge=1, strict=True)
    test: int = Field(ge=1, strict=True)
    seed: int = Field(default=0, ge=0, lt=2**32, strict=True)


class HubSource(Frozen):
    """Where files come from: a repository of a model hub at one commit, which never changes."""

    kind: Literal["model", "dataset"]
    repository: str
    commit: str = Field(pattern=r"^[0-9a-f]{40}$")
    folder: str = ""
    """The folder in the repository whose files are read."""

    def __str__(self) -> str:
        return f"{self.repository}@{self.commit}"


class TaskSpec(Frozen):
    """A task of one study: a dataset file, how to read it and how to split it."""

    name: str
    kind: str
    dataset: Path
    dataset_sha256: str
    source: HubSource | None = None
    """Where `dataset` is downloaded from where it is missing; None: it is a file of one's own."""
    text: str
    label: str | None
    """None only for kinds that learn from the text itself (language modelling)."""
    pair: str | None = None
    """Column of the second text."""
    choices: tuple[str, ...] = ()
    """Columns of the answers to choose from."""
    group: str | None = None
    """Column whose equal values stay together in one split (one patient's notes, one author's posts)."""
    labels: tuple[str, ...]
    """The classes, in the order of the head's outputs; empty where the kind has none."""
    splits: Splits
    facts: dict[str, float] = {}
    """What answering needs to know of the training split, by the kind of task; filled in by the run."""

    @property
    def columns(self) -> "Columns":
        return Columns(text=self.text, label=self.label, pair=self.pair, choices=self.choices, group=self.group)


class Columns(Frozen):
    """Which columns of a dataset a task reads, and as what."""

    text: str
    label: str | None = None
    pair: str | None = None
    choices: tuple[str, ...] = ()
    group: str | None = None

    def names(self) -> tuple[str, ...]:
        """Every column that is read, each once."""
        named = (self.text, self.label, self.pair, *self.choices, self.group)
        return tuple(dict.fromkeys(name for name in named if name is not None))


class RunSpec(Frozen):
    """One training and measurement of one configuration with one seed."""

    run_id: int
    purpose: Purpose
    base_model: Path
    base_model_sha256: str
    base_model_source: HubSource | None = None
    """Where `base_model` is downloaded from where it is missing; None: it is a folder of one's own."""
    task: TaskSpec
    method: str
    hyperparameters: dict[str, JsonValue] = {}
    learning_rate: float | None = None
    """None only for a method that trains nothing."""
    seed: int = Field(ge=0, lt=2**32)
    budget: Budget
    precision: Precision | None = None
    """None: the run probes fp32 against bf16 first, reports `PrecisionChosen`, and uses the answer."""
    metrics: tuple[str, ...]
    folder: Path
    """Where the run writes its adapter; made by the run."""
    checkpoint_seconds: float | None = Field(default=None, ge=0)
    """A checkpoint in `folder` at least this far apart; a run that finds one there goes on from it. None: none."""
    checkpoint_steps: int | None = Field(default=None, ge=1)
    """A checkpoint after every so many steps as well."""


class Progress(Frozen):
    """Where the run is. `step` of `total_steps` counts optimizer steps of the phase, while downloading bytes."""

    event: Literal["progress"] = "progress"
    phase: Literal["downloading", "loading", "training", "evaluating", "measuring"]
    step: Count
    total_steps: Count


class Point(Frozen):
    """One value of a series, e.g. `train_loss` at a step. A value that is not finite is None."""

    event: Literal["point"] = "point"
    key: Key
    step: Step
    value: FiniteOrMissing


class Resumed(Frozen):
    """Training begins after this step: 0 afresh, more from a checkpoint. What was told of later steps is void; what
    was reached before is told again."""

    event: Literal["resumed"] = "resumed"
    step: Step


class Log(Frozen):
    """One line for the run's log."""

    event: Literal["log"] = "log"
    message: Text


class PrecisionChosen(Frozen):
    """The answer of the precision probe: bf16 only where it is faster and finite."""

    event: Literal["precision"] = "precision"
    precision: Precision
    fp32_step_seconds: float
    bf16_step_seconds: float | None
    """None where bf16 could not run or was not finite."""


class Measurement(Frozen):
    """One metric's value in one run. `value` None is missing; `detail` says how or why."""

    event: Literal["measurement"] = "measurement"
    metric: Key
    value: FiniteOrMissing
    detail: Annotated[dict[str, JsonValue], Storable] = {}


class Predictions(Frozen):
    """The test split, item by item: `score` is the item's contribution to the task's headline metric."""

    event: Literal["predictions"] = "predictions"
    items: tuple[int, ...]
    predicted: tuple[Text, ...]
    scores: tuple[float, ...]


Event = Annotated[
    Progress | Resumed | Point | Log | PrecisionChosen | Measurement | Predictions, Field(discriminator="event")
]
OnEvent = Callable[[Progress | Resumed | Point | Log | PrecisionChosen | Measurement | Predictions], None]
Pause = Callable[[], bool]
"""Whether a run should write a checkpoint and stop for now; asked after every step."""


class Artifact(Frozen):
    """A file the run leaves in its folder. `path` is relative to the folder."""

    path: Annotated[str, Field(max_length=500)]
    size_bytes: Count
    sha256: str


class RunResult(Frozen):
    """How a run ended well. `validation_score` is the task's headline metric on the validation split."""

    validation_score: FiniteOrMissing
    train_seconds: FiniteOrMissing
    artifacts: tuple[Artifact, ...]
    environment: Annotated[dict[str, JsonValue], Storable]
