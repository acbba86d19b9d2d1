"""Two runs field by field: what differs in what they were asked, where they ran and what they measured."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from app.schemas import RunDetail

Group = Literal["hyperparameters", "configuration", "environment", "results"]
OWN = ("run_id", "folder")
"""Of a specification: what is of the run itself and differs always."""


@dataclass(frozen=True)
class Field:
    """One named value of both runs; None where a run has none of that name."""

    group: Group
    name: str
    here: Any
    there: Any

    @property
    def differs(self) -> bool:
        return bool(self.here != self.there)


def compare_runs(here: RunDetail, there: RunDetail) -> list[Field]:
    """Every field of both, by group, in the order in which the first run has them."""
    pairs = zip(_groups(here).items(), _groups(there).values(), strict=True)
    return [
        Field(group, name, mine.get(name), other.get(name))
        for (group, mine), other in pairs
        for name in dict.fromkeys([*mine, *other])
    ]


def _groups(run: RunDetail) -> dict[Group, dict[str, Any]]:
    spec = dict(run.spec or {})
    hyperparameters = spec.pop("hyperparameters", {})
    measured = {found.metric: found.value for found in run.measurements}
    figures = {"validation_score": run.validation_score, "train_seconds": run.train_seconds}
    return {
        "hyperparameters": flat(hyperparameters) | {"learning_rate": run.learning_rate},
        "configuration": _identity(run)
        | flat({name: spec[name] for name in spec if name not in (*OWN, "learning_rate")}),
        "environment": flat(run.environment or {}),
        "results": measured | {name: value for name, value in figures.items() if value is not None},
    }


def _identity(run: RunDetail) -> dict[str, Any]:
    return {"study": run.study_name, "method": run.method, "seed": run.seed, "purpose": run.purpose}


def flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested values by their path ("task.splits.train"); lists stay whole."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        path = f"{before}{name}"
        found |= flat(value, f"{path}.") if isinstance(value, Mapping) and value else {path: value}
    return found
