"""What a run's process may do in a test of the executor, instead of training for real."""

import os
import signal
import time

from peft_core.errors import RunFailed
from peft_core.spec import Log, OnEvent, RunResult, RunSpec

DONE = RunResult(validation_score=0.5, train_seconds=0.0, artifacts=(), environment={})


def succeed(spec: RunSpec, on_event: OnEvent) -> RunResult:
    on_event(Log(message="hello"))
    (spec.folder / "file.txt").write_text("x")
    return DONE


def explain(spec: RunSpec, on_event: OnEvent) -> RunResult:
    raise RunFailed("The loss was nan at step 3. Lower the learning rate.")


def break_down(spec: RunSpec, on_event: OnEvent) -> RunResult:
    raise KeyError("missing")


def run_out_of_memory(spec: RunSpec, on_event: OnEvent) -> RunResult:
    raise MemoryError


def be_killed(spec: RunSpec, on_event: OnEvent) -> RunResult:
    os.kill(os.getpid(), signal.SIGKILL)
    return DONE


def wait(spec: RunSpec, on_event: OnEvent) -> RunResult:
    on_event(Log(message=f"pid {os.getpid()}"))
    time.sleep(60)
    return DONE
