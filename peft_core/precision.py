"""fp32 or bf16: measured on the study's own base model and batches, and bf16 only where it is faster and finite."""

import copy
import statistics
import time
from typing import TYPE_CHECKING

from peft_core.data import Item
from peft_core.device import synchronize
from peft_core.spec import Precision, PrecisionChosen
from peft_core.task import Task
from peft_core.training import autocast, to_device

if TYPE_CHECKING:
    import torch
    from torch import nn

WARM_UP_STEPS = 2
TIMED_STEPS = 6


def probe_precision(
    model: "nn.Module", task: type[Task], items: list[Item], batch_size: int, pad_token_id: int, device: "torch.device"
) -> PrecisionChosen:
    """Time forward and backward of full fine-tuning in both precisions, alternating, and choose.

    `model` is left as it was. Every method of a study uses the answer.
    """
    probed = copy.deepcopy(model).train()
    for parameter in probed.parameters():
        # Weights in 4 bits are whole numbers, which have no gradient.
        parameter.requires_grad_(parameter.is_floating_point())
    batch = to_device(task.collate((items * batch_size)[:batch_size], pad_token_id), device)
    seconds: dict[Precision, list[float]] = {"fp32": [], "bf16": []}
    finite = True
    for step in range(WARM_UP_STEPS + TIMED_STEPS):
        for precision, times in seconds.items():
            started = time.perf_counter()
            finite &= _step_is_finite(probed, task, batch, device, precision) or precision == "fp32"
            synchronize(device)
            if step >= WARM_UP_STEPS:
                times.append(time.perf_counter() - started)
    fp32, bf16 = statistics.median(seconds["fp32"]), statistics.median(seconds["bf16"])
    return PrecisionChosen(
        precision="bf16" if finite and bf16 < fp32 else "fp32",
        fp32_step_seconds=fp32,
        bf16_step_seconds=bf16 if finite else None,
    )


def _step_is_finite(
    model: "nn.Module", task: type[Task], batch: "dict[str, torch.Tensor]", device: "torch.device", precision: Precision
) -> bool:
    with autocast(device, precision):
        loss = task.loss(model, batch)
    loss.backward()  # type: ignore[no-untyped-call]
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    finite = bool(loss.isfinite()) and all(bool(gradient.isfinite().all()) for gradient in gradients)
    model.zero_grad(set_to_none=True)
    return finite
