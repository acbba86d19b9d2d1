"""The case that a person looks up, and its place in the page's address."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self, cast, get_args

from app.schemas import Architecture, BaseModelCard, LookupRequest, ScenarioCard, TaskCard, TaskKindCard
from app.ui.recommend.case import DEFAULT_FLOOR, joined, own_limits, pairs, share
from peft_core.scenario import ConstraintName
from peft_core.spec import Budget

DEVICES = ("cpu", "cuda")
LEAST = {"parameters": 1_000, "items": 1, "length": 4, "epochs": 1, "batch": 1}
MOST = {"parameters": 10**14, "items": 2**40, "length": 131_072, "epochs": 1_000, "batch": 4_096}


@dataclass(frozen=True)
class LookedUp:
    """base_model: a registered one, or "" for an architecture with a number of parameters. task: a registered one, or
    "" for a kind of task with a number of training items. constraints: limits in SI units."""

    base_model: str = ""
    architecture: Architecture = "encoder"
    parameters: int = 100_000_000
    task: str = ""
    kind: str = "classification"
    items: int = 1_000
    length: int = 64
    device: str = "cpu"
    epochs: int = 3
    batch: int = 8
    scenario: str = ""
    constraints: Mapping[ConstraintName, float] = field(default_factory=dict)
    floor: float = DEFAULT_FLOOR

    @classmethod
    def from_query(cls, query: Mapping[str, str], there: "Choices") -> Self:
        """The case of an address, completed; what cannot be read or does not exist is left at its default."""
        first = cls(
            base_model=there.models[0].name if there.models else "",
            scenario=there.scenarios[0].key if there.scenarios else "",
        )
        sizes = {name: size for name in LEAST if (size := _size(name, query.get(name, ""))) is not None}
        found = replace(first, **cast(dict[str, Any], sizes), **_known(query, there))
        return replace(found, constraints=_limits(query, found, there), floor=share(query.get("floor", "")))

    def query(self) -> str:
        """The part of the address after the view."""
        parts = (
            [f"base_model={self.base_model}"]
            if self.base_model
            else [f"architecture={self.architecture}", f"parameters={self.parameters}"]
        )
        parts += [f"task={self.task}"] if self.task else [f"kind={self.kind}", f"items={self.items}"]
        parts += [f"length={self.length}", f"epochs={self.epochs}", f"batch={self.batch}", f"device={self.device}"]
        # An empty value would be dropped on the way, so "no limit" and "nothing ranked" have words of their own.
        parts += [f"scenario={self.scenario or 'none'}", f"constraints={joined(self.constraints) or 'none'}"]
        return "&".join(parts + ([f"floor={self.floor:g}"] if self.floor != DEFAULT_FLOOR else []))

    def request(self, tasks: Sequence[TaskCard]) -> LookupRequest:
        """The question to the API; a registered task gives its kind, its training items and its number of labels."""
        task = next((card for card in tasks if card.name == self.task), None)
        base: dict[str, Any] = (
            {"base_model": self.base_model}
            if self.base_model
            else {"architecture": self.architecture, "parameters": self.parameters}
        )
        return LookupRequest(
            **base,
            task_kind=task.kind if task else self.kind,
            train_items=task.splits.train if task else self.items,
            labels=max(len(task.labels), 1) if task else 2,
            budget=Budget(epochs=self.epochs, batch_size=self.batch, max_length=self.length),
            device=cast(Any, self.device),
            scenario=self.scenario or None,
            constraints=dict(self.constraints),
            quality_floor=self.floor,
        )


@dataclass(frozen=True)
class Choices:
    """What a case can be made of."""

    models: Sequence[BaseModelCard]
    tasks: Sequence[TaskCard]
    kinds: Sequence[TaskKindCard]
    scenarios: Sequence[ScenarioCard]


def _known(query: Mapping[str, str], there: Choices) -> dict[str, Any]:
    """The address's choices that there are."""
    offered: dict[str, Sequence[str]] = {
        "base_model": [model.name for model in there.models],
        "architecture": get_args(Architecture),
        "task": [task.name for task in there.tasks],
        "kind": [kind.name for kind in there.kinds],
        "device": DEVICES,
        "scenario": [card.key for card in there.scenarios],
    }
    found: dict[str, Any] = {name: query[name] for name, names in offered.items() if query.get(name) in names}
    if "base_model" not in found and "parameters" in query:
        found["base_model"] = ""
    return found | ({"scenario": ""} if query.get("scenario") == "none" else {})


def _limits(query: Mapping[str, str], found: LookedUp, there: Choices) -> Mapping[ConstraintName, float]:
    """The address's limits, or the scenario's own where it says nothing of them."""
    if "constraints" in query:
        return cast(Mapping[ConstraintName, float], pairs(query["constraints"], get_args(ConstraintName)))
    card = next((card for card in there.scenarios if card.key == found.scenario), None)
    return own_limits(card) if card else {}


def _size(name: str, text: str) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        return None
    return int(text) if LEAST[name] <= int(text) <= MOST[name] else None
