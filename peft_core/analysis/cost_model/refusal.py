"""Refusing, before a base model is loaded, a run that its one device cannot hold."""

import statistics
from collections.abc import Sequence

from peft_core.analysis.cost_model.fits import advice
from peft_core.analysis.cost_model.memory import Memory, size
from peft_core.analysis.cost_model.setting import DeviceKind, Setting, setting_of
from peft_core.device import memory_bytes, pick_device
from peft_core.errors import InvalidBaseModel, RunFailed
from peft_core.out_of_memory import OUT_OF_MEMORY
from peft_core.spec import RunSpec
from peft_core.task import task_kind

RESERVE_BYTES = 128 * 2**20
"""What a device's system keeps for itself."""


def check_memory(spec: RunSpec, token_counts: Sequence[int]) -> None:
    """Raises RunFailed where the device that this process trains on cannot hold the run, with texts of the usual length
    of the training items, whose `token_counts` are given. Says nothing of an architecture that is not known."""
    device = pick_device()
    there = memory_bytes(device)
    if there is None or spec.learning_rate is None:
        return
    kind: DeviceKind = "cuda" if device.type == "cuda" else "cpu"
    texts = task_kind(spec.task.kind).texts(len(spec.task.choices))
    length = max(1, round(statistics.median(token_counts) / texts))
    try:
        setting = setting_of(spec, precision=spec.precision or "fp32", device=kind, length=length)
    except InvalidBaseModel:
        return
    refuse_what_cannot_fit(setting, there - RESERVE_BYTES)


def refuse_what_cannot_fit(setting: Setting, room: int) -> None:
    """Raises RunFailed with the number and what would fit in so many bytes, but only where even the least that the run
    could need is too much: an estimate may be off, and a run that would have worked is never refused."""
    least = Memory(setting).least
    if least > room:
        raise RunFailed(
            f"{OUT_OF_MEMORY} before it began: with batches of {setting.budget.batch_size} texts of"
            f" {setting.text_length} tokens, {setting.method.title} needs {size(least)} at the very least and this"
            f" device has {size(room)}. {advice(setting, room)}"
        )
