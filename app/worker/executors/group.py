"""Runs that train together: one forked process for all of them, and for each its own word in it.

Everything goes through one pair of sockets. The process tells events and ends, each with its run's id; the worker
answers with the ids of runs that shall leave, which the training asks for after each of their steps. A run that was
told to leave counts as gone soon after, whether the process has come to it yet or not: what it still says is not
heard, so that nobody waits for the others' step, and none of them is ended for it.

Only what a run says of itself ends it for good: a result, a pause, a reason of its own. Whatever else happens (memory
runs out, the process is killed, something breaks) may be of the others' making: the run goes back and is tried alone.
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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import TYPE_CHECKING, Any

from app.services.store import empty_scratch
from app.worker.executors.executor import Outcome, Share
from app.worker.executors.local import (
    FORK_SERVER_GONE,
    KILL_AFTER_SECONDS,
    adopt_earlier,
    end_with_worker,
    how_it_was_ended,
    keep_to,
    named,
    outcome_of,
    read_event,
    reason_of,
)
from peft_core.errors import PeftCoreError, RunPaused
from peft_core.hub_access import Hub
from peft_core.out_of_memory import OUT_OF_MEMORY
from peft_core.spec import Event, RunResult, RunSpec

if TYPE_CHECKING:
    from peft_core.fused.group import Seat

TOGETHER = "peft_core.fused.group:run_together"
LEFT = "It was asked to leave the runs that it trained with."
ALONE_NEXT = "It trained together with other runs and is tried again alone."


@dataclass
class Group:
    """The process of several runs, and what it has told of each that the worker has not asked for yet."""

    process: ForkServerProcess
    pipe: Connection
    told: dict[int, list[Event]]
    """Of the runs that are still in it."""
    ended: dict[int, Outcome] = field(default_factory=dict)
    nothing_left_since: float | None = None

    def outcome(self, run_id: int) -> Outcome | None:
        """How a run ended, as far as has been told. The last ones are told when the process has ended: what follows may
        want the device for itself."""
        alive = self.process.is_alive()
        # Read after that: of a process that has ended, nothing more can come.
        self._read()
        if not alive:
            self.process.join()
            if run_id not in self.ended:
                self.ended[run_id] = self._how_all_ended()
        elif self._has_nothing_left():
            self._insist()
            return None
        return self.ended.get(run_id)

    def ask_to_leave(self, run_id: int) -> None:
        """Reach one run in the process; one that is gone hears nothing."""
        with contextlib.suppress(OSError):
            self.pipe.send_bytes(str(run_id).encode())

    def give_up(self, run_id: int) -> None:
        """What a run still says is not heard any more. With the last run the process ends."""
        self.told.pop(run_id, None)
        if self._has_nothing_left():
            self.process.kill()
            self.process.join()

    def _has_nothing_left(self) -> bool:
        return not self.told.keys() - self.ended.keys()

    def _insist(self) -> None:
        self.nothing_left_since = self.nothing_left_since or time.monotonic()
        if time.monotonic() - self.nothing_left_since > KILL_AFTER_SECONDS:
            self.process.kill()

    def _read(self) -> None:
        try:
            while self.pipe.poll():
                message = json.loads(self.pipe.recv_bytes())
                self._take(message["run"], message["says"])
        except (EOFError, OSError):
            # The process is gone; its exit code says how.
            pass

    def _take(self, run_id: int, says: dict[str, Any]) -> None:
        if run_id not in self.told:
            return
        if "event" in says:
            self.told[run_id].append(read_event(says))
        elif "parted" in says:
            crowded = says["parted"].startswith(OUT_OF_MEMORY)
            self.ended[run_id] = Outcome(None, says["parted"], says["details"], parted=True, crowded=crowded)
        else:
            self.ended[run_id] = outcome_of(says)

    def _how_all_ended(self) -> Outcome:
        if self.process.exitcode == FORK_SERVER_GONE:
            self._end_orphan()
            return Outcome(None, "the process that runs are forked from was ended", lost=True)
        how = f"{how_it_was_ended(self.process.exitcode)} {ALONE_NEXT}"
        # The system does this when memory runs out.
        return Outcome(None, how, parted=True, crowded=self.process.exitcode == -signal.SIGKILL)

    def _end_orphan(self) -> None:
        """Nobody tells any more when it ends, so it ends now: another attempt must not find it at work."""
        if self.process.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGKILL)


@dataclass
class Member:
    """One run of a group."""

    group: Group
    run_id: int
    told_to_stop_at: float | None = None
    gone: bool = False

    def poll(self) -> tuple[list[Event], Outcome | None]:
        """The events that have arrived since the last call, and how the run ended; None while it runs."""
        if self.gone:
            return [], Outcome(None, LEFT)
        outcome = self.group.outcome(self.run_id)
        events, self.group.told[self.run_id] = self.group.told[self.run_id], []
        if self.told_to_stop_at is None:
            return events, outcome
        if outcome is None and time.monotonic() - self.told_to_stop_at <= KILL_AFTER_SECONDS:
            return events, None
        if outcome is not None and outcome.result is not None:
            return events, outcome
        self.kill()
        return events, Outcome(None, LEFT)

    def stop(self) -> None:
        """Have it leave, and count it as gone soon."""
        if self.told_to_stop_at is None:
            self.told_to_stop_at = time.monotonic()
            self.group.ask_to_leave(self.run_id)

    def pause(self) -> None:
        """Ask the run for a checkpoint, and to stop for now."""
        self.group.ask_to_leave(self.run_id)

    def kill(self) -> None:
        """It is gone as of now; the others go on."""
        if not self.gone:
            self.gone = True
            self.group.ask_to_leave(self.run_id)
            self.group.give_up(self.run_id)


class LocalGroups:
    """Starts groups as forked processes. `function` is what they do, `run_together` but in tests."""

    def __init__(self, function: str = TOGETHER) -> None:
        self._function = function
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")

    def start(self, specs: Sequence[RunSpec], share: Share, hub: Hub | None = None) -> Sequence[Member]:
        """Fork one process that does all of `specs` with this share of the machine."""
        for spec in specs:
            empty_scratch(spec.folder)
        ours, theirs = self._context.Pipe(duplex=True)
        told = [spec.model_dump_json() for spec in specs]
        arguments = (self._function, told, share, hub, theirs)
        process = self._context.Process(target=_run_in_child, args=arguments, daemon=True)
        process.start()
        theirs.close()
        group = Group(process, ours, {spec.run_id: [] for spec in specs})
        return [Member(group, spec.run_id) for spec in specs]


class Telling:
    """The process's side: what runs say, and which of them shall leave."""

    def __init__(self, pipe: Connection, runs: Sequence[int]) -> None:
        self._pipe = pipe
        self._open = set(runs)
        self._leaving: set[int] = set()
        threading.Thread(target=self._listen, daemon=True).start()

    def shall_leave(self, run_id: int) -> bool:
        return run_id in self._leaving

    def tell(self, run_id: int, event: Event) -> None:
        """Raises BrokenPipeError where nobody listens any more."""
        self._say(run_id, event.model_dump(mode="json"))

    def end(self, seat: "Seat", end: RunResult | Exception) -> None:
        """How a run ended, once: what comes first counts."""
        if seat.spec.run_id in self._open:
            self._open.remove(seat.spec.run_id)
            self._say(seat.spec.run_id, _end(end))

    def end_all(self, error: Exception) -> None:
        """What broke is none of theirs, as far as one can tell."""
        for run_id in sorted(self._open):
            self._say(run_id, _parted(error))

    def _say(self, run_id: int, says: dict[str, Any]) -> None:
        self._pipe.send_bytes(json.dumps({"run": run_id, "says": says}).encode())

    def _listen(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                self._leaving.add(int(self._pipe.recv_bytes()))


def _run_in_child(function: str, told: Sequence[str], share: Share, hub: Hub | None, pipe: Connection) -> None:
    """The group's process: train, tell of each run what happens and how it ended."""
    threading.Thread(target=end_with_worker, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the worker decides what ends.
    specs = [RunSpec.model_validate_json(text) for text in told]
    telling = Telling(pipe, [spec.run_id for spec in specs])
    try:
        _train(named(function), specs, share, hub, telling)
    except BrokenPipeError:
        sys.exit(1)  # The worker is gone and nobody listens; another attempt will be made.


def _train(
    together: Callable[..., None], specs: Sequence[RunSpec], share: Share, hub: Hub | None, telling: Telling
) -> None:
    from peft_core.fused.group import Seat

    try:
        keep_to(share)
        seats = [
            Seat(spec, partial(telling.tell, spec.run_id), partial(telling.shall_leave, spec.run_id)) for spec in specs
        ]
        together([seat for seat in seats if _is_ready(seat, telling)], telling.end, hub=hub)
    except BrokenPipeError:
        raise
    except Exception as error:
        telling.end_all(error)


def _is_ready(seat: "Seat", telling: Telling) -> bool:
    """Give a run what its earlier attempts have left; one that is gone meanwhile has no folder any more, and whatever
    else goes wrong here ends nobody else."""
    try:
        adopt_earlier(seat.spec)
    except Exception as error:
        telling.end(seat, error)
        return False
    return True


def _end(end: RunResult | Exception) -> dict[str, Any]:
    if isinstance(end, RunResult):
        return {"result": end.model_dump(mode="json")}
    if isinstance(end, RunPaused):
        return {"paused": True}
    if isinstance(end, PeftCoreError) and not str(end).startswith(OUT_OF_MEMORY):
        return {"reason": reason_of(end), "details": "".join(traceback.format_exception(end))}
    return _parted(end)


def _parted(error: Exception) -> dict[str, Any]:
    return {"parted": f"{reason_of(error)} {ALONE_NEXT}", "details": "".join(traceback.format_exception(error))}
