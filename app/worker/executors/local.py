"""Running runs on this machine, each in a process of its own, forked from one that has torch imported already.

A run's peak memory is then its own, and a run that crashes takes nothing with it. SIGUSR1 asks its process for a
checkpoint and to stop for now; SIGTERM ends it.
"""

import contextlib
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any

import psutil
from pydantic import TypeAdapter, ValidationError

from app.services.store import empty_scratch
from app.worker.executors.executor import Groups, Outcome, Share
from peft_core.checkpoint import CHECKPOINT, adopt_checkpoint
from peft_core.errors import PeftCoreError, RunPaused
from peft_core.hub_access import Hub
from peft_core.spec import Event, Log, OnEvent, Pause, RunResult, RunSpec, storable

RunFunction = Callable[..., RunResult]
"""Of a spec and on_event, with hub and pause by name: see peft_core.run.run."""
PRELOAD = "peft_core.preload"
KILL_AFTER_SECONDS = 2.0
FORK_SERVER_GONE = 255
"""The exit code of a run whose fork server, which alone hears of its end, is no more."""
MOST_QUOTED = 300
EVENTS: TypeAdapter[Event] = TypeAdapter(Event)
CHILD_ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_DISABLE_TELEMETRY": "1"}
"""A run asks no hub unless the settings say so, and forked tokenizers must not start threads of their own."""


@dataclass
class RunningProcess:
    """A run's process and the pipe its events come through."""

    process: ForkServerProcess
    pipe: Connection
    told: Outcome | None = None
    told_to_stop_at: float | None = None

    def poll(self) -> tuple[list[Event], Outcome | None]:
        """The events that have arrived since the last call, and how the run ended; None while it runs."""
        alive = self.process.is_alive()
        # Read after that: of a process that has ended, nothing more can come.
        events = self._read_events()
        if alive:
            self._insist()
            return events, None
        self.process.join()
        if self.told is None and self.process.exitcode == FORK_SERVER_GONE:
            self._end_orphan()
            return events, Outcome(None, "the process that runs are forked from was ended", lost=True)
        return events, self.told or Outcome(None, how_it_was_ended(self.process.exitcode))

    def stop(self) -> None:
        """Ask the process to end; `poll` makes sure of it."""
        if self.told_to_stop_at is None and self.process.is_alive():
            self.told_to_stop_at = time.monotonic()
            self.process.terminate()

    def pause(self) -> None:
        """Ask the run for a checkpoint, and to stop for now."""
        if self.process.pid is not None and self.process.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGUSR1)

    def kill(self) -> None:
        """End the process now."""
        self.process.kill()
        self.process.join()

    def _read_events(self) -> list[Event]:
        """The events that have arrived; the last message is the outcome and is kept."""
        events: list[Event] = []
        try:
            while self.pipe.poll():
                message = json.loads(self.pipe.recv_bytes())
                if "event" in message:
                    events.append(read_event(message))
                else:
                    self.told = outcome_of(message)
        except (EOFError, OSError):
            # The process is gone; its exit code says how.
            pass
        return events

    def _end_orphan(self) -> None:
        """Nobody tells any more when it ends, so it ends now: another attempt must not find it at work."""
        if self.process.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGKILL)

    def _insist(self) -> None:
        if self.told_to_stop_at is not None and time.monotonic() - self.told_to_stop_at > KILL_AFTER_SECONDS:
            self.process.kill()


class LocalExecutor:
    """Starts runs as forked processes. `run_function` is what they do: `peft_core.run.run` but in tests. `groups`: what
    starts those that train together; None: each trains alone."""

    def __init__(
        self,
        run_function: str = "peft_core.run:run",
        environment: dict[str, str] | None = None,
        groups: Groups | None = None,
    ) -> None:
        set_for_runs(environment or {})
        self._run_function = run_function
        self.groups = groups
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([PRELOAD])

    def slots(self, device: str) -> int:
        """One for each core; a GPU trains one run at a time."""
        return (os.cpu_count() or 1) if device == "cpu" else 1

    def shortage(self) -> str | None:
        """None: this machine is there, or the worker would not be."""
        return None

    def warm_up(self) -> None:
        """Start the process that runs are forked from, so that the first run need not wait for its imports."""
        process = self._context.Process(target=_nothing, daemon=True)
        process.start()
        process.join()

    def start(self, spec: RunSpec, share: Share, hub: Hub | None = None) -> RunningProcess:
        """Fork a process that does `spec` with this share of the machine. A hub's token goes through the pipe that
        arguments go through: it is in no environment and on no command line."""
        empty_scratch(spec.folder)
        receiving, sending = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=_run_in_child, args=(self._run_function, spec.model_dump_json(), share, hub, sending), daemon=True
        )
        process.start()
        sending.close()
        return RunningProcess(process, receiving)


def set_for_runs(environment: dict[str, str]) -> None:
    """Set what every run needs, and these variables, for this process and those that it forks."""
    os.environ.update(CHILD_ENVIRONMENT | environment)


def _nothing() -> None:
    """The first fork's work."""


def _run_in_child(run_function: str, spec_json: str, share: Share, hub: Hub | None, pipe: Connection) -> None:
    """The run's process: do the run, tell its events and its outcome through the pipe."""
    asked_to_pause = threading.Event()
    signal.signal(signal.SIGUSR1, lambda *_: asked_to_pause.set())
    threading.Thread(target=end_with_worker, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the worker decides what ends.

    def tell(message: dict[str, Any]) -> None:
        pipe.send_bytes(json.dumps(message).encode())

    def tell_event(event: Event) -> None:
        tell(event.model_dump(mode="json"))

    try:
        tell(do_run(run_function, spec_json, share, hub, tell_event, asked_to_pause.is_set))
    except BrokenPipeError:
        sys.exit(1)  # The worker is gone and nobody listens; another attempt will be made.


def do_run(
    run_function: str, spec_json: str, share: Share, hub: Hub | None, on_event: OnEvent, pause: Pause
) -> dict[str, Any]:
    """Do a run in this process, which must be its own; how it ended, as `outcome_of` reads it.

    Raises BrokenPipeError where `on_event` does, for then nobody listens.
    """
    keep_to(share)
    try:
        run: RunFunction = named(run_function)
        spec = RunSpec.model_validate_json(spec_json)
        adopt_earlier(spec)
        return {"result": run(spec, on_event, hub=hub, pause=pause).model_dump(mode="json")}
    except RunPaused:
        return {"paused": True}
    except BrokenPipeError:
        raise
    except Exception as error:
        # The boundary of a run: whatever broke becomes the reason that a person reads.
        return {"reason": reason_of(error), "details": traceback.format_exc()}


def keep_to(share: Share) -> None:
    """Keep this process to its share. Set before anything touches the devices: CUDA looks once, at its first call."""
    import torch

    torch.set_num_threads(share.threads)
    os.environ["CUDA_VISIBLE_DEVICES"] = visible_devices(share.device)
    if share.memory_bytes is not None and sys.platform == "linux":
        import resource

        held = psutil.Process().memory_info().data
        resource.setrlimit(resource.RLIMIT_DATA, (held + share.memory_bytes, resource.RLIM_INFINITY))


def visible_devices(device: str) -> str:
    """What CUDA_VISIBLE_DEVICES must say for a worker's device: none for a CPU's, one for cuda:N.

    N counts among what the worker itself was given.
    """
    if device == "cpu":
        return ""
    given = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    number = int(device.partition(":")[2] or 0)
    return given[number] if given else str(number)


def named(function: str) -> Any:
    """The function that `module:name` names."""
    module, name = function.split(":")
    return getattr(__import__(module, fromlist=[name]), name)


def adopt_earlier(spec: RunSpec) -> None:
    """Have a run go on from the furthest checkpoint that its earlier attempts have left beside its own folder."""
    earlier = [folder / CHECKPOINT for folder in spec.folder.parent.iterdir() if folder != spec.folder]
    adopt_checkpoint(earlier, spec.folder / CHECKPOINT)


def end_with_worker() -> None:
    """A killed worker leaves no orphan: its end of the sentinel closes with it. The fork server, whose child this is,
    lives as long as any of its children, so its death would tell nothing."""
    worker = multiprocessing.parent_process()
    assert worker is not None
    wait([worker.sentinel])
    os._exit(1)


def reason_of(error: Exception) -> str:
    """What a person reads of an error that ended a run."""
    if isinstance(error, PeftCoreError):
        return str(error)
    text = str(error).strip().splitlines()
    said = text[-1][:300] if text else "no message"
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return f"Out of memory ({said}). Use a smaller batch, a shorter length or a smaller model."
    return f"{type(error).__name__}: {said}. The run's log has the details."


def how_it_was_ended(exit_code: int | None) -> str:
    """What a person reads of a run whose process is gone without a word."""
    if exit_code is not None and exit_code < 0:
        name = signal.Signals(-exit_code).name
        hint = " The system does this when memory runs out: use a smaller batch." if name == "SIGKILL" else ""
        return f"The run's process was ended by {name}.{hint}"
    return f"The run's process ended by itself with code {exit_code} and said nothing."


def read_event(message: Any) -> Event:
    """An event as a run's process tells it. What is none is told in the run's log, and costs no other event."""
    try:
        return EVENTS.validate_python(message)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        return Log(message=f"left out of the record ({where}: {problem['msg']}): {str(message)[:MOST_QUOTED]}")


def outcome_of(message: dict[str, Any]) -> Outcome:
    """The last message of a run, read."""
    if "paused" in message:
        return Outcome(None, None, paused=True)
    if "result" not in message:
        return Outcome(None, str(storable(message["reason"])), str(storable(message["details"])))
    try:
        return Outcome(RunResult.model_validate(message["result"]), None)
    except ValidationError as error:
        return Outcome(None, "The run's result could not be read. The run's log has the details.", str(error))
