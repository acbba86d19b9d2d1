"""What is kept in the store, and what goes: tuning runs and probes keep nothing, reporting runs their adapter, and of
files as large as the base model only those of the first reporting seed."""

import shutil
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.db.session import system_session
from app.db.tables import ArtifactRow, Run
from app.services.run_queue import ClaimedRun
from app.services.store import object_path, objects
from peft_core.method import method_class
from peft_core.run_state import ADAPTER
from peft_core.spec import Artifact

UNREGISTERED_SECONDS = 3600.0
"""How old a file is at least before it counts as left behind: younger ones may be about to be registered."""


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
    with system_session(engine) as session:
        waiting = set(session.scalars(select(Run.id).where(Run.status.in_(("queued", "running")))))
        old = {path.name: path for path in objects(store) if time.time() - path.stat().st_mtime > UNREGISTERED_SECONDS}
        unknown = old.keys() - _referred_to(session, old.keys())
    for folder in (store / "runs").glob("*"):
        if not (folder.name.isdigit() and int(folder.name) in waiting):
            shutil.rmtree(folder, ignore_errors=True)
    for folder in (store / "jobs").glob("*"):
        if time.time() - folder.stat().st_mtime > UNREGISTERED_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
    for sha256 in unknown:
        old[sha256].unlink(missing_ok=True)


def _referred_to(session: Session, hashes: Iterable[str]) -> set[str]:
    wanted = set(hashes)
    return {found for found in session.scalars(select(ArtifactRow.sha256).distinct()) if found in wanted}
