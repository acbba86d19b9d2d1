"""What the form of a new study opens with, and what of it goes along without a field of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue

from app.language import tr
from app.schemas import BaseModelCard, MetricCard, PresetCard, TaskCard, TaskKindCard
from app.ui.launch.hyperparameters import Row
from peft_core.spec import Budget

STARTING_ROWS: list[Row] = [{"method": name, "fixed": {}, "label": ""} for name in ("lora", "adapter")]
REFERENCES = ("untuned", "head_only", "full")
OWN = "own"
"""The choice of a dataset or a base model of one's own."""


@dataclass
class Filling:
    """The form's opening values. kept: parts of the study document that no field shows, and launching sends along."""

    name: str = field(default_factory=lambda: tr("New study"))
    base_model: str = ""
    folder: str = ""
    task: str = ""
    kind: str = "classification"
    dataset: str = ""
    columns: dict[str, str] = field(default_factory=lambda: {"text": "text", "label": "label"})
    rows: list[Row] = field(default_factory=lambda: list(STARTING_ROWS))
    values: dict[str, dict[str, JsonValue]] = field(default_factory=dict)
    preset: str = ""
    references: list[str] = field(default_factory=lambda: list(REFERENCES))
    budget: Budget = field(default_factory=lambda: Budget(epochs=3))
    seeds: int = 5
    grid: str = "5"
    tuning: str = "grid"
    device: str = "any"
    step: int = 1
    line: str = ""
    """The device that the estimate is held against: cpu:BYTES or cuda:BYTES."""
    kept: dict[str, Any] = field(default_factory=dict)
    linked: bool = False
    draft: bool = False
    """The address is one that the form itself keeps."""
    notes: list[str] = field(default_factory=list)
    """What the address asked for and is not there."""
    told: list[str] = field(default_factory=list)
    """What the address says of the case, and the form has no field for."""


@dataclass(frozen=True)
class Catalogues:
    """What there is to choose from."""

    tasks: Sequence[TaskCard]
    kinds: Sequence[TaskKindCard]
    models: Sequence[BaseModelCard]
    presets: Sequence[PresetCard] = ()
    metrics: Sequence[MetricCard] = ()


def offered_only(form: Filling, not_offered: Mapping[str, str | None], titles: Mapping[str, str]) -> None:
    """Takes out of a linked form what the base model and task cannot have, with a note of the reason."""
    if not form.linked:
        return
    for row in list(form.rows):
        if reason := not_offered.get(row["method"]):
            form.rows.remove(row)
            form.notes.append(tr("{title} is left out: {reason}", title=titles[row["method"]], reason=reason))
    form.notes = list(dict.fromkeys(form.notes))


def with_kept(document: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    """The document of the form with what a link asked for and no field shows, as far as it still fits: seeds while
    their number stays, a folder and splits while the task is a dataset of one's own."""
    whole = dict(document)
    whole |= {name: kept[name] for name in ("metrics", "priority") if name in kept}
    if "seeds" in kept and len(kept["seeds"]) == document["seeds"]:
        whole["seeds"] = kept["seeds"]
    if "task" in kept and not isinstance(document["task"], str):
        whole["task"] = document["task"] | kept["task"]
    return whole
