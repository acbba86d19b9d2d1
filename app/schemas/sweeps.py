"""Quality, parameters and speed against one hyper-parameter."""

from typing import Literal

from pydantic import JsonValue

from app.schemas.catalogue import MetricCard
from app.schemas.document import Document
from app.schemas.numbers import Number, Sentence
from peft_core.method import Family


class SweepPoint(Document):
    """A row of the sweep: `value` is its hyper-parameter, everything else None where it is not measured.

    composite: 0.7 u(quality) + 0.3 u(trainable parameters), both on fixed anchors. keeps_enough: whether quality
    reaches the line of the sweep. numbers: where each figure comes from, by name: quality, parameters, speed,
    quality_score, parameter_score, composite, and quality_lo, quality_hi ... the ends of 95 % intervals. missing: why
    there is no quality, parameters or speed.
    """

    configuration: int
    label: str
    value: float
    quality: float | None
    parameters: float | None
    speed: float | None
    composite: float | None
    keeps_enough: bool | None
    numbers: dict[str, Number]
    missing: dict[str, str]


class NeighbourView(Document):
    """Quality of the best minus that of the next value on one side. verdict "tie": no difference is shown, at the
    level that Holm's procedure gives this pair among the neighbours."""

    configuration: int
    difference: Number
    interval: tuple[Number, Number]
    """95 %, of this pair alone."""
    p_value: Number
    verdict: Literal["better", "tie", "worse"]
    covers: str


class SweepView(Document):
    """One method over one of its hyper-parameters, from the smallest value.

    in_proportion: hyper-parameters that grow with it. fixed: those that all rows share. line: the quality that keeps
    95 % of full fine-tuning's gain. best: the largest composite. separable: whether its quality is shown to differ from
    every neighbour's; None where that cannot be tested. least_enough: the smallest value that reaches the line.
    """

    method: str
    title: str
    family: Family
    parameter: str
    parameter_title: str
    in_proportion: list[str]
    fixed: dict[str, JsonValue]
    points: list[SweepPoint]
    line: Number | None
    best: int | None
    neighbours: list[NeighbourView]
    separable: bool | None
    least_enough: int | None
    sentence: Sentence


class SweepPreset(Document):
    """A preset that makes a sweep, for New study."""

    key: str
    title: str
    summary: str
    method: str


class Sweeps(Document):
    """GET studies/{id}/sweep. presets: what to run where the study holds no sweep; `sentence` says so then. rule: the
    weights of the composite, and the share of full fine-tuning's gain that a sweep's line keeps."""

    study: int
    rule: dict[Literal["quality_weight", "parameter_weight", "share_of_gain"], Number]
    metrics: dict[Literal["quality", "parameters", "speed"], MetricCard]
    sweeps: list[SweepView]
    sentence: Sentence
    presets: list[SweepPreset]
