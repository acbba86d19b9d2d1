"""A run that a worker has claimed, and what the worker remembers of it."""

import time
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.exc import InterfaceError, OperationalError

from app.logs import about
from app.services.run_queue import ClaimedRun
from app.worker.executors.executor import Outcome, Running
from peft_core.spec import Event, storable

AWAY = (OperationalError, InterfaceError)
"""The database does not answer, which passes."""
MOST_QUOTED = 300
AWAY_WORDS = "the database did not answer, trying again: %s"


@dataclass
class ActiveRun:
    """A claimed run, what carries it out, and the events not yet written."""

    claim: ClaimedRun
    running: Running
    unwritten: list[Event] = field(default_factory=list)
    written_at: float = 0.0
    cancelled: bool = False
    lost: bool = False
    """Its lease is another attempt's now."""
    last_line: int = 0
    """The last one of its log that is known to be written."""
    again_at: float = 0.0
    """When it is looked at again, after what could not be written."""
    broken: Outcome | None = None
    """How it ends because the worker could not go on with it."""
    slot: int = 0
    """Runs that train together have the same one."""
    together: int = 1
    """How many runs began in its slot."""
    began_at: float = field(default_factory=time.monotonic)


def in_short(error: Exception) -> str:
    """An error as one line of a log says it."""
    said = " ".join(str(storable(str(error))).split())[:MOST_QUOTED]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def of(claim: ClaimedRun, event: str) -> dict[str, Any]:
    """What a line of the worker's log is about."""
    return about(event, claim.lease.run_id, claim.lease.attempt)
