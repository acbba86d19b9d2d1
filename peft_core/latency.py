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


def answer_seconds(run: "RunInProgress", model: "nn.Module", batch_size: int = 1) -> list[float]:
    """Seconds of each of 200 answers (or as many as 5 s allow) to `batch_size` test items, after 20 warm-up answers
    (or as many as 5 s allow); one timed answer at least."""
    import torch

    model.eval()
    with torch.no_grad():
        warm_up = _timed(run, model, batch_size, WARM_UP_CALLS)
        return _timed(run, model, batch_size, TIMED_CALLS, first=len(warm_up))


def _timed(run: "RunInProgress", model: "nn.Module", batch_size: int, calls: int, first: int = 0) -> list[float]:
    loop, items, seconds = run.loop, run.test_items, list[float]()
    for call in range(first, first + calls):
        asked = [items[(call * batch_size + place) % len(items)] for place in range(batch_size)]
        batch = to_device(loop.task.collate(asked, loop.pad_token_id), loop.device)
        started = time.perf_counter()
        with autocast(loop.device, loop.precision):
            loop.task.answers(model, batch)
        synchronize(loop.device)
        seconds.append(time.perf_counter() - started)
        if sum(seconds) > LONGEST_SECONDS:
            break
    return seconds
