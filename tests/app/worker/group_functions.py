"""What a group's process may do in a test of it, instead of training for real."""

import os
import signal
import time
from collections.abc import Callable, Sequence

from peft_core.errors import RunFailed, RunPaused
from peft_core.fused.group import Seat
from peft_core.hub_access import Hub
from peft_core.spec import Log, Point, Progress, RunResult

DONE = RunResult(validation_score=0.5, train_seconds=None, artifacts=(), environment={"trained_together": 3})
OnEnd = Callable[[Seat, RunResult | Exception], None]
STEP_SECONDS = 0.05


def succeed(seats: Sequence[Seat], on_end: OnEnd, hub: Hub | None = None) -> None:
    for seat in seats:
        seat.on_event(Log(message=f"hello from {seat.spec.run_id}"))
    for seat in seats:
        on_end(seat, DONE)


def step_until_asked(seats: Sequence[Seat], on_end: OnEnd, hub: Hub | None = None) -> None:
    """A step for all, then each is asked whether it shall leave. The last one may take as long as it likes."""
    left = list(seats)
    for step in range(1, 100_000):
        time.sleep(STEP_SECONDS)
        for seat in left[:]:
            seat.on_event(Point(key="train_loss", step=step, value=1 / step))
            seat.on_event(Progress(phase="training", step=step, total_steps=100_000))
            if seat.pause():
                left.remove(seat)
                on_end(seat, RunPaused(step))
        if not left:
            return


def step_until_one_is_asked(seats: Sequence[Seat], on_end: OnEnd, hub: Hub | None = None) -> None:
    """Whoever is asked leaves, and with that the others have done their work."""
    while not any(seat.pause() for seat in seats):
        time.sleep(STEP_SECONDS)
        for seat in seats:
            seat.on_event(Progress(phase="training", step=1, total_steps=2))
    for seat in seats:
        on_end(seat, RunPaused(1) if seat.pause() else DONE)


def listen_to_nobody(seats: Sequence[Seat], on_end: OnEnd, hub: Hub | None = None) -> None:
    """The others end in the middle of what keeps the process busy."""
    for seat in seats:
        seat.on_event(Log(message=f"pid {os.getpid()}"))
    time.sleep(4)
    for seat in seats:
        on_end(seat, DONE)


def be_killed(seats: Sequence[Seat], on_end: OnEnd, hub: Hub | None = None) -> None:
    """Once the first has ended well."""
    on_end(seats[0], DONE)
    os.kill(os.getpid(), signal.SIGKILL)


def end_in_every_way(seats: Sequence[Seat], on_end: OnEnd, hub: Hub | None = None) -> None:
    not_finite = RunFailed("The loss was nan at step 3. Lower the learning rate.")
    ways: list[RunResult | Exception] = [DONE, not_finite, MemoryError(), KeyError("missing")]
    for seat, way in zip(seats, ways, strict=True):
        on_end(seat, way)


def run_out_of_memory(seats: Sequence[Seat], on_end: OnEnd, hub: Hub | None = None) -> None:
    for seat in seats:
        on_end(seat, RunFailed("Out of memory: another 2 GiB did not fit. Use a smaller batch."))


def break_down(seats: Sequence[Seat], on_end: OnEnd, hub: Hub | None = None) -> None:
    on_end(seats[0], DONE)
    raise KeyError("missing")


def end_without_a_word(seats: Sequence[Seat], on_end: OnEnd, hub: Hub | None = None) -> None:
    on_end(seats[0], DONE)
