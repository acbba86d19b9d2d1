"""What a run will cost."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue, model_validator

from app.schemas.document import Document, Name
from app.schemas.studies import StudyDocument
from peft_core.method import Family
from peft_core.spec import Budget, Precision

ByteCount = Annotated[int, Field(ge=1, le=2**60, strict=True)]


class EstimateRequest(Document):
    """One run whose cost is asked about. The base is one that a study could name, or any model's config.json."""

    base_model: Annotated[str, Field(min_length=1, max_length=4_096)] | None = None
    config: dict[str, JsonValue] | None = Field(default=None, alias="model_config")
    method: Name
    hyperparameters: dict[str, JsonValue] = {}
    budget: Budget = Budget(epochs=3)
    task_kind: Name = "classification"
    labels: int = Field(default=2, ge=1, le=1_000_000, strict=True)
    """Classes, or choices of an item; kinds of task without either do not read it."""
    train_items: Annotated[int, Field(ge=1, le=2**40, strict=True)] | None = None
    """Turns a budget in epochs into steps."""
    precision: Precision = "fp32"
    device: Literal["cpu", "cuda"] = "cpu"
    device_memory_bytes: ByteCount | None = None
    """None: nothing is said of whether the run fits."""

    @model_validator(mode="after")
    def _one_base(self) -> "EstimateRequest":
        if (self.base_model is None) == (self.config is None):
            raise ValueError("give the base in either base_model or model_config")
        return self


class EstimateView(Document):
    """POST estimates: every figure by a formula that `how` names, by the figure's own name."""

    trainable_parameters: int
    head_parameters: int
    stored_parameters: int
    storage_bytes: int
    load_peak_memory_bytes: int
    peak_memory_bytes: int
    flops_per_token: float
    flops_per_step: float
    total_steps: int | None
    """None: a budget in epochs, and the number of training items is not given."""
    train_seconds: float | None
    """None: no speed was measured on such a device, or the number of steps is not known."""
    fits: bool | None
    """None: no device memory was given."""
    verdict: str | None
    """Whether it fits, with numbers, and if it does not, what would."""
    how: dict[str, str]


class StudyEstimateRequest(Document):
    """A study that may be launched later, and the device its runs are thought on."""

    study: StudyDocument
    precision: Precision = "fp32"
    device: Literal["cpu", "cuda"] = "cpu"
    device_memory_bytes: ByteCount | None = None
    """None: nothing is said of whether a run fits."""


class FieldProblem(Document):
    """What launching would refuse, and the field of the study document that it is about."""

    field: str
    message: str


class RowEstimate(Document):
    """One row of the study to be. `field` is its place in the document: methods.0, references.2."""

    field: str
    method: str
    label: str
    family: Family
    reference: bool
    learning_rates: list[float]
    """Empty where nothing is tuned, or the number of steps is not known yet."""
    runs: int
    """As far as is known before the first rung: of the rates that it tries, half go on."""
    rung_steps: int | None = None
    """Of the first rung of its tuning; None: there is none, or the number of steps is not known yet."""
    tuning_trainings: float
    """What its tuning takes, in trainings of the whole budget."""
    grid_trainings: int
    """What it would take without a first rung."""
    trainings: float
    """Its tuning and its reporting runs, counted so."""
    estimate: EstimateView | None
    """None: the row cannot be run, as `problems` says, or its base model's architecture is not known."""


class StudyEstimate(Document):
    """POST estimates/study: every row's cost, what the study comes to, and all that launching would refuse."""

    rows: list[RowEstimate]
    runs: int
    fitting: int | None
    """Rows whose peak memory the device has; None: no device memory was given."""
    train_seconds: float | None
    """Of all tuning and reporting runs, one after the other; None where that of any row is not known."""
    tuning_trainings: float
    """Of all rows, as of each."""
    grid_trainings: int
    kept_bytes: int | None
    """Adapters of every reporting seed and the largest checkpoint; None: no row can be run."""
    task_kind: str
    train_items: int | None
    labels: int | None
    """Classes, or choices of an item; None: not known yet, and the estimate takes two."""
    problems: list[FieldProblem]
    how: dict[str, str]
