"""Runs that kill their worker at a named place of their first attempt."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from peft_core import checkpoint
from peft_core.hub_access import Hub
from peft_core.run import run
from peft_core.spec import Event, OnEvent, Pause, Progress, RunResult, RunSpec

DIES_AT_STEP = 6


def die_loading(spec: RunSpec, on_event: OnEvent, hub: Hub | None, pause: Pause) -> RunResult:
    return _dying(spec, on_event, pause, lambda event: _is(event, "loading"))


def die_training(spec: RunSpec, on_event: OnEvent, hub: Hub | None, pause: Pause) -> RunResult:
    return _dying(spec, on_event, pause, lambda event: _is(event, "training", DIES_AT_STEP))


def die_evaluating(spec: RunSpec, on_event: OnEvent, hub: Hub | None, pause: Pause) -> RunResult:
    return _dying(spec, on_event, pause, lambda event: _is(event, "evaluating"))


def die_measuring(spec: RunSpec, on_event: OnEvent, hub: Hub | None, pause: Pause) -> RunResult:
    return _dying(spec, on_event, pause, lambda event: _is(event, "measuring"))


def take_time(spec: RunSpec, on_event: OnEvent, hub: Hub | None, pause: Pause) -> RunResult:
    """Lives, and takes long enough over each step to be stopped between two of them."""

    def tell(event: Event) -> None:
        on_event(event)
        if _is(event, "training"):
            time.sleep(0.4)

    return run(spec, tell, pause=pause)


def die_in_a_checkpoint(spec: RunSpec, on_event: OnEvent, hub: Hub | None, pause: Pause) -> RunResult:
    """Between the files of a checkpoint and its name: the one before it must be what is gone on from."""
    written = checkpoint.synchronise

    def synchronise_or_die(path: Path) -> None:
        written(path)
        before = path.parent.parent / f"step-{DIES_AT_STEP - 1:09d}"
        if path.name == checkpoint.STATE and before.exists():
            _kill_worker()

    if _first_attempt(spec):
        checkpoint.synchronise = synchronise_or_die
    return run(spec, on_event, pause=pause)


def _is(event: Event, phase: str, step: int | None = None) -> bool:
    return isinstance(event, Progress) and event.phase == phase and step in (None, event.step)


def _dying(spec: RunSpec, on_event: OnEvent, pause: Pause, here: Callable[[Event], bool]) -> RunResult:
    def tell(event: Event) -> None:
        on_event(event)
        if _first_attempt(spec) and here(event):
            _kill_worker()

    return run(spec, tell, pause=pause)


def _first_attempt(spec: RunSpec) -> bool:
    return spec.folder.name == "1"


def _kill_worker() -> None:
    """The run's process ends with its worker, a moment later: it must not get any further meanwhile."""
    worker = multiprocessing.parent_process()
    assert worker is not None
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    signal.pause()
