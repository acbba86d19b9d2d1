"""Groups whose process, or whose worker, is killed in the middle of their first attempt."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from peft_core.fused.group import OnEnd, Seat, run_together
from peft_core.hub_access import Hub
from peft_core.spec import Event, OnEvent, Progress

DIES_AT_STEP = 4


def kill_worker(seats: Sequence[Seat], on_end: OnEnd, hub: Hub | None = None) -> None:
    """The process ends with its worker, a moment later: it must not get any further meanwhile."""

    def die() -> None:
        worker = multiprocessing.parent_process()
        assert worker is not None
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        signal.pause()

    _dying(seats, on_end, hub, die)


def kill_itself(seats: Sequence[Seat], on_end: OnEnd, hub: Hub | None = None) -> None:
    _dying(seats, on_end, hub, lambda: os.kill(os.getpid(), signal.SIGKILL))


def take_time(seats: Sequence[Seat], on_end: OnEnd, hub: Hub | None = None) -> None:
    """Lives, and takes long enough over each step to be stopped between two of them."""

    def slow(tell: OnEvent) -> OnEvent:
        def told(event: Event) -> None:
            tell(event)
            if isinstance(event, Progress) and event.phase == "training":
                time.sleep(0.1)

        return told

    run_together([replace(seat, on_event=slow(seat.on_event)) for seat in seats], on_end, hub)


def _dying(seats: Sequence[Seat], on_end: OnEnd, hub: Hub | None, die: Callable[[], None]) -> None:
    last = seats[-1]

    def tell(event: Event) -> None:
        last.on_event(event)
        here = isinstance(event, Progress) and (event.phase, event.step) == ("training", DIES_AT_STEP)
        if here and last.spec.folder.name == "1":
            die()

    run_together([*seats[:-1], replace(last, on_event=tell)], on_end, hub)
