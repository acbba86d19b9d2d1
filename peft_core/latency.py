"""Timing single answers of a model, as it would be served."""

import time
from typing import TYPE_CHECKING

from peft_core.device import synchronize
from peft_core.training import autocast, to_device

if TYPE_CHECKING:
    from torch import nn

    from peft_core.run_state import RunInProgress

WARM_UP_CALLS = 20
TIMED_CALLS = 200
LONGEST_SECONDS = 5.0


def answer_seconds(run: "RunInProgress", model: "nn.Module") -> list[float]:
    """Seconds of each of 200 answers (or as many as 5 s allow) to one test item, after 20 warm-up answers."""
    import torch

    loop = run.loop
    seconds: list[float] = []
    model.eval()
    with torch.no_grad():
        for call in range(WARM_UP_CALLS + TIMED_CALLS):
            item = run.test_items[call % len(run.test_items)]
            batch = to_device(loop.task.collate([item], loop.pad_token_id), loop.device)
            started = time.perf_counter()
            with autocast(loop.device, loop.precision):
                loop.task.answers(model, batch)
            synchronize(loop.device)
            if call >= WARM_UP_CALLS:
                seconds.append(time.perf_counter() - started)
            if sum(seconds) > LONGEST_SECONDS:
                break
    return seconds
