"""What a run will cost, told before it is launched from the base model's config alone: no torch, no weights."""

from dataclasses import dataclass

from peft_core.analysis.cost_model import parameters
from peft_core.analysis.cost_model.flops import flops_per_token, matrix_parameters, training_flops
from peft_core.analysis.cost_model.memory import Memory, size
from peft_core.analysis.cost_model.seconds import Calibration
from peft_core.analysis.cost_model.setting import Setting


@dataclass(frozen=True)
class Estimate:
    """The figures of one run; `how` says for each of them, by name, what it is made of."""

    trainable_parameters: int
    head_parameters: int
    stored_parameters: int
    storage_bytes: int
    load_peak_memory_bytes: int
    peak_memory_bytes: int
    flops_per_token: float
    flops_per_step: float
    train_seconds: float | None
    how: dict[str, str]


def estimate(setting: Setting, *, total_steps: int | None = None, calibration: Calibration | None = None) -> Estimate:
    """`total_steps`: of the optimizer; None where a budget in epochs meets an unknown number of items.

    `train_seconds` is None without a calibration or without a number of steps, and `how` says which is missing.
    """
    memory = Memory(setting)
    seconds, how_long = _seconds(setting, total_steps, calibration)
    return Estimate(
        trainable_parameters=parameters.trainable_parameters(setting),
        head_parameters=parameters.head_parameters(setting),
        stored_parameters=parameters.stored_parameters(setting),
        storage_bytes=parameters.storage_bytes(setting),
        load_peak_memory_bytes=round(memory.load_peak),
        peak_memory_bytes=round(memory.peak),
        flops_per_token=flops_per_token(setting),
        flops_per_step=training_flops(setting),
        train_seconds=seconds,
        how=_how(setting, memory) | {"train_seconds": how_long},
    )


def _seconds(setting: Setting, total_steps: int | None, calibration: Calibration | None) -> tuple[float | None, str]:
    if setting.method.learning_rate is None:
        return 0.0, f"{setting.method.title} trains nothing."
    if calibration is None:
        return None, "Not known: no speed has been measured on this device. It is, by the first probe that ends well."
    if total_steps is None:
        return None, "Not known: the budget is in epochs and the number of training items is not given."
    step = calibration.step_seconds + training_flops(setting) / calibration.flops_per_second
    speed = f"{calibration.flops_per_second / 1e9:.3g} GFLOP/s"
    return total_steps * step, (
        f"{total_steps} steps of {calibration.step_seconds:.3g} s + FLOPs of a step / {speed}, measured on"
        f" {calibration.source}; every text counted as {setting.text_length} tokens."
    )


def _how(setting: Setting, memory: Memory) -> dict[str, str]:
    title, budget, kind = setting.method.title, setting.budget, setting.base.model_type
    texts = f"{setting.rows} texts of {setting.text_length} tokens at once, {setting.precision}"
    if budget.gradient_checkpointing:
        texts += ", gradient checkpointing"
    kept, gradients = size(memory.activations.kept + memory.logits), size(memory.gradients)
    phases = f"the larger of activations {kept} and gradients {gradients}"
    if setting.device == "cpu":
        phases = (
            f"activations {kept} + gradients {gradients} + places that the heap does not find again {size(memory.lost)}"
        )
    return {
        "trainable_parameters": f"{title}'s own formula over the shapes of the base; the head is counted apart.",
        "head_parameters": f"What {kind} models get for {setting.task_kind} with {setting.labels} labels.",
        "stored_parameters": f"{title}'s own formula over the shapes of the base; the head is counted apart.",
        "storage_bytes": "4 bytes for each stored parameter, the head's included, and the files' own text.",
        "load_peak_memory_bytes": (
            "The weights, and the largest of them once more where they are narrowed on the way; a CPU reads others only"
            " when a pass asks for them."
        ),
        "peak_memory_bytes": (
            f"Weights {size(memory.weights)} + optimizer {size(memory.optimizer)} + {phases} ({texts},"
            f" {setting.device}); the larger of this and loading."
        ),
        "flops_per_token": f"flops_per_step over the {budget.batch_size * setting.text_length} tokens of a batch.",
        "flops_per_step": (
            f"2 for each of {matrix_parameters(setting) / 1e6:.3g}M parameters in matrix products, token and pass, and"
            " 4 s d for each token and layer's attention, twice that on the way back."
        ),
    }
