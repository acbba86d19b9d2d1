"""What can be chosen: methods, presets, metrics, tasks, scenarios, base models, and the workers there are."""

from datetime import datetime
from typing import Literal

from pydantic import JsonValue

from app.schemas.document import Document
from peft_core.method import Capabilities, Family, Paper
from peft_core.metric import Quantity
from peft_core.scenario import ConstraintName, Criterion
from peft_core.spec import Purpose, Splits
from peft_core.task import Column


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
    """A worker process and its device. alive: its heartbeat is younger than 15 s on the database's clock. paused: it
    claims nothing more until it is resumed, and finishes what it runs."""

    id: int
    name: str
    device: str
    device_info: dict[str, JsonValue]
    alive: bool
    paused: bool
    started_at: datetime
    heartbeat_at: datetime
    seconds_since_heartbeat: float
    busy: bool
    """It carries out a run, of whichever team."""
    run_id: int | None
    """That run, where it is one of the caller's team."""
