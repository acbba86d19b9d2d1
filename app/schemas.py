"""The documents of the HTTP API: what requests carry and answers hold.

Shared by the routers, which serve them, and by `app.client`, which reads them. Values are SI: seconds, bytes,
fractions 0..1. Missing is None. Times are UTC.
"""

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Discriminator, Field, JsonValue, Tag, model_validator

from peft_core.analysis.diagnosis import Symptom
from peft_core.method import Capabilities, Family, Paper
from peft_core.metric import Quantity
from peft_core.model_shape import Role
from peft_core.scenario import ConstraintName, Criterion
from peft_core.spec import Budget, Columns, Precision, Purpose, Splits
from peft_core.task import Column

T = TypeVar("T")

RunStatus = Literal["queued", "running", "succeeded", "failed", "cancelled"]
StudyStatus = RunStatus
SourceKind = Literal["measured", "imported", "estimated"]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class Document(BaseModel):
    """Base of every document: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class Page(Document, Generic[T]):
    """One page of a list; `next_cursor` None at its end."""

    items: list[T]
    next_cursor: str | None = None


# -- catalogues -------------------------------------------------------------------------------------------------------


class HyperparameterField(Document):
    """One field of a method's form. minimum/maximum are valid bounds; `recommended` is a hint."""

    name: str
    title: str
    type: Literal["integer", "number", "string", "boolean"]
    default: JsonValue
    minimum: float | None = None
    maximum: float | None = None
    choices: list[str] | None = None
    recommended: tuple[float, float] | None = None
    effect: str


class MethodCard(Document):
    """What the catalogue knows of a method. `not_offered` is the reason it cannot serve the model and task asked
    about (GET methods?base_model=&task=), else None."""

    name: str
    title: str
    family: Family
    summary: str
    trains: str
    paper: Paper | None
    reference: bool
    place: int
    """Order in lists: references first, then the best known."""
    learning_rates: list[float]
    """The default grid (5 points) for the model and budget asked about; empty where nothing is tuned."""
    learning_rate_source: str | None
    hyperparameters: list[HyperparameterField]
    capabilities: Capabilities
    trainable_parameters: int | None
    """By the method's formula at default hyper-parameters for the model asked about (source: estimated)."""
    not_offered: str | None = None


class PresetEntry(Document):
    """A row that a preset names. `not_offered` is the reason the base model or task asked about cannot have it."""

    method: str
    hyperparameters: dict[str, JsonValue]
    label: str
    not_offered: str | None = None


class PresetCard(Document):
    """A named choice of rows that answers one question."""

    key: str
    title: str
    summary: str
    entries: list[PresetEntry]


class MetricCard(Document):
    key: str
    title: str
    quantity: Quantity
    unit: str
    better: Literal["higher", "lower"]
    meaning: str
    how: str
    purposes: list[Purpose]
    exact: bool
    in_heatmap: bool = True
    """False: in tables and constraints only, no heatmap column or radar axis."""


class TaskCard(Document):
    """A registered task, e.g. tweets."""

    name: str
    title: str
    kind: str
    dataset: str
    text: str
    label: str | None
    pair: str | None = None
    choices: tuple[str, ...] = ()
    group: str | None = None
    labels: list[str]
    splits: Splits
    metric: str
    """The headline score, as it heads a column."""
    source: str
    licence: str
    citation: str | None = None
    """What its authors ask to be cited."""


class TaskKindCard(Document):
    """A kind of task a dataset of one's own may be: the columns it reads and how it is scored."""

    name: str
    title: str
    metric: str
    better: Literal["higher", "lower"]
    meaning: str
    columns: list[Column]


class ScenarioCard(Document):
    key: str
    title: str
    summary: str
    weights: dict[Criterion, float]
    constraint: ConstraintName
    constraint_default: float | None
    textbook_pick: str


class BaseModelCard(Document):
    """A base model a study can name."""

    name: str
    title: str
    """What it is, in words; of a folder of one's own, its name."""
    path: str
    model_type: str
    parameters: int
    hidden_size: int
    layers: int
    source: str
    licence: str | None = None
    """None: not known, of a folder of one's own."""


class WorkerView(Document):
    """A worker process and its device. alive: its heartbeat is younger than 15 s on the database's clock."""

    id: int
    name: str
    device: str
    device_info: dict[str, JsonValue]
    alive: bool
    started_at: datetime
    heartbeat_at: datetime
    seconds_since_heartbeat: float
    run_id: int | None


# -- studies ----------------------------------------------------------------------------------------------------------


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


Priority = Annotated[int, Field(ge=-10, le=10)]


MOST_ROWS = 100
MOST_LEARNING_RATES = 20
Rate = Annotated[float, Field(gt=0, le=10)]


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
    seeds: int | list[int] = 5
    methods: list[MethodEntry] = Field(min_length=1, max_length=MOST_ROWS)
    references: list[str] = ["untuned", "head_only", "full"]
    device: Literal["cpu", "cuda"] | None = None
    """The kind of device its runs need; None: whichever a worker has."""
    priority: Priority = 0
    """Studies of a higher priority go first."""
    grid_points: Literal[1, 3, 5] = 5
    """Learning rates tried per tuned method that names none of its own."""
    metrics: list[str] | None = None
    """None: every metric of the catalogue."""


class RunCounts(Document):
    queued: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0


NumberQuantity = Quantity | Literal["ratio", "points", "probability", "score", "learning_rate", "p_value", "series"]


class Number(Document):
    """A number that a page may show, with what it takes to compute it again.

    statistic: how `value` follows from the measurements of `metric` in `run_ids` (and `reference_run_ids`):
    mean, half_width, lo, hi, value, count, normalised, difference (mean - reference mean), ratio (mean / reference
    mean), p_best, score, rank_lo, rank_hi, p_value, formula. formula: the name of the formula where one is used.
    at_step, median_of_steps: of the run's series called `metric`, at the step or over the first and last of `steps`.
    """

    value: float
    quantity: NumberQuantity
    statistic: str
    metric: str | None = None
    source: SourceKind = "measured"
    run_ids: list[int] = []
    reference_run_ids: list[int] = []
    formula: str | None = None
    steps: list[int] = []


class Part(Document):
    """A piece of a sentence: plain words, the name of a configuration (`label`), or a number."""

    text: str | None = None
    label: str | None = None
    number: Number | None = None


Sentence = list[Part]


class StudyView(Document):
    """A study in lists and heads of pages. `document` has every default filled in."""

    id: int
    name: str
    status: StudyStatus
    document: StudyDocument
    task_kind: str
    metric: str
    splits: Splits
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


class StudyPatch(Document):
    """What can be changed of a study; what is left out stays."""

    name: Name | None = None
    priority: Priority | None = None


class StudyExtension(Document):
    """Body of POST studies/{id}/extend: what the study is to have besides. What it has already is not run again."""

    methods: list[MethodEntry] = Field(default=[], max_length=MOST_ROWS)
    seeds: int | list[int] | None = None
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


class ConfigurationView(Document):
    """One row of a comparison: a method with its hyper-parameters and how its learning rate was chosen."""

    id: int
    method: str
    label: str
    family: Family
    reference: bool
    hyperparameters: dict[str, JsonValue]
    learning_rates: list[float]
    tuning: list["TuningPoint"]
    learning_rate: float | None
    """The chosen one; None before tuning has ended or where nothing is trained."""
    grid_edge: bool
    """The best learning rate lies at the edge of its grid: "grid too narrow"."""
    learned: bool | None
    """False: the whole grid stays within one standard error of untuned on validation. None: not known yet."""
    tuning_ease: float | None = None
    """Decades of learning rates around the best one that score within a point of it: a part of simplicity. None: the
    grid is not complete, or has fewer than five points."""


class TuningPoint(Document):
    learning_rate: float
    run_id: int
    status: RunStatus
    validation_score: float | None


class Cell(Document):
    """One metric of one configuration over seeds.

    interval: 95% t-interval over seeds, None at n < 2 and where the metric is exact. normalised: fixed-anchor score
    0..1 or None where undefined. missing: why there is no value. at_least: what a missing mean is known to be larger
    than, from `run_ids` (a target that some run did not reach). source None only where neither is known.
    """

    configuration: int
    method: str
    metric: str
    unit: str
    better: Literal["higher", "lower"]
    mean: float | None
    interval: tuple[float, float] | None
    n: int
    values: list[float]
    normalised: float | None
    source: SourceKind | None
    failures: int
    run_ids: list[int]
    missing: str | None = None
    at_least: float | None = None


class Difference(Document):
    """A configuration's quality minus full fine-tuning's. interval: 95%. corrected: at the level Holm used for this
    pair. verdict "tie" exactly when `corrected` covers 0: no difference shown, not equality."""

    configuration: int
    value: float
    quantity: Quantity | Literal["points"] = "points"
    """Percentage points where the score is a share, else the score's own unit."""
    interval: tuple[float, float]
    corrected: tuple[float, float]
    p_value: float
    verdict: Literal["better", "tie", "worse"]
    covers: str
    """What the interval covers: "seeds and test items" or "test items of these two trained models"."""
    run_ids: list[int]
    reference_run_ids: list[int]


class Comparison(Document):
    """GET studies/{id}/comparison."""

    study: int
    status: StudyStatus
    anchors_version: str
    reference: int | None
    """The configuration the scores and differences refer to: full fine-tuning where it was measured."""
    flags: list[str]
    verdict: Sentence
    configurations: list[ConfigurationView]
    metrics: list[MetricCard]
    cells: list[Cell]
    differences: list[Difference]


# -- runs -------------------------------------------------------------------------------------------------------------


class AttemptView(Document):
    attempt: int
    worker: str
    started_at: datetime
    ended_at: datetime | None
    resumed_from_step: int | None
    outcome: str | None
    """succeeded, failed, cancelled, lost (its worker fell silent), returned (its worker stopped in order)."""
    reason: str | None


class RunView(Document):
    """A run in lists. step of total_steps: optimizer steps, bytes while its phase is "downloading". eta_seconds: from
    the run's own pace, estimated."""

    id: int
    study_id: int
    study_name: str
    configuration: int
    method: str
    label: str
    family: Family
    seed: int
    purpose: Purpose
    learning_rate: float | None
    status: RunStatus
    phase: str | None
    step: int
    total_steps: int | None
    eta_seconds: float | None
    attempt: int
    retry_of: int | None
    reason: str | None
    """Why it failed or was cancelled, with what to do."""
    worker: str | None
    cancel_requested: bool
    stalled: bool
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    updated_at: datetime


class MeasurementView(Document):
    metric: str
    value: float | None
    detail: dict[str, JsonValue]


class ArtifactView(Document):
    id: int
    path: str
    size_bytes: int
    sha256: str


class RunDetail(RunView):
    task_kind: str
    spec: dict[str, Any] | None
    """The RunSpec the worker was given, None before the first claim."""
    validation_score: float | None
    train_seconds: float | None
    environment: dict[str, JsonValue] | None
    measurements: list[MeasurementView]
    artifacts: list[ArtifactView]
    attempts: list[AttemptView]
    series: list[str]
    """The keys for GET runs/{id}/series."""


class SeriesPoint(Document):
    step: int
    value: float | None


class StreamedPoint(Document):
    """One value of one series, as events of a run tell it."""

    key: str
    step: int
    value: float | None


class Series(Document):
    key: str
    points: list[SeriesPoint]
    total: int
    """Points stored; fewer are returned where `max_points` asked for fewer."""


class PredictionsView(Document):
    """The test split item by item, in item order; `scores` are each item's contribution to the headline score."""

    items: list[int]
    predicted: list[str]
    scores: list[float]


class SpectrumLayer(Document):
    """A linear layer that a run has changed. relative_change: of its weights' Frobenius norm. rank_90, rank_99: the
    fewest singular directions that hold 90 and 99 % of the update's energy."""

    layer: str
    role: Role
    relative_change: float
    rank_90: int
    rank_99: int


class LayerSpectrum(SpectrumLayer):
    """One layer's update in full. The r-th entry of each list is of the first r singular directions: the r-th singular
    value, the energy they hold, and the relative Frobenius error of keeping no more than them. Values below
    `rounding_floor` are rounding and are left out."""

    d_in: int
    d_out: int
    rounding_floor: float
    singular_values: list[float]
    cumulative_energy: list[float]
    approximation_error: list[float]


class SpectrumView(Document):
    """GET runs/{id}/spectrum. shown: the layer asked for, else the most changed one. missing: why there is none."""

    run_id: int
    looked_at: str
    """Which of the model's layers were decomposed, in words."""
    unchanged: int
    """Linear layers looked at that the run left exactly as they were."""
    seconds: float
    missing: str | None
    layers: list[SpectrumLayer]
    shown: LayerSpectrum | None


class DiagnosisView(Document):
    """GET runs/{id}/diagnosis. symptom None: none of the four was found, and every list is empty. learned: whether it
    beats the untuned model on validation; None where that is not known (yet)."""

    run_id: int
    status: RunStatus
    learned: bool | None
    symptom: Symptom | None
    evidence: list[Sentence]
    causes: list[str]
    fixes: list[str]
    prevention: list[str]


class LogLine(Document):
    id: int
    at: datetime
    message: str


# -- estimates --------------------------------------------------------------------------------------------------------

ByteCount = Annotated[int, Field(ge=1, le=2**60)]


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


# -- recommendations --------------------------------------------------------------------------------------------------


class RecommendationRequest(Document):
    """A scenario or weights of one's own, constraints, and the study that is the evidence."""

    study: Annotated[int, Field(ge=1, le=2**63 - 1)]
    scenario: str | None = None
    weights: dict[Criterion, Annotated[float, Field(ge=0, le=1)]] | None = None
    constraints: dict[ConstraintName, Annotated[float, Field(ge=0)]] = {}
    quality_floor: Annotated[float, Field(ge=0, le=1)] = 0.95
    """Share of full fine-tuning's gain over untuned that a method must keep."""


class RankedCandidate(Document):
    configuration: int
    label: str
    family: Family
    on_front: bool
    score: Number
    p_best: Number
    p_top2: Number
    rank_interval: tuple[int, int]
    values: dict[str, Number]
    """Raw means by metric key."""


class Vetoed(Document):
    configuration: int
    label: str
    family: Family
    reason: Sentence


class Change(Document):
    """One edit of the question and the pick it would give."""

    change: Sentence
    pick: str
    p_best: Number


class Recommendation(Document):
    """POST recommendations. verdict None: not enough evidence, and `reason` says what to run next."""

    study: int
    scenario: str | None
    verdict: Literal["clear", "lean", "no clear winner", "not enough evidence"]
    pick: int | None
    picks: list[int]
    """One configuration, or the two of "no clear winner"."""
    headline: str
    reason: Sentence
    ranked: list[RankedCandidate]
    vetoed: list[Vetoed]
    left_out: list[Vetoed]
    """Not ranked for want of a measurement."""
    dropped_criteria: dict[Criterion, str]
    """Criteria that could not be used, with the reason; their weight went to the others."""
    weights: dict[Criterion, float]
    """As used, rescaled to sum to 1."""
    changes: list[Change]
    textbook_pick: str | None
    draws: int
    seed: int
