"""Who works: the workers and their devices, judged alive by the database's clock."""

from datetime import datetime, timedelta

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.db.session import database_now, system_session
from app.db.tables import Run, Worker
from app.schemas import WorkerView

ALIVE_SECONDS = 15.0
FORGOTTEN_AFTER = timedelta(days=1)


def list_workers(engine: Engine) -> list[WorkerView]:
    """Workers seen in the last day, the newest first."""
    with system_session(engine) as session:
        now = database_now(session)
        recent = select(Worker).where(Worker.heartbeat_at > now - FORGOTTEN_AFTER).order_by(Worker.id.desc())
        return [_view(session, worker, now) for worker in session.scalars(recent)]


def _view(session: Session, worker: Worker, now: datetime) -> WorkerView:
    age = max(0.0, (now - worker.heartbeat_at).total_seconds())
    running = select(Run.id).where(Run.worker_id == worker.id, Run.status == "running").order_by(Run.id).limit(1)
    return WorkerView(
        id=worker.id,
        name=worker.name,
        device=worker.device,
        device_info=worker.device_info,
        alive=worker.stopped_at is None and age < ALIVE_SECONDS,
        started_at=worker.started_at,
        heartbeat_at=worker.heartbeat_at,
        seconds_since_heartbeat=age,
        run_id=session.scalar(running),
    )
