"""What the worker's loop needs of whatever carries out its runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from peft_core.hub_access import Hub
from peft_core.spec import Event, RunResult, RunSpec


@dataclass(frozen=True)
class Outcome:
    """How a run ended: a result, a reason with the log lines that explain it, or paused at a checkpoint.

    A reason beside `paused` says why, where nobody asked for it. `lost`: what it ran on went away under it, so that the
    run is worth another attempt elsewhere. `parted`: what ended it may be of the runs it trained with, so that it is
    worth another attempt by itself.
    """

    result: RunResult | None
    reason: str | None
    details: str | None = None
    paused: bool = False
    lost: bool = False
    parted: bool = False


@dataclass(frozen=True)
class Share:
    """What of the machine a run's process may use. `device`: cpu, cuda or cuda:N."""

    threads: int
    device: str = "cpu"
    memory_bytes: int | None = None


class Running(Protocol):
    """A run that was started. None of these waits for the run, but `kill`."""

    def poll(self) -> tuple[list[Event], Outcome | None]:
        """The events that have arrived since the last call, and how the run ended; None while it runs.

        With the outcome come the last events; asked again, it is the same outcome.
        """

    def stop(self) -> None:
        """End the run soon, by force where it does not comply; `poll` tells when it has ended."""

    def pause(self) -> None:
        """Ask the run for a checkpoint, and to stop for now."""

    def kill(self) -> None:
        """End the run now, whatever it does. Nobody asks for its outcome."""


class Groups(Protocol):
    """Starts runs that train together in one process."""

    def start(self, specs: Sequence[RunSpec], share: Share, hub: Hub | None = None) -> Sequence[Running]:
        """Start runs of one study with one share of a machine. Each is one's own to follow, stop and pause: what
        becomes of it touches none of the others."""


class Executor(Protocol):
    """Starts runs."""

    @property
    def groups(self) -> Groups | None:
        """What starts runs that train together; None where each trains alone."""

    def slots(self, device: str) -> int:
        """How many quality runs there is room for side by side, on a worker's device."""

    def warm_up(self) -> None:
        """Do once what the first run would otherwise wait for."""

    def shortage(self) -> str | None:
        """What a run needs and is not there at present, in a sentence; None: runs can start."""

    def start(self, spec: RunSpec, share: Share, hub: Hub | None = None) -> Running:
        """Start `spec` with this share of a machine. hub: where it downloads what it lacks, with the token that its
        team does so with; None where nothing of it comes from a hub."""


@dataclass(frozen=True)
class NotStarted:
    """In the place of a run that could not be started: it has ended already."""

    outcome: Outcome

    def poll(self) -> tuple[list[Event], Outcome | None]:
        return [], self.outcome

    def stop(self) -> None:
        pass

    def pause(self) -> None:
        pass

    def kill(self) -> None:
        pass
