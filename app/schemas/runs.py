"""Runs, and what they leave."""

from datetime import datetime
from typing import Any

from pydantic import JsonValue

from app.schemas.document import Document, RunStatus, SourceKind
from app.schemas.numbers import Sentence
from peft_core.analysis.diagnosis import Symptom
from peft_core.method import Family
from peft_core.metric import Quantity
from peft_core.model_shape import Role
from peft_core.spec import Purpose


class AttemptView(Document):
    attempt: int
    worker: str
    started_at: datetime
    ended_at: datetime | None
    resumed_from_step: int | None
    outcome: str | None
    """succeeded, failed, cancelled, lost (its worker fell silent), returned (its worker stopped in order), parted (from
    the runs that it trained with; it goes on alone)."""
    reason: str | None


class RunView(Document):
    """A run in lists. step of total_steps: optimizer steps, bytes while its phase is "downloading". eta_seconds: from
    the run's own pace, estimated. value: of the metric that the list is ordered by."""

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
    rung_steps: int | None = None
    """Of a tuning run of the first rung of successive halving: the steps that it trains for; None: the whole budget."""
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
    source: SourceKind = "measured"
    value: float | None = None


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
    score_quantity: Quantity = "fraction"
    """What the scores of its task are."""
    origin: dict[str, JsonValue] | None = None
    """What an imported run was made from, with every field that it came with; None where it was measured here."""
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
    runs_before: int | None = None
    """While it is queued: the runs that a single worker would claim before it; fewer, where it trains with others."""
    full_run: int | None = None
    """The reporting run of full fine-tuning in its study with the same seed; None where it is that or there is none."""
    last_line: int = 0
    """The id of its newest log line, 0 where it has none."""


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


class FullCurve(Document):
    """The training loss of full fine-tuning, to be drawn beside a run's own."""

    run_id: int
    label: str
    source: SourceKind
    series: Series


class Curves(Document):
    """GET runs/{id}/curves: everything that the run draws, each series thinned on the server."""

    run_id: int
    source: SourceKind
    series: list[Series]
    full: FullCurve | None


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
