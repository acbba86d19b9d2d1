"""Runs that train together with one that was claimed, each claimed with a lease of its own."""

import contextlib
import secrets
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from app.db.session import database_now
from app.db.tables import Attempt, Configuration, Run, Study, Worker
from app.services.run_queue import ClaimedRun, Lease, last_line, rate_known, run_spec, take
from peft_core.spec import RunSpec

MOST_CONSIDERED = 64
"""How many runs behind a claimed one are looked at."""
ALONE_AFTER = ("parted", "lost")
"""How an attempt ended after which its run shares passes no more."""


def claim_companions(
    session: Session,
    worker_id: int,
    first: ClaimedRun,
    choose: Callable[[Sequence[RunSpec]], Sequence[RunSpec]],
    *,
    store: Path,
    lease_seconds: float,
    checkpoint_seconds: float | None = None,
) -> list[ClaimedRun]:
    """Claim more quality runs of the same study, in the transaction that claimed the first one: those that `choose`
    takes of what could start now, to train together with it.

    Each is as much its own as any claimed run; all of them are one turn of their study. A run that has parted from a
    group trains alone, and so does one that was lost with its worker, for it may have been what ended the worker: three
    losses fail a run, and none shall fail for another's. Companions may stand behind a probe of their study, which has
    the device when nothing else of the study keeps it busy.
    """
    study, worker = session.get_one(Study, first.study_id), session.get_one(Worker, worker_id)
    if study.precision is None or _trains_alone(session, first.lease.run_id):
        return []
    candidates = _candidates(session, study, store, checkpoint_seconds)
    chosen = {spec.run_id for spec in choose([spec for _, _, spec in candidates])}
    now = database_now(session)
    expires, seed = now + timedelta(seconds=lease_seconds), study.document["seeds"][0]
    claims = []
    for run, lease, spec in candidates:
        if run.id in chosen:
            take(session, run, lease, spec, worker, expires, now)
            last = last_line(session, run.id)
            claims.append(ClaimedRun(lease, spec, study.id, run.configuration_id, run.seed == seed, last))
    return claims


def _candidates(
    session: Session, study: Study, store: Path, checkpoint_seconds: float | None
) -> list[tuple[Run, Lease, RunSpec]]:
    """The study's next quality runs that could start now, but for those that train alone. What makes no run fails when
    its turn comes."""
    alone = exists().where(Attempt.run_id == Run.id, Attempt.outcome.in_(ALONE_AFTER))
    wanted = (
        select(Run)
        .join(Configuration, Configuration.id == Run.configuration_id)
        .where(Run.study_id == study.id, Run.status == "queued", Run.purpose != "probe", rate_known(), ~alone)
        .order_by(Run.position, Run.id)
        .limit(MOST_CONSIDERED)
    )
    found = []
    for run in session.scalars(wanted.with_for_update(skip_locked=True, key_share=True, of=Run)):
        lease = Lease(run.id, run.team_id, run.attempt + 1, secrets.token_hex(16))
        configuration = session.get_one(Configuration, run.configuration_id)
        with contextlib.suppress(ValueError, LookupError, TypeError):
            found.append((run, lease, run_spec(run, study, configuration, store, lease, checkpoint_seconds)))
    return found


def _trains_alone(session: Session, run_id: int) -> bool:
    ended_so = select(func.count()).where(Attempt.run_id == run_id, Attempt.outcome.in_(ALONE_AFTER))
    return bool(session.scalar(ended_so))
