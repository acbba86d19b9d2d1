"""Who works: the workers and their devices, judged alive by the database's clock; and pausing one."""

from datetime import datetime, timedelta

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from app.db.session import database_now, system_session
from app.db.tables import Run, Worker
from app.errors import Conflict, NotFound
from app.language import tr
from app.schemas import WorkerView
from app.services.callers import Caller

ALIVE_SECONDS = 15.0
FORGOTTEN_AFTER = timedelta(days=1)


def list_workers(engine: Engine, caller: Caller) -> list[WorkerView]:
    """Workers seen in the last day, the newest first."""
    with system_session(engine) as session:
        now = database_now(session)
        recent = select(Worker).where(Worker.heartbeat_at > now - FORGOTTEN_AFTER).order_by(Worker.id.desc())
        return [_view(session, caller, worker, now) for worker in session.scalars(recent)]


def pause_worker(engine: Engine, caller: Caller, worker_id: int) -> WorkerView:
    """Have it claim nothing more until it is resumed or its process ends; what it runs, it finishes.

    Raises NotFound, and Conflict where it has stopped.
    """
    with system_session(engine) as session:
        now = database_now(session)
        worker = _working(session, worker_id)
        worker.paused_at = worker.paused_at or now
        return _view(session, caller, worker, now)


def resume_worker(engine: Engine, caller: Caller, worker_id: int) -> WorkerView:
    """Have it claim again. Raises NotFound, and Conflict where it has stopped."""
    with system_session(engine) as session:
        worker = _working(session, worker_id)
        worker.paused_at = None
        return _view(session, caller, worker, database_now(session))


def free_slots_elsewhere(session: Session, worker_id: int) -> int:
    """How many more runs the other workers of the same kind of device could begin now. Runs that train together count
    one by one, so that a worker with a group may have more slots than this says."""
    now, own = database_now(session), session.get_one(Worker, worker_id)
    running = (
        select(func.count()).where(Run.worker_id == Worker.id, Run.status == "running").correlate(Worker)
    ).scalar_subquery()
    others = select(Worker, running).where(
        Worker.id != worker_id,
        Worker.stopped_at.is_(None),
        Worker.paused_at.is_(None),
        Worker.heartbeat_at > now - timedelta(seconds=ALIVE_SECONDS),
    )
    kind = _kind(own.device)
    return sum(
        max(0, _slots(worker) - busy) for worker, busy in session.execute(others) if _kind(worker.device) == kind
    )


def _kind(device: str) -> str:
    return device.split(":", maxsplit=1)[0]


def _slots(worker: Worker) -> int:
    said = worker.device_info.get("slots")
    return said if isinstance(said, int) else 1


def _working(session: Session, worker_id: int) -> Worker:
    worker = session.get(Worker, worker_id)
    if worker is None:
        raise NotFound(tr("There is no worker {worker_id}.", worker_id=worker_id))
    if worker.stopped_at is not None:
        raise Conflict(tr("Worker {worker} has stopped. Start one with `peft-atlas worker`.", worker=worker.name))
    return worker


def _view(session: Session, caller: Caller, worker: Worker, now: datetime) -> WorkerView:
    age = max(0.0, (now - worker.heartbeat_at).total_seconds())
    running = select(Run.id, Run.team_id).where(Run.worker_id == worker.id, Run.status == "running").order_by(Run.id)
    found = session.execute(running).all()
    return WorkerView(
        id=worker.id,
        name=worker.name,
        device=worker.device,
        device_info=worker.device_info,
        alive=worker.stopped_at is None and age < ALIVE_SECONDS,
        paused=worker.paused_at is not None,
        started_at=worker.started_at,
        heartbeat_at=worker.heartbeat_at,
        seconds_since_heartbeat=age,
        busy=bool(found),
        run_id=next((run_id for run_id, team_id in found if team_id == caller.team_id), None),
    )
