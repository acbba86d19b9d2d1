"""Timing single answers of a model, as it would be served."""

import time
from collections.abc import Callable
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

    loop, items = run.loop, run.test_items

    def seconds_of(call: int) -> float:
        asked = [items[(call * batch_size + place) % len(items)] for place in range(batch_size)]
        batch = to_device(loop.task.collate(asked, loop.pad_token_id), loop.device)
        started = time.perf_counter()
        with autocast(loop.device, loop.precision):
            loop.task.answers(model, batch)
        synchronize(loop.device)
        return time.perf_counter() - started

    model.eval()
    with torch.no_grad():
        return repeated(seconds_of)


def repeated(seconds_of: Callable[[int], float]) -> list[float]:
    """`seconds_of(call)` for 200 calls (or as many as 5 s allow) after 20 that do not count (or 5 s of them); one at
    least. Calls are numbered on, so that the first timed one is of another item than the first of all."""
    warmed_up = _within_limit(seconds_of, 0, WARM_UP_CALLS)
    return _within_limit(seconds_of, len(warmed_up), TIMED_CALLS)


def _within_limit(seconds_of: Callable[[int], float], first: int, calls: int) -> list[float]:
    started, found = time.perf_counter(), list[float]()
    for call in range(first, first + calls):
        found.append(seconds_of(call))
        if time.perf_counter() - started > LONGEST_SECONDS:
            break
    return found
