"""A process that claims runs without doing them: `python -m tests.faults.claimant race | groups | stale`.

race: waits for a line, then claims and finishes until nothing is left, and says what it got. groups: the same, up to
five runs at a time, as those that train together are. stale: claims one run, says which, waits for a line, and says
what became of each write it then tried.
"""

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Engine, select
from sqlalchemy.exc import OperationalError

from app.db.session import make_engine, system_session
from app.db.tables import Run
from app.errors import LeaseLost
from app.services import run_queue
from app.services.companions import claim_companions
from app.services.run_queue import ClaimedRun
from app.settings import Settings
from peft_core.spec import Event, Measurement, Point, Predictions, RunResult

T = TypeVar("T")
OTHERS = {"race": 0, "groups": 4}
"""How many runs are claimed beside the first."""
DONE = RunResult(validation_score=0.5, train_seconds=1.0, artifacts=(), environment={})
STALE: list[Event] = [
    Point(key="train_loss", step=1, value=-1.0),
    Measurement(metric="task_performance", value=-1.0),
    Predictions(items=(0,), predicted=("stale",), scores=(-1.0,)),
]


def tried(do: Callable[[], T]) -> T:
    """As the worker does it."""
    while True:
        try:
            return do()
        except OperationalError:
            continue


def claim(engine: Engine, worker: int, lease_seconds: float) -> ClaimedRun | None:
    return next(iter(claim_together(engine, worker, lease_seconds, 0)), None)


def claim_together(engine: Engine, worker: int, lease_seconds: float, others: int) -> list[ClaimedRun]:
    how: Any = {"store": Path("s"), "lease_seconds": lease_seconds}
    with system_session(engine) as session:
        first = run_queue.claim_next_run(session, worker, alone=True, **how)
        if first is None:
            return []
        return [first, *claim_companions(session, worker, first, lambda waiting: waiting[:others], **how)]


def finish(engine: Engine, found: ClaimedRun) -> None:
    with system_session(engine) as session:
        run_queue.finish_run(session, found, DONE, ())


def race(engine: Engine, worker: int, lease_seconds: float, others: int) -> list[tuple[int, int]]:
    """Run and attempt of each claim."""
    taken = []
    while tried(partial(something_waits, engine)):
        # Nothing may be had while another worker claims a run of the same study.
        for found in tried(lambda: claim_together(engine, worker, lease_seconds, others)):
            taken.append((found.lease.run_id, found.lease.attempt))
            tried(partial(finish, engine, found))
        # SQLite gives its lock to whoever comes by: without a break the others would hardly get it.
        time.sleep(0.01)
    return taken


def something_waits(engine: Engine) -> bool:
    with system_session(engine) as session:
        return session.scalar(select(Run.id).where(Run.status == "queued").limit(1)) is not None


def stale(engine: Engine, worker: int, lease_seconds: float) -> dict[str, str]:
    """What became of each kind of write about a run that is another attempt's by now."""
    found = claim(engine, worker, lease_seconds)
    assert found is not None
    say({"run": found.lease.run_id, "attempt": found.lease.attempt})
    sys.stdin.readline()
    writes: dict[str, Callable[[Any], Any]] = {
        "record": lambda session: run_queue.record_events(session, found.lease, STALE),
        "renew": lambda session: run_queue.renew_lease(session, found.lease, lease_seconds),
        "finish": lambda session: run_queue.finish_run(session, found, DONE, ()),
        "fail": lambda session: run_queue.fail_run(session, found, "stale"),
        "cancel": lambda session: run_queue.cancel_run(session, found),
        "give back": lambda session: run_queue.give_back(session, found.lease),
    }
    return {name: _outcome(engine, write) for name, write in writes.items()}


def _outcome(engine: Engine, write: Callable[[Any], Any]) -> str:
    try:
        with system_session(engine) as session:
            write(session)
    except LeaseLost:
        return "refused"
    return "written"


def say(what: Any) -> None:
    print(json.dumps(what), flush=True)


def main() -> None:
    settings = Settings()
    engine = make_engine(settings.database)
    with system_session(engine) as session:
        worker = run_queue.register_worker(session, "claimant", "cpu", {})
    if sys.argv[1] in OTHERS:
        say("ready")
        sys.stdin.readline()
        say(race(engine, worker, settings.lease_seconds, OTHERS[sys.argv[1]]))
    else:
        say(stale(engine, worker, settings.lease_seconds))


if __name__ == "__main__":
    main()
