"""Running runs on this machine, each in a process of its own, forked from one that has torch imported already.

A run's peak memory is then its own, and a run that crashes takes nothing with it.
"""

import json
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any

from pydantic import TypeAdapter

from app.services.store import empty_scratch
from peft_core.errors import PeftCoreError
from peft_core.spec import Event, OnEvent, RunResult, RunSpec

RunFunction = Callable[[RunSpec, OnEvent], RunResult]
PRELOAD = "peft_core.preload"
KILL_AFTER_SECONDS = 2.0
EVENTS: TypeAdapter[Event] = TypeAdapter(Event)
CHILD_ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_DISABLE_TELEMETRY": "1"}
"""A run asks no hub unless the settings say so, and forked tokenizers must not start threads of their own."""


@dataclass(frozen=True)
class Outcome:
    """How a run's process ended: a result, or a reason with the log lines that explain it."""

    result: RunResult | None
    reason: str | None
    details: str | None = None


@dataclass
class RunningProcess:
    """A run's process and the pipe its events come through."""

    process: ForkServerProcess
    pipe: Connection
    started: float = field(default_factory=time.monotonic)
    outcome: Outcome | None = None
    told_to_stop_at: float | None = None

    def read_events(self) -> list[Event]:
        """The events that have arrived; the last message is the outcome and is kept."""
        events: list[Event] = []
        try:
            while self.pipe.poll():
                message = json.loads(self.pipe.recv_bytes())
                if "event" in message:
                    events.append(EVENTS.validate_python(message))
                else:
                    self.outcome = _outcome(message)
        except (EOFError, OSError):
            # The process is gone; `ended` says how.
            pass
        return events

    def ended(self) -> Outcome | None:
        """How the run ended, None while it runs. Read the events first."""
        if self.process.is_alive():
            self._insist()
            return None
        self.process.join()
        if self.outcome is not None:
            return self.outcome
        return Outcome(None, _killed(self.process.exitcode))

    def stop(self) -> None:
        """Ask the process to end; `ended` makes sure of it."""
        if self.told_to_stop_at is None and self.process.is_alive():
            self.told_to_stop_at = time.monotonic()
            self.process.terminate()

    def _insist(self) -> None:
        if self.told_to_stop_at is not None and time.monotonic() - self.told_to_stop_at > KILL_AFTER_SECONDS:
            self.process.kill()


class LocalExecutor:
    """Starts runs as forked processes. `run_function` is what they do: `peft_core.run.run` but in tests."""

    def __init__(self, run_function: str = "peft_core.run:run", environment: dict[str, str] | None = None) -> None:
        os.environ.update(CHILD_ENVIRONMENT | (environment or {}))
        self._run_function = run_function
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([PRELOAD])

    def warm_up(self) -> None:
        """Start the process that runs are forked from, so that the first run need not wait for its imports."""
        process = self._context.Process(target=_nothing, daemon=True)
        process.start()
        process.join()

    def start(self, spec: RunSpec, threads: int) -> RunningProcess:
        """Fork a process that does `spec` with so many CPU threads."""
        empty_scratch(spec.folder)
        receiving, sending = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=_run_in_child, args=(self._run_function, spec.model_dump_json(), threads, sending), daemon=True
        )
        process.start()
        sending.close()
        return RunningProcess(process, receiving)


def _nothing() -> None:
    """The first fork's work."""


def _run_in_child(run_function: str, spec_json: str, threads: int, pipe: Connection) -> None:
    """The run's process: do the run, tell its events and its outcome through the pipe."""
    threading.Thread(target=_end_with_worker, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the worker decides what ends.
    import torch

    torch.set_num_threads(threads)

    def tell(message: dict[str, Any]) -> None:
        pipe.send_bytes(json.dumps(message).encode())

    try:
        module, name = run_function.split(":")
        run: RunFunction = getattr(__import__(module, fromlist=[name]), name)
        result = run(RunSpec.model_validate_json(spec_json), lambda event: tell(event.model_dump(mode="json")))
        tell({"result": result.model_dump(mode="json")})
    except BrokenPipeError:
        sys.exit(1)  # The worker is gone and nobody listens; another attempt will be made.
    except Exception as error:
        # The boundary of a run: whatever broke becomes the reason that a person reads.
        tell({"reason": _reason(error), "details": traceback.format_exc()})


def _end_with_worker() -> None:
    """A killed worker leaves no orphan: its end of the sentinel closes with it. The fork server, whose child this is,
    lives as long as any of its children, so its death would tell nothing."""
    worker = multiprocessing.parent_process()
    assert worker is not None
    wait([worker.sentinel])
    os._exit(1)


def _reason(error: Exception) -> str:
    if isinstance(error, PeftCoreError):
        return str(error)
    text = str(error).strip().splitlines()
    said = text[-1][:300] if text else "no message"
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return f"Out of memory ({said}). Use a smaller batch, a shorter length or a smaller model."
    return f"{type(error).__name__}: {said}. The run's log has the details."


def _killed(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        name = signal.Signals(-exit_code).name
        hint = " The system does this when memory runs out: use a smaller batch." if name == "SIGKILL" else ""
        return f"The run's process was ended by {name}.{hint}"
    return f"The run's process ended by itself with code {exit_code} and said nothing."


def _outcome(message: dict[str, Any]) -> Outcome:
    if "result" in message:
        return Outcome(RunResult.model_validate(message["result"]), None)
    return Outcome(None, message["reason"], message["details"])
