"""The case a person asks about, and its place in the page's address."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, cast, get_args

from app.language import mark, tr
from app.schemas import CustomScenario, CustomScenarioRequest, RecommendationRequest, ScenarioCard
from peft_core.scenario import ConstraintName, Criterion

DEFAULT_FLOOR = 0.95


@dataclass(frozen=True)
class ConstraintField:
    """A limit as a person types it: `scale` SI units to one unit of the field."""

    title: str
    unit: str
    scale: float
    step: float

    def label(self) -> str:
        """What it limits and in which unit."""
        return tr("{title}, {unit}", title=tr(self.title), unit=tr(self.unit))


CRITERION_TITLES: dict[Criterion, str] = {
    "quality": mark("Task quality"),
    "memory": mark("Peak memory"),
    "training_speed": mark("Training speed"),
    "footprint": mark("Parameters and storage"),
    "inference": mark("Inference latency"),
    "simplicity": mark("Simplicity"),
}

CONSTRAINT_FIELDS: dict[ConstraintName, ConstraintField] = {
    "peak_memory_bytes": ConstraintField(mark("Peak memory at most"), "GiB", 2**30, 0.5),
    "storage_bytes": ConstraintField(mark("Storage per task at most"), "MB", 1e6, 1),
    "train_seconds": ConstraintField(mark("Training time at most"), "s", 1, 10),
    "inference_latency_p95_seconds": ConstraintField(mark("Latency p95 at most"), "ms", 1e-3, 1),
    "switch_seconds": ConstraintField(mark("Adapter switch at most"), "ms", 1e-3, 1),
    "quality_standard_errors": ConstraintField(mark("Of the best within"), mark("standard errors"), 1, 0.5),
}


@dataclass(frozen=True)
class Case:
    """weights None: the scenario's own. constraints: limits in SI units, None: the scenario's own, {}: no limit.
    floor: share of full fine-tuning's gain to keep."""

    study: int | None = None
    scenario: str | None = None
    weights: Mapping[Criterion, float] | None = None
    constraints: Mapping[ConstraintName, float] | None = None
    floor: float = DEFAULT_FLOOR

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Self:
        """The case of an address; what cannot be read is left at its default, for an address is typed by anyone."""
        weights = pairs(query.get("weights", ""), get_args(Criterion), most=1.0)
        limits = query.get("constraints")
        constraints = None if limits is None else pairs(limits, get_args(ConstraintName))
        return cls(
            study=int(query["study"])
            if query.get("study", "").isascii() and query.get("study", "").isdigit()
            else None,
            scenario=query.get("scenario"),
            weights=cast(Mapping[Criterion, float], weights) if sum(weights.values()) > 0 else None,
            constraints=cast(Mapping[ConstraintName, float] | None, constraints),
            floor=share(query.get("floor", "")),
        )

    def query(self) -> str:
        """The part of the address after "?"."""
        parts = [f"study={self.study}"] if self.study is not None else []
        parts += [f"scenario={self.scenario}"] if self.scenario else []
        parts += [f"weights={joined(self.weights)}"] if self.weights else []
        # An empty value would be dropped on the way, so "no limit" has a word of its own.
        parts += [f"constraints={joined(self.constraints) or 'none'}"] if self.constraints is not None else []
        parts += [f"floor={self.floor:g}"] if self.floor != DEFAULT_FLOOR else []
        return "&".join(parts)

    def request(self) -> RecommendationRequest:
        """The question to the API; only a case with a study can be asked."""
        assert self.study is not None, "a recommendation needs a study as its evidence"
        return RecommendationRequest(
            study=self.study,
            scenario=self.scenario,
            weights=dict(self.weights) if self.weights else None,
            constraints=dict(self.constraints or {}),
            quality_floor=self.floor,
        )


def own_limits(card: ScenarioCard) -> dict[ConstraintName, float]:
    """The limit that a scenario brings, where it has a default."""
    return {} if card.constraint_default is None else {card.constraint: card.constraint_default}


def of_scenario(card: ScenarioCard, study: int | None) -> Case:
    """A scenario as it stands: its weights, its own limit."""
    return Case(study=study, scenario=card.key, constraints=own_limits(card))


def of_kept(kept: CustomScenario, study: int | None) -> Case:
    """A scenario that the team keeps."""
    return Case(study, kept.scenario, kept.weights, kept.constraints, kept.quality_floor)


def to_keep(case: Case, card: ScenarioCard, name: str) -> CustomScenarioRequest:
    """A case as the team keeps it: weights and limits as they count, the scenario's own where none were given."""
    return CustomScenarioRequest(
        name=name,
        scenario=card.key,
        weights=dict(case.weights or card.weights),
        constraints=own_limits(card) if case.constraints is None else dict(case.constraints),
        quality_floor=case.floor,
    )


def pairs(text: str, names: tuple[str, ...], most: float = float("inf")) -> dict[str, float]:
    """ "quality:0.25,memory:0.4" as numbers by name; unknown names and unreadable numbers are dropped."""
    found = {}
    for part in text.split(","):
        name, _, value = part.partition(":")
        number = _number(value)
        if name in names and number is not None and number <= most:
            found[name] = number
    return found


def share(text: str) -> float:
    """A quality floor of an address, the default where it is none."""
    floor = _number(text)
    return floor if floor is not None and floor <= 1 else DEFAULT_FLOOR


def _number(text: str) -> float | None:
    """A finite number of at least 0, or None."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def joined(given: Mapping[Any, float]) -> str:
    """Numbers by name as `pairs` reads them."""
    # A "+" in an address is a space, so an exponent goes without it.
    return ",".join(f"{name}:{value:.12g}".replace("+", "") for name, value in given.items())
