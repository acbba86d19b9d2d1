"""What a study's runs ran on, and what their costs were predicted to be."""

from typing import Literal

from app.schemas.document import Document
from app.schemas.numbers import Number
from peft_core.method import Family

CostFigure = Literal["trainable_parameters", "storage_bytes", "peak_memory", "train_seconds"]


class EnvironmentValue(Document):
    """A value of one field with the runs that have it. labels: the configurations those runs belong to."""

    value: str
    runs: Number
    run_ids: list[int]
    labels: list[str]


class EnvironmentField(Document):
    """One thing that runs wrote down, the most common value first. mixed: not all runs say the same."""

    key: str
    title: str
    values: list[EnvironmentValue]
    mixed: bool


class Environments(Document):
    """GET studies/{id}/environments: hardware and versions of the runs that ended well."""

    study: int
    fields: list[EnvironmentField]


class PredictedFigure(Document):
    """One cost of a configuration. ratio: predicted over measured. missing: why there is no ratio."""

    figure: CostFigure
    predicted: Number | None = None
    measured: Number | None = None
    ratio: Number | None = None
    missing: str | None = None


class PredictedRow(Document):
    configuration: int
    label: str
    family: Family
    figures: list[PredictedFigure]


class PredictedCosts(Document):
    """GET studies/{id}/predicted-costs: what could be known before the launch beside what the runs measured."""

    study: int
    rows: list[PredictedRow]
    text_length: int
    """Tokens that every text was counted as."""
    speed_source: str | None
    """The earlier probes that the time was told from; None: there were none, so no time was predicted."""
    missing: str | None = None
    """Why nothing could be predicted."""
