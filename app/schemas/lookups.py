"""A case that may not have been measured, and what the studies there are say of it."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue, model_validator

from app.schemas.document import Document, Name
from app.schemas.numbers import Number, Sentence
from peft_core import model_shape
from peft_core.method import Family
from peft_core.scenario import ConstraintName, Criterion
from peft_core.spec import Budget, Precision

Device = Literal["cpu", "cuda"]
Architecture = model_shape.Architecture


class LookupRequest(Document):
    """A case: a base model, the kind and size of its task, and the device. POST recommendations asks about a study.

    The base is one that a study could name, any model's config.json, or an architecture family with a number of
    parameters; the last gives ratios and sizes only. Neither scenario nor weights: nothing is ranked.
    """

    base_model: Annotated[str, Field(min_length=1, max_length=4_096)] | None = None
    config: dict[str, JsonValue] | None = Field(default=None, alias="model_config")
    architecture: Architecture | None = None
    parameters: Annotated[int, Field(ge=1_000, le=10**14, strict=True)] | None = None
    task_kind: Name = "classification"
    train_items: Annotated[int, Field(ge=1, le=2**40, strict=True)]
    labels: int = Field(default=2, ge=1, le=1_000_000, strict=True)
    budget: Budget = Budget(epochs=3)
    """`max_length` is the case's length; the rest is for what training would take."""
    device: Device = "cpu"
    precision: Precision = "fp32"
    scenario: str | None = None
    weights: dict[Criterion, Annotated[float, Field(ge=0, le=1, strict=True)]] | None = None
    constraints: dict[ConstraintName, Annotated[float, Field(ge=0, strict=True)]] = {}
    quality_floor: Annotated[float, Field(ge=0, le=1, strict=True)] = 0.95
    """Share of full fine-tuning's gain over untuned that a method must keep."""

    @model_validator(mode="after")
    def _one_base(self) -> "LookupRequest":
        ways = [self.base_model is not None, self.config is not None, self.architecture is not None]
        if sum(ways) != 1:
            raise ValueError("give the base in one of base_model, model_config, or architecture with parameters")
        if (self.architecture is None) != (self.parameters is None):
            raise ValueError("architecture and parameters go together: give both")
        return self


class LookupCase(Document):
    architecture: Architecture
    task_kind: str
    device: Device | None
    parameters: float
    train_items: float
    max_length: float


class NearStudy(Document):
    """A study that an answer comes from. distance: 1 is a factor of three in the number of parameters or of training
    items, or another class of device; a factor of three in length is 0.71."""

    study: int
    name: str
    distance: Number
    case: LookupCase


class OutsideView(Document):
    """A size that is more than three times outside what was measured, from `lo` to `hi`."""

    dimension: Literal["parameters", "train_items", "length"]
    asked: float
    lo: float
    hi: float


class LookupFigure(Document):
    """One metric of one configuration in this case.

    scale: what `value` is, with its 95 % interval: a ratio to full fine-tuning, a share of its gain (quality), or the
    metric itself. interval None: with fewer than two studies nothing is known of how far it carries. absolute: in the
    metric's own unit, where full fine-tuning's is known: measured, or by the cost model times the ratio.
    """

    scale: Literal["ratio", "share of gain", "value"]
    value: Number
    interval: tuple[Number, Number] | None
    absolute: Number | None
    absolute_interval: tuple[Number, Number] | None


class LookupRow(Document):
    """A method with its hyper-parameters. figures by metric key, and train_seconds. ruled_out: why it is no choice."""

    method: str
    label: str
    family: Family
    hyperparameters: dict[str, JsonValue]
    studies: list[int]
    configurations: list[int]
    """The measured rows that it comes from."""
    figures: dict[str, LookupFigure]
    score: Number | None = None
    p_best: Number | None = None
    ruled_out: Sentence | None = None


class RunNext(Document):
    """The study that would answer, in the words of the study document: what New study is to be filled in with."""

    base_model: str | None
    task_kind: str
    train_items: int
    budget: Budget
    device: Device
    methods: list[str]
    references: list[str]


class UnusedStudy(Document):
    study: int
    name: str
    reason: str


class Lookup(Document):
    """POST lookups.

    basis: "measured" where a study has this very case, "estimated" where the nearest three speak for it, "refused"
    where none can; `label` says so in words, and `run_next` what would. verdict: an estimate is never "clear".
    """

    basis: Literal["measured", "estimated", "refused"]
    label: Sentence
    case: LookupCase
    nearest: list[NearStudy]
    matching: int
    """How many studies have this architecture family and kind of task."""
    outside: list[OutsideView]
    rows: list[LookupRow]
    """By score where something was ranked, what is ruled out last."""
    verdict: Literal["clear", "lean", "no clear winner", "not enough evidence"] | None = None
    """None: neither a scenario nor weights were given."""
    picks: list[str] = []
    weights: dict[Criterion, float] = {}
    dropped_criteria: dict[Criterion, str] = {}
    unchecked: list[ConstraintName] = []
    """Constraints that nothing here can be held against."""
    how: dict[str, str] = {}
    """What full fine-tuning's own figures come from, by metric."""
    run_next: RunNext | None = None
    unused: list[UnusedStudy] = []
    """Studies that cannot speak for any case, and why."""
