"""Two or three metrics against each other."""

from typing import Literal

from app.schemas.catalogue import MetricCard
from app.schemas.document import Document
from app.schemas.numbers import Number, Sentence
from peft_core.method import Family

Axis = Literal["x", "y", "z"]


class ParetoAxis(MetricCard):
    """A metric as this study measures it. covers: what the draws of `front_share` vary in it ("seeds and test items");
    None: nothing, for it is counted exactly or has one run each, of whose spread nothing is known."""

    covers: str | None


class ParetoPoint(Document):
    """A configuration that has every metric asked about, in the metrics' own units.

    on_front: no other point is at least as good in all of them and better in one; equal points stand there together.
    front_share: share of seeded draws in which it is on the front. dominated_by: the points on the front that beat it.
    numbers: where each figure comes from, by name: x, y, z, front_share, and x_lo, x_hi ... the ends of 95 % intervals.
    """

    configuration: int
    method: str
    label: str
    family: Family
    x: float
    y: float
    z: float | None = None
    on_front: bool
    front_share: float
    dominated_by: list[int]
    equal_to: list[int]
    numbers: dict[str, Number]


class OffTheFront(Document):
    """A configuration that is no point, and why: a metric that it lacks, the quality floor, or that it is no choice."""

    configuration: int
    method: str
    label: str
    family: Family
    reason: Sentence


class Pareto(Document):
    """GET studies/{id}/pareto."""

    study: int
    axes: dict[Axis, ParetoAxis]
    floor: float | None
    """Share of full fine-tuning's gain that a point keeps at least; None: no floor was asked for."""
    least_quality: Number | None
    """The same in the task's own score."""
    points: list[ParetoPoint]
    left_out: list[OffTheFront]
    notes: list[Sentence]
    """What a floor stands on where that is not full fine-tuning's gain over the untuned row."""
    draws: int
    seed: int
