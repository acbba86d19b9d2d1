"""What is kept in the store, and what goes: tuning runs and probes keep nothing, reporting runs their adapter, and of
files as large as the base model only those of the first reporting seed. Of the database, what has run out goes, and by
the settings old logs; never what was measured."""

import shutil
import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import ColumnElement, Engine, delete, select
from sqlalchemy.orm import Session

from app.db.identity import AuditEntry, LoginAttempt, LoginSession
from app.db.session import database_now, system_session, write_lock
from app.db.tables import ArtifactRow, LogLineRow, Run
from app.services.run_queue import ClaimedRun
from app.services.store import object_path, objects
from app.settings import Settings
from peft_core.method import method_class
from peft_core.run_state import ADAPTER
from peft_core.spec import Artifact

UNREGISTERED_SECONDS = 3600.0
"""How old a file is at least before it counts as left behind: younger ones may be about to be registered."""

ATTEMPTS_KEPT = timedelta(days=1)
"""Longer than any login that was tried counts."""
RUNS_AT_ONCE = 100
"""In one transaction, so that nobody waits long for it."""
REMOVED = "This log was removed"


def worth_keeping(claim: ClaimedRun, artifacts: Sequence[Artifact]) -> tuple[Artifact, ...]:
    """Which of a finished run's files are registered."""
    if claim.spec.purpose != "report":
        return ()
    if claim.first_seed or not method_class(claim.spec.method).stores_whole_model:
        return tuple(artifacts)
    return tuple(artifact for artifact in artifacts if not artifact.path.startswith(f"{ADAPTER}/"))


def free_files(engine: Engine, store: Path, run_ids: Iterable[int], hashes: Iterable[str]) -> None:
    """Delete what deleted runs have left: their folders, and the files that no other run refers to."""
    wanted = set(hashes)
    for run_id in run_ids:
        shutil.rmtree(store / "runs" / str(run_id), ignore_errors=True)
    with system_session(engine) as session:
        for sha256 in wanted - _referred_to(session, wanted):
            object_path(store, sha256).unlink(missing_ok=True)


def sweep(engine: Engine, store: Path) -> None:
    """Delete what lost workers and interrupted deletions have left: folders of runs that neither run nor wait, and
    files that no run refers to."""
    # Before it is asked which runs wait: one that begins meanwhile has its folder after this.
    folders = list((store / "runs").glob("*"))
    with system_session(engine) as session:
        waiting = set(session.scalars(select(Run.id).where(Run.status.in_(("queued", "running")))))
        old = {path.name: path for path in objects(store) if time.time() - path.stat().st_mtime > UNREGISTERED_SECONDS}
        unknown = old.keys() - _referred_to(session, old.keys())
    for folder in folders:
        if not (folder.name.isdigit() and int(folder.name) in waiting):
            shutil.rmtree(folder, ignore_errors=True)
    for folder in (store / "jobs").glob("*"):
        if time.time() - folder.stat().st_mtime > UNREGISTERED_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
    for sha256 in unknown:
        old[sha256].unlink(missing_ok=True)


def forget(engine: Engine, settings: Settings) -> None:
    """Delete sessions and login attempts that count no more, and logs that are older than the settings keep them."""
    with system_session(engine) as session:
        now = database_now(session)
        session.execute(delete(LoginSession).where(LoginSession.expires_at < now))
        session.execute(delete(LoginAttempt).where(LoginAttempt.at < now - ATTEMPTS_KEPT))
        if settings.keep_audit_days is not None:
            session.execute(delete(AuditEntry).where(AuditEntry.at < now - timedelta(days=settings.keep_audit_days)))
    if settings.keep_log_days is not None:
        while _forget_logs(engine, settings.keep_log_days):
            pass


def _forget_logs(engine: Engine, days: int) -> bool:
    """Of some runs that ended so long ago; whether there may be more. A line in its place says where the log went."""
    with system_session(engine) as session:
        write_lock(session)
        now = database_now(session)
        ended = select(Run.id, Run.team_id).where(Run.ended_at < now - timedelta(days=days))
        told = select(LogLineRow.id).where(LogLineRow.run_id == Run.id, ~_says_removed()).exists()
        found = session.execute(ended.where(told).order_by(Run.id).limit(RUNS_AT_ONCE)).all()
        for run_id, team_id in found:
            _forget_log(session, run_id, team_id, days, now)
    return len(found) == RUNS_AT_ONCE


def _forget_log(session: Session, run_id: int, team_id: int, days: int, now: datetime) -> None:
    gone = session.execute(
        delete(LogLineRow).where(LogLineRow.run_id == run_id, ~_says_removed()).returning(LogLineRow.id)
    )
    count = len(gone.all())
    if count:
        words = f"{REMOVED} on {now:%Y-%m-%d}, with {count} lines: logs are kept for {days} days after a run has ended."
        session.add(LogLineRow(team_id=team_id, run_id=run_id, at=now, message=words))


def _says_removed() -> ColumnElement[bool]:
    return LogLineRow.message.startswith(REMOVED)


def _referred_to(session: Session, hashes: Iterable[str]) -> set[str]:
    wanted = set(hashes)
    return {found for found in session.scalars(select(ArtifactRow.sha256).distinct()) if found in wanted}
