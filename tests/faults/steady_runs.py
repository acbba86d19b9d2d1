"""A run that takes its time, tells of every step which attempt took it, and leaves a file."""

import hashlib
import time

from peft_core.errors import RunPaused
from peft_core.hub_access import Hub
from peft_core.spec import Artifact, Log, OnEvent, Pause, Point, Progress, Resumed, RunResult, RunSpec

STEPS = 25
STEP_SECONDS = 0.2
FILE = "adapter/weights.safetensors"


def steady(spec: RunSpec, on_event: OnEvent, hub: Hub | None, pause: Pause) -> RunResult:
    """Five seconds of steps; each point's value is the number of its attempt."""
    return _steps(spec, on_event, pause, STEPS)


def slow(spec: RunSpec, on_event: OnEvent, hub: Hub | None, pause: Pause) -> RunResult:
    """Half an hour in the first attempt, and one step in a later one."""
    return _steps(spec, on_event, pause, 9000 if _attempt(spec) == 1 else 1)


def quick(spec: RunSpec, on_event: OnEvent, hub: Hub | None, pause: Pause) -> RunResult:
    """No time at all."""
    return _steps(spec, on_event, pause, 3, step_seconds=0.0)


def _steps(spec: RunSpec, on_event: OnEvent, pause: Pause, steps: int, step_seconds: float = STEP_SECONDS) -> RunResult:
    on_event(Resumed(step=0))
    on_event(Log(message=f"attempt {_attempt(spec)}"))
    began = time.monotonic()
    for step in range(1, steps + 1):
        time.sleep(step_seconds)
        on_event(Point(key="train_loss", step=step, value=float(_attempt(spec))))
        on_event(Progress(phase="training", step=step, total_steps=steps))
        if pause():
            raise RunPaused(step)
    left = _leave_a_file(spec)
    return RunResult(validation_score=0.5, train_seconds=time.monotonic() - began, artifacts=(left,), environment={})


def _attempt(spec: RunSpec) -> int:
    return int(spec.folder.name)


def _leave_a_file(spec: RunSpec) -> Artifact:
    content = f"weights of run {spec.run_id}".encode()
    (spec.folder / FILE).parent.mkdir(parents=True)
    (spec.folder / FILE).write_bytes(content)
    return Artifact(path=FILE, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
