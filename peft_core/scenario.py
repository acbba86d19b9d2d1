"""The contract of a scenario: one file in `peft_core/scenarios`, found by its file name, which is its key."""

from typing import ClassVar, Literal

from peft_core.catalogue import discover, pick

Criterion = Literal["footprint", "training_speed", "inference", "quality", "memory", "simplicity"]
"""What a weight speaks of. footprint = mean of the scores of trainable parameters and storage."""

ConstraintName = Literal[
    "peak_memory_bytes",
    "storage_bytes",
    "train_seconds",
    "inference_latency_p95_seconds",
    "switch_seconds",
    "quality_standard_errors",
]


class Scenario:
    """Weights (opinions, editable, summing to 1) and the constraint that its user sets."""

    key: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    position: ClassVar[int]
    weights: ClassVar[dict[Criterion, float]]
    constraint: ClassVar[ConstraintName]
    constraint_default: ClassVar[float | None] = None
    criteria: ClassVar[dict[Criterion, tuple[str, ...]]] = {}
    """Metrics behind a criterion where this case needs others than usual; the mean of their scores counts."""
    textbook_pick: ClassVar[str]
    """What the textbook's selection guide names for this case: an expectation, never mixed into the answer."""


def scenarios() -> dict[str, type[Scenario]]:
    """Every scenario by key, in the order of the textbook."""
    import peft_core.scenarios

    found = discover(peft_core.scenarios, Scenario)
    return dict(sorted(found.items(), key=lambda entry: entry[1].position))


def scenario(key: str) -> type[Scenario]:
    """The scenario called `key`, or UnknownName."""
    return pick(scenarios(), key, "scenario")
