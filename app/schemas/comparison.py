"""What a study's page shows: configurations, cells and differences."""

from typing import Literal

from pydantic import JsonValue

from app.schemas.catalogue import MetricCard
from app.schemas.document import Document, RunStatus, SourceKind, StudyStatus
from app.schemas.numbers import Sentence
from peft_core.method import Family
from peft_core.metric import Quantity

IntervalCovers = Literal["seeds", "test items"]


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
    """By learning rate, those of the first rung before the others."""
    learning_rate: float | None
    """The chosen one; None before tuning has ended or where nothing is trained."""
    grid_edge: bool
    """The best learning rate lies at the edge of its grid: "grid too narrow"."""
    edges_left_out: list[float] = []
    """Learning rates at an edge of the grid, beside the best one, that the first rung left out: with them the whole
    budget did not say whether the grid is wide enough."""
    learned: bool | None
    """False: the whole grid stays within one standard error of untuned on validation. None: not known yet."""
    tuning_ease: float | None = None
    """Decades of learning rates around the best one that score within a point of it: a part of simplicity. None: the
    grid is not complete, or has fewer than five points."""
    flags: list[str] = []
    """What sets the row's runs apart from the others of the study, a sentence each."""


class TuningPoint(Document):
    """What one learning rate scored on validation. rung_steps: of the first rung of successive halving, after which it
    stopped; None: it had the whole budget, `full_steps`, and only then it can be chosen."""

    learning_rate: float
    run_id: int
    status: RunStatus
    validation_score: float | None
    rung_steps: int | None = None
    full_steps: int | None = None


class Cell(Document):
    """One metric of one configuration over seeds.

    interval: 95%, over what `interval_covers` says: Student's over seeds; of a single run Wilson's over test items
    where the value is a share that was counted; None for other single runs and where the metric is exact. split_off:
    runs that ended well and are not in the cell, for they were made unlike those that are; `flags` say why.
    normalised: fixed-anchor score 0..1 or None where undefined. missing: why there is no value. at_least: what a
    missing mean is known to be larger than, from `run_ids` (a target that some run did not reach). source None only
    where neither is known.
    """

    configuration: int
    method: str
    metric: str
    unit: str
    better: Literal["higher", "lower"]
    mean: float | None
    interval: tuple[float, float] | None
    interval_covers: IntervalCovers | None = None
    n: int
    values: list[float]
    normalised: float | None
    source: SourceKind | None
    failures: int
    run_ids: list[int]
    missing: str | None = None
    at_least: float | None = None
    split_off: list[int] = []
    flags: list[str] = []
    """What to know before comparing it with others: what sets its runs apart, a sentence each."""
    notes: list[str] = []
    """How its values came about where a reader would not expect it, a sentence each."""
    formula: str | None = None
    """What its values are made with, where no clock has measured them."""


class Difference(Document):
    """A configuration's quality minus the reference's, in the score's own direction. interval: 95%. corrected: at the
    level Holm used for this pair, over the comparisons with the best and with the reference. verdict "tie" exactly when
    `corrected` covers 0: no difference shown, not equality."""

    configuration: int
    value: float
    quantity: Quantity | Literal["points"] = "points"
    """Percentage points where the score is a share, else the score's own unit."""
    interval: tuple[float, float]
    corrected: tuple[float, float]
    p_value: float
    """Corrected by Holm's procedure."""
    verdict: Literal["better", "tie", "worse"]
    test: str = ""
    covers: str
    """What the interval covers: "seeds and test items", "seeds" or "test items of these two trained models"."""
    run_ids: list[int]
    reference_run_ids: list[int]


class Comparison(Document):
    """GET studies/{id}/comparison."""

    study: int
    status: StudyStatus
    anchors_version: str
    reference: int | None
    """The configuration the scores refer to: full fine-tuning, or where there is none that compares the LoRA row
    nearest to rank 16 on all linear layers."""
    reference_note: str | None = None
    """What stands in for full fine-tuning, and why."""
    assumed_floor: float | None = None
    """The task's chance level, in the score's own unit, where no untuned row was run to gain from."""
    flags: list[str]
    verdict: Sentence
    configurations: list[ConfigurationView]
    metrics: list[MetricCard]
    cells: list[Cell]
    differences: list[Difference]
