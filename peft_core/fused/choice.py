"""Which runs train together, and how many at a time. Needs no torch: a worker asks before a process is started."""

from collections.abc import Sequence

from peft_core.analysis.cost_model.memory import Memory
from peft_core.analysis.cost_model.setting import DeviceKind, setting_of
from peft_core.errors import InvalidBaseModel
from peft_core.method import build_method
from peft_core.spec import RunSpec

MOST_ROWS = 128
"""Texts in one pass. More bring little: MiniLM at 20 tokens on two cores does 154 to 171 texts a second in rows of 8,
and 651 in rows of 120."""
TRAINED_BYTES = 16
"""For each number a run trains, in float32: itself, its gradient and AdamW's two averages."""
FROZEN_BYTES = 4
"""For each number that a method brings and does not train (VeRA's projections), in float32."""
ROOM = 1.2
"""What an estimate of a further run's memory is multiplied with."""


def fusable(spec: RunSpec) -> bool:
    """Whether a run may share passes with others of its study. Cheap, and needs no torch."""
    budget = spec.budget
    whole = budget.accumulation == 1 and not budget.gradient_checkpointing
    trains = spec.purpose in ("tune", "report") and spec.learning_rate is not None and spec.precision is not None
    return whole and trains and type(build_method(spec.method, spec.hyperparameters)).fuses


def worth_together(specs: Sequence[RunSpec]) -> list[RunSpec]:
    """Of runs of one study those that share passes with the first one, itself included, those of its seed first: they
    learn from the same batches, so that no text is padded for another's sake."""
    able = [spec for spec in specs if fusable(spec)]
    return sorted(able, key=lambda spec: spec.seed != specs[0].seed)


def most_together(specs: Sequence[RunSpec], free_bytes: int | None, device: DeviceKind = "cpu") -> int:
    """How many of these runs, in order, go into so much memory; at least 1, and 1 where the base model's
    architecture is not known. free_bytes None: not known, and no limit.

    What the first run needs alone; the activations of a pass, which holds MOST_ROWS texts at most; and for each further
    run 16 bytes for each number it trains (the number, its gradient, two averages) and 4 for each that it only brings:
    the cost model's figures (peft_core.analysis.cost_model.memory), those of the pass and of the further runs 1.2
    times.
    """
    if free_bytes is None:
        return len(specs)
    try:
        memories = _memories(specs, device)
    except InvalidBaseModel:
        return 1
    batch = specs[0].budget.batch_size
    activations = max(memory.activations.kept + memory.lost for memory in memories)
    for count in range(len(specs), 1, -1):
        passes = min(count, max(1, MOST_ROWS // batch)) - 1
        own = sum(_own_bytes(memory) for memory in memories[1:count])
        if memories[0].peak + ROOM * (passes * activations + own) <= free_bytes:
            return count
    return 1


def _own_bytes(memory: Memory) -> int:
    """What a further run brings, though the base is there."""
    return TRAINED_BYTES * memory.trained_numbers + FROZEN_BYTES * memory.setting.added.frozen_parameters


def _memories(specs: Sequence[RunSpec], device: DeviceKind) -> list[Memory]:
    """Of each run; those of one configuration share theirs."""
    found: dict[str, Memory] = {}
    for spec in specs:
        name = f"{spec.method} {spec.hyperparameters}"
        if name not in found:
            setting = setting_of(spec, precision=spec.precision or "fp32", device=device, length=None)
            found[name] = Memory(setting)
    return [found[f"{spec.method} {spec.hyperparameters}"] for spec in specs]
