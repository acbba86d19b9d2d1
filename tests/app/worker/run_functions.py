"""What a run's process may do in a test of the executor, instead of training for real."""

import hashlib
import os
import signal
import time

from peft_core.errors import RunFailed, RunPaused
from peft_core.hub_access import Hub
from peft_core.spec import Artifact, Log, OnEvent, Pause, Point, PrecisionChosen, RunResult, RunSpec

DONE = RunResult(validation_score=0.5, train_seconds=0.0, artifacts=(), environment={})


def succeed(spec: RunSpec, on_event: OnEvent, hub: Hub | None, pause: Pause) -> RunResult:
    on_event(Log(message="hello"))
    (spec.folder / "file.txt").write_text("x")
    return DONE


def explain(spec: RunSpec, on_event: OnEvent, hub: Hub | None, pause: Pause) -> RunResult:
    raise RunFailed("The loss was nan at step 3. Lower the learning rate.")


def break_down(spec: RunSpec, on_event: OnEvent, hub: Hub | None, pause: Pause) -> RunResult:
    raise KeyError("missing")


def run_out_of_memory(spec: RunSpec, on_event: OnEvent, hub: Hub | None, pause: Pause) -> RunResult:
    raise MemoryError


def be_killed(spec: RunSpec, on_event: OnEvent, hub: Hub | None, pause: Pause) -> RunResult:
    os.kill(os.getpid(), signal.SIGKILL)
    return DONE


def wait(spec: RunSpec, on_event: OnEvent, hub: Hub | None, pause: Pause) -> RunResult:
    on_event(Log(message=f"pid {os.getpid()}"))
    time.sleep(60)
    return DONE


def wait_for_a_pause(spec: RunSpec, on_event: OnEvent, hub: Hub | None, pause: Pause) -> RunResult:
    """Leaves a checkpoint, and succeeds where an earlier attempt has left one."""
    checkpoint = spec.folder / "checkpoint" / "step-000000003"
    if checkpoint.exists():
        return DONE
    checkpoint.mkdir(parents=True)
    on_event(Log(message=f"pid {os.getpid()}"))
    while not pause():
        time.sleep(0.05)
    raise RunPaused(3)


def choose_a_precision_and_wait(spec: RunSpec, on_event: OnEvent, hub: Hub | None, pause: Pause) -> RunResult:
    on_event(PrecisionChosen(precision="fp32", fp32_step_seconds=0.1, bf16_step_seconds=0.2))
    return wait_for_a_pause(spec, on_event, hub, pause)


def leave_an_adapter(spec: RunSpec, on_event: OnEvent, hub: Hub | None, pause: Pause) -> RunResult:
    (spec.folder / "adapter").mkdir()
    artifacts = []
    for path in ("adapter/weights.safetensors", "spectrum.json"):
        content = f"{path} of run {spec.run_id}".encode()
        (spec.folder / path).write_bytes(content)
        artifacts.append(Artifact(path=path, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest()))
    return DONE.model_copy(update={"artifacts": tuple(artifacts)})


def fill_memory(spec: RunSpec, on_event: OnEvent, hub: Hub | None, pause: Pause) -> RunResult:
    import torch

    held = [torch.ones(2**26) for _ in range(64)]  # 16 GiB
    return DONE.model_copy(update={"train_seconds": float(len(held))})


def measure_itself(spec: RunSpec, on_event: OnEvent, hub: Hub | None, pause: Pause) -> RunResult:
    """Tells a point for each of many steps, and where and with what it ran."""
    import torch

    for step in range(1, 1001):
        on_event(Point(key="loss", step=step, value=1 / step))
    on_event(Log(message=f"pid {os.getpid()} threads {torch.get_num_threads()} token {os.environ.get('HF_TOKEN')}"))
    return DONE.model_copy(update={"validation_score": spec.seed + 0.25})


def probe_a_while(spec: RunSpec, on_event: OnEvent, hub: Hub | None, pause: Pause) -> RunResult:
    on_event(Log(message=f"pid {os.getpid()}"))
    time.sleep(4)
    return DONE


def tell_what_cannot_be_kept(spec: RunSpec, on_event: OnEvent, hub: Hub | None, pause: Pause) -> RunResult:
    """Among sound events, ones that no border has looked at."""
    on_event(Log(message="before"))
    on_event(Log.model_construct(message="one\0two \ud800"))
    on_event(Point.model_construct(key="k" * 200, step=1, value=1.0))
    on_event(Point.model_construct(key="loss", step=2**70, value=1.0))
    on_event(Point(key="loss", step=1, value=0.5))
    on_event(Log(message="after"))
    return DONE.model_copy(update={"environment": {"device": "a\0b"}})


def leave_no_file(spec: RunSpec, on_event: OnEvent, hub: Hub | None, pause: Pause) -> RunResult:
    """Says that it leaves one."""
    return DONE.model_copy(update={"artifacts": (Artifact(path="adapter/weights", size_bytes=1, sha256="0" * 64),)})


def tell_the_time(spec: RunSpec, on_event: OnEvent, hub: Hub | None, pause: Pause) -> RunResult:
    """When the run's own work begins, in seconds since 1970."""
    on_event(Log(message=f"{time.time():.6f}"))
    return DONE
