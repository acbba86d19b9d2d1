"""Predicted beside measured: how far off the cost model was for a run that has ended."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from peft_core.analysis.cost_model.memory import Memory
from peft_core.analysis.cost_model.parameters import storage_bytes, trainable_parameters
from peft_core.analysis.cost_model.seconds import PROBED_STEPS, Batch, seconds_of_the_rest
from peft_core.analysis.cost_model.setting import Setting
from peft_core.data import read_splits, real_tokens
from peft_core.fit import run_batches
from peft_core.spec import RunSpec
from peft_core.task import task_kind

LARGE_BASE = 100_000_000
MEMORY_TARGET, LARGE_ON_CUDA_TARGET, SECONDS_TARGET = 0.30, 0.15, 0.15
"""Relative errors that the model is held to: of memory by formula alone, of time told from a run's first steps."""


@dataclass(frozen=True)
class Compared:
    """One figure of one run. `target` None: counted, so that it has to be exact or nearly so."""

    figure: str
    predicted: float
    measured: float
    target: float | None = None

    @property
    def error(self) -> float:
        """Relative; positive where too much was predicted."""
        return self.predicted / self.measured - 1 if self.measured else 0.0


def batches_of(spec: RunSpec) -> list[Batch]:
    """The batches that a run trains on, from its own dataset and tokenizer."""
    from transformers import AutoTokenizer

    kind = task_kind(spec.task.kind)
    rows = read_splits(spec.task, kind).train
    tokenizer = AutoTokenizer.from_pretrained(str(spec.base_model), local_files_only=True, trust_remote_code=False)
    facts = kind.facts(rows, spec.task, tokenizer, spec.budget.max_length)
    task = spec.task.model_copy(update={"facts": facts})
    items = kind.tokenise(rows, task, tokenizer, spec.budget.max_length)
    return [
        Batch(len(batch), max(len(item.tokens) for item in batch), real_tokens(batch))
        for batch in run_batches(spec, items)
    ]


def compare(
    setting: Setting, batches: Sequence[Batch], measured: Mapping[str, float], tokens_per_second: Sequence[float]
) -> list[Compared]:
    """The figures that were measured, beside what is predicted for them.

    `measured`: values by metric key. `tokens_per_second`: of each step, as the run's curve has it.
    """
    setting = replace(setting, lengths=len({batch.length for batch in batches}))
    large = setting.device == "cuda" and setting.base.parameters >= LARGE_BASE
    predicted = {
        "trainable_parameters": (trainable_parameters(setting), None),
        "storage_bytes": (storage_bytes(setting), None),
        "peak_memory": (Memory(setting).training_peak, LARGE_ON_CUDA_TARGET if large else MEMORY_TARGET),
    }
    found = [
        Compared(key, value, measured[key], target) for key, (value, target) in predicted.items() if key in measured
    ]
    if len(tokens_per_second) > PROBED_STEPS:
        found.append(_seconds(setting, batches, tokens_per_second))
    return found


def _seconds(setting: Setting, batches: Sequence[Batch], tokens_per_second: Sequence[float]) -> Compared:
    """Of all steps but the first ones, told from those."""
    # A run that stopped early has taken fewer steps than were planned.
    batches = batches[: len(tokens_per_second)]
    seconds = [batch.real_tokens / speed for batch, speed in zip(batches, tokens_per_second, strict=True)]
    told = seconds_of_the_rest(setting, batches, seconds[:PROBED_STEPS])
    return Compared("train_seconds", told, sum(seconds[PROBED_STEPS:]), SECONDS_TARGET)


def table(compared: Mapping[str, Sequence[Compared]]) -> str:
    """The errors of several runs as text, one line for each figure of each, and the median of each figure."""
    lines = [f"{'run':40} {'figure':22} {'predicted':>12} {'measured':>12} {'error':>8} {'target':>8}"]
    errors: dict[str, list[float]] = {}
    for run, figures in compared.items():
        for found in figures:
            target = "exact" if found.target is None else f"{found.target:.0%}"
            numbers = f"{found.predicted:12.4g} {found.measured:12.4g} {found.error:+8.1%}"
            lines.append(f"{run:40} {found.figure:22} {numbers} {target:>8}")
            errors.setdefault(found.figure, []).append(abs(found.error))
    lines += [f"median error of {figure}: {statistics.median(values):.1%}" for figure, values in errors.items()]
    return "\n".join(lines)
