"""How much an installation holds and does, over all teams: numbers for whoever watches over it."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from app.db.session import database_now, system_session
from app.db.tables import ArtifactRow, Attempt, Run, Worker
from app.services.workers import ALIVE_SECONDS, FORGOTTEN_AFTER

STATUSES = ("queued", "running", "succeeded", "failed", "cancelled")
OUTCOMES = ("succeeded", "failed", "cancelled", "lost", "returned", "parted")


@dataclass(frozen=True)
class InstallationCounts:
    """runs: by status; attempts: by outcome; workers: alive, paused (of those alive) and gone."""

    runs: dict[str, int]
    attempts: dict[str, int]
    workers: dict[str, int]
    oldest_queued_seconds: float
    store_files: int
    store_bytes: int


def count_installation(engine: Engine) -> InstallationCounts:
    """All of it as of one moment."""
    with system_session(engine) as session:
        by_status = _counted(session, Run.status)
        by_outcome = _counted(session, Attempt.outcome)
        files, size = registered_files(session)
        return InstallationCounts(
            runs={status: by_status.get(status, 0) for status in STATUSES},
            attempts={outcome: by_outcome.get(outcome, 0) for outcome in OUTCOMES},
            workers=_workers(session),
            oldest_queued_seconds=_oldest_queued(session),
            store_files=files,
            store_bytes=size,
        )


def _counted(session: Session, column: Any) -> dict[str | None, int]:
    return {row[0]: row[1] for row in session.execute(select(column, func.count()).group_by(column))}


def registered_files(session: Session) -> tuple[int, int]:
    """How many files the store has, and their size."""
    once = select(func.max(ArtifactRow.size_bytes).label("size")).group_by(ArtifactRow.sha256).subquery()
    files, size = session.execute(select(func.count(), func.coalesce(func.sum(once.c.size), 0)).select_from(once)).one()
    return int(files), int(size)


def _oldest_queued(session: Session) -> float:
    created = session.scalar(select(func.min(Run.created_at)).where(Run.status == "queued"))
    return 0.0 if created is None else max(0.0, (database_now(session) - created).total_seconds())


def _workers(session: Session) -> dict[str, int]:
    now = database_now(session)
    recent = list(session.scalars(select(Worker).where(Worker.heartbeat_at > now - FORGOTTEN_AFTER)))
    alive = [
        worker
        for worker in recent
        if worker.stopped_at is None and now - worker.heartbeat_at < timedelta(seconds=ALIVE_SECONDS)
    ]
    paused = sum(worker.paused_at is not None for worker in alive)
    return {"alive": len(alive), "paused": paused, "gone": len(recent) - len(alive)}
