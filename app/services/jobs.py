"""Interactive jobs: short work that somebody waits for and only a worker can do, for it needs torch.

queued -> running -> succeeded | failed. A worker claims them before any run, also while it trains; a cost probe, which
has its device alone, is waited for. A job that nobody waits for any more is not begun.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, delete, select, update
from sqlalchemy.orm import Session

from app.db.session import database_now, system_session, team_session, write_lock
from app.db.tables import ArtifactRow, Job, Run, Worker
from app.errors import Conflict, Unavailable
from app.language import mark, tr
from app.schemas import JobKind
from app.services.callers import Caller
from app.services.workers import ALIVE_SECONDS
from peft_core.spec import Artifact

LIMIT_SECONDS = 30.0
"""How long a job may take once it has begun, and wait for a worker that no probe keeps."""
PROBE_SECONDS = 60.0
"""How long a cost probe may keep its device from a job."""
NOTICE_SECONDS = 5.0
"""What a worker has to say that a job took too long."""
POLL_SECONDS = 0.1
KEPT = timedelta(hours=1)

NO_WORKER = mark(
    "No worker is running. Start one with `peft-atlas worker` (or everything with `make run`) and ask again."
)
ALL_PAUSED = mark("Every worker is paused. Resume one on the Queue page and ask again.")


@dataclass(frozen=True)
class ClaimedJob:
    """A job that is this worker's, with the files of its run."""

    id: int
    team_id: int
    run_id: int
    kind: str
    request: dict[str, Any]
    files: tuple[Artifact, ...]


@dataclass(frozen=True)
class Answered:
    """A job that was done, by whom, and how long it had waited until it was begun."""

    result: dict[str, Any]
    worker: str
    waited_seconds: float


@dataclass(frozen=True)
class _Standing:
    """How a job stands, in seconds of the database's clock."""

    status: str
    result: dict[str, Any] | None
    reason: str | None
    worker: str
    waited: float
    worked: float
    workers: Sequence[Worker]
    probing: bool


def ask(engine: Engine, caller: Caller, run_id: int, kind: JobKind, request: dict[str, Any]) -> int:
    """Queue a job about a run that ended well; its id. Raises Unavailable where no worker could do it."""
    with team_session(engine, caller.team_id) as session:
        write_lock(session)
        _refuse_without_worker(_alive(session))
        job = Job(run_id=run_id, kind=kind, request=request, created_at=database_now(session))
        session.add(job)
        session.flush()
        return job.id


async def answer(engine: Engine, caller: Caller, job_id: int) -> Answered:
    """Wait for a job's end. Raises Conflict with the reason it failed for, and Unavailable where no worker does it in
    time; it is not begun then."""
    while True:
        standing = await asyncio.to_thread(_standing, engine, caller, job_id)
        if standing.status == "succeeded":
            assert standing.result is not None
            return Answered(standing.result, standing.worker, standing.waited)
        if standing.status == "failed":
            raise Conflict(standing.reason or tr("The job failed and said nothing."))
        if (reason := _why_give_up(standing)) is not None:
            await asyncio.to_thread(_give_up, engine, caller, job_id, reason)
            raise Unavailable(reason)
        await asyncio.sleep(POLL_SECONDS)


def _standing(engine: Engine, caller: Caller, job_id: int) -> _Standing:
    with team_session(engine, caller.team_id) as session:
        now = database_now(session)
        job = session.get_one(Job, job_id)
        begun, alive = job.started_at, _alive(session)
        worker = session.get(Worker, job.worker_id) if job.worker_id is not None else None
        return _Standing(
            status=job.status,
            result=job.result,
            reason=job.reason,
            worker=worker.name if worker else "",
            waited=((begun or now) - job.created_at).total_seconds(),
            worked=(now - begun).total_seconds() if begun else 0.0,
            workers=alive,
            probing=_any_probe(session, alive),
        )


def _alive(session: Session) -> list[Worker]:
    since = database_now(session) - timedelta(seconds=ALIVE_SECONDS)
    return list(session.scalars(select(Worker).where(Worker.stopped_at.is_(None), Worker.heartbeat_at > since)))


def _any_probe(session: Session, workers: Sequence[Worker]) -> bool:
    """Whether a probe runs on one of these workers: any team's, so the product itself looks."""
    ids = [worker.id for worker in workers]
    with system_session(session.get_bind()) as unscoped:  # type: ignore[arg-type]
        probing = select(Run.id).where(Run.status == "running", Run.purpose == "probe", Run.worker_id.in_(ids))
        return unscoped.scalar(probing.limit(1)) is not None


def _refuse_without_worker(workers: Sequence[Worker]) -> None:
    if not workers:
        raise Unavailable(tr(NO_WORKER))
    if all(worker.paused_at is not None for worker in workers):
        raise Unavailable(tr(ALL_PAUSED))


def _why_give_up(standing: _Standing) -> str | None:
    if standing.status == "running":
        lost = standing.worked > LIMIT_SECONDS + NOTICE_SECONDS
        return tr("The worker {worker} was lost over this. Ask again.", worker=standing.worker) if lost else None
    if not standing.workers:
        return tr(NO_WORKER)
    patience = LIMIT_SECONDS + (PROBE_SECONDS if standing.probing else 0.0)
    if standing.waited <= patience:
        return None
    if standing.probing:
        return tr("A cost probe has had the device alone all the time. Ask again in a minute.")
    seconds = round(LIMIT_SECONDS)
    return tr("No worker got to it in {seconds} s. Look at the Queue page, and ask again.", seconds=seconds)


def _give_up(engine: Engine, caller: Caller, job_id: int, reason: str) -> None:
    with team_session(engine, caller.team_id) as session:
        write_lock(session)
        _end(session, job_id, database_now(session), status="failed", reason=reason)


def any_waiting(session: Session) -> bool:
    """Whether it is worth claiming: asked ten times a second, so without a lock."""
    return session.scalar(select(Job.id).where(Job.status == "queued").limit(1)) is not None


def claim_next_job(session: Session, worker_id: int) -> ClaimedJob | None:
    """The job that has waited longest, now this worker's; None where there is none, or the worker is paused."""
    write_lock(session)
    now = database_now(session)
    recent = now - timedelta(seconds=LIMIT_SECONDS + PROBE_SECONDS)
    waiting = select(Job).where(Job.status == "queued", Job.created_at > recent).order_by(Job.id).limit(1)
    job = session.scalar(waiting.with_for_update(skip_locked=True))
    if job is None or session.get_one(Worker, worker_id).paused_at is not None:
        return None
    job.status, job.worker_id, job.started_at = "running", worker_id, now
    rows = session.scalars(select(ArtifactRow).where(ArtifactRow.run_id == job.run_id))
    files = tuple(Artifact(path=row.path, size_bytes=row.size_bytes, sha256=row.sha256) for row in rows)
    return ClaimedJob(
        id=job.id,
        team_id=job.team_id,
        run_id=job.run_id,
        kind=job.kind,
        request=job.request,
        files=files,
    )


def finish_job(session: Session, job: ClaimedJob, result: dict[str, Any], files: Sequence[Artifact]) -> None:
    """The job was done; files that it made are the run's from now on."""
    write_lock(session)
    there = set(session.scalars(select(ArtifactRow.path).where(ArtifactRow.run_id == job.run_id)))
    for file in files:
        if file.path not in there:
            session.add(ArtifactRow(run_id=job.run_id, team_id=job.team_id, **file.model_dump()))
    _end(session, job.id, database_now(session), status="succeeded", result=result)


def fail_job(session: Session, job: ClaimedJob, reason: str) -> None:
    """The job could not be done; `reason` says why and what to do."""
    write_lock(session)
    _end(session, job.id, database_now(session), status="failed", reason=reason)


def forget_old_jobs(session: Session) -> None:
    """Delete what was asked an hour ago and more: a question is somebody's text, and nobody reads it again."""
    session.execute(delete(Job).where(Job.created_at < database_now(session) - KEPT))


def _end(session: Session, job_id: int, now: datetime, **values: Any) -> None:
    """A job that has ended stays as it ended."""
    unfinished = (Job.id == job_id, Job.status.in_(("queued", "running")))
    ended = update(Job).where(*unfinished).values(ended_at=now, **values)
    session.execute(ended.execution_options(synchronize_session=False))
