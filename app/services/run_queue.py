"""The queue of record: which run is next, whose it is, and how it ends.

queued -> running -> succeeded | failed | cancelled; running -> queued when its lease expires or its worker stops in
order. Exactly one worker owns a running run: every write carries the lease it was claimed with, and a stale one raises
LeaseLost. `attempt` counts claims and only grows, so that it fences off all earlier ones. Times are the database's.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import ColumnElement, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from app.db.session import database_now, write_lock
from app.db.tables import (
    ArtifactRow,
    Attempt,
    Configuration,
    LogLineRow,
    MeasurementRow,
    PredictionSet,
    Run,
    SeriesPointRow,
    Study,
    Worker,
)
from app.db.upserts import upsert
from app.errors import LeaseLost
from app.services.chosen_rates import choose_learning_rate
from app.services.halving import budget_of
from peft_core.spec import (
    Artifact,
    Budget,
    Event,
    HubSource,
    Log,
    Measurement,
    Point,
    PrecisionChosen,
    Predictions,
    Progress,
    Resumed,
    RunResult,
    RunSpec,
    TaskSpec,
)

MOST_LOST = 3
LOST_THRICE = f"lost its worker {MOST_LOST} times: look at the worker's log and the machine's memory, then retry"
WORKER_STOPPED = "its worker stopped"
CANCELLED = "cancelled while it ran"
Outcome = Literal["succeeded", "failed", "cancelled", "lost", "returned", "parted"]
"""parted: it trained together with other runs and goes on alone."""


@dataclass(frozen=True)
class Lease:
    """The right to write about a run: valid while the run's row carries the same attempt and token."""

    run_id: int
    team_id: int
    attempt: int
    token: str


@dataclass(frozen=True)
class ClaimedRun:
    """A run that is now this worker's, with all it needs to do it."""

    lease: Lease
    spec: RunSpec
    study_id: int
    configuration_id: int
    first_seed: bool
    """Whether its seed is the first of those that report."""
    last_line: int = 0
    """The id of the last line in its log when it was claimed."""


def register_worker(session: Session, name: str, device: str, device_info: dict[str, Any]) -> int:
    """Make the worker known; returns its id."""
    now = database_now(session)
    worker = Worker(name=name, device=device, device_info=device_info, started_at=now, heartbeat_at=now)
    session.add(worker)
    session.flush()
    return worker.id


def beat(session: Session, worker_id: int) -> None:
    """The worker is alive."""
    session.execute(update(Worker).where(Worker.id == worker_id).values(heartbeat_at=database_now(session)))


def sign_off(session: Session, worker_id: int) -> None:
    """The worker has stopped in an orderly way."""
    now = database_now(session)
    session.execute(update(Worker).where(Worker.id == worker_id).values(stopped_at=now))


def claim_next_run(
    session: Session,
    worker_id: int,
    *,
    store: Path,
    lease_seconds: float,
    alone: bool,
    checkpoint_seconds: float | None = None,
) -> ClaimedRun | None:
    """Claim the next run that may start now on the worker's device, or None.

    The highest priority goes first; of studies with equal priority, the one that has waited longest since its last
    claim. `alone`: nothing else runs on the device, so a cost probe may start. A probe at the head of the queue waits
    for that and no other study overtakes it; what its own study can train meanwhile does, so that no slot stands empty
    between two methods. A report or probe waits for its configuration's learning rate. While a study's precision is
    unknown, one run of it at a time: the first measures it. A paused worker claims nothing.
    """
    write_lock(session)
    now = database_now(session)
    worker = session.get_one(Worker, worker_id)
    if worker.paused_at is not None:
        return None
    # The study's row too, so that of two claims at once only one sees that its precision is unknown. Not its key:
    # what is written about its other runs refers to that.
    locked = {"skip_locked": True, "key_share": True, "of": [Run, Study]}
    next_up = _claimable(worker.device).limit(1).with_for_update(**locked)
    run = session.scalar(next_up)
    if run is not None and run.purpose == "probe" and not alone:
        run = session.scalar(next_up.where(Run.study_id == run.study_id, Run.purpose != "probe"))
    if run is None:
        return None
    study = session.get_one(Study, run.study_id)
    if study.precision is None and _is_running(session, study):
        return None
    lease = Lease(run.id, run.team_id, run.attempt + 1, secrets.token_hex(16))
    configuration = session.get_one(Configuration, run.configuration_id)
    try:
        spec = run_spec(run, study, configuration, store, lease, checkpoint_seconds)
        first_seed = run.seed == study.document["seeds"][0]
    except (ValueError, LookupError, TypeError) as error:
        _refuse(session, run, error, now)
        return None
    study.claimed_at = now
    take(session, run, lease, spec, worker, now + timedelta(seconds=lease_seconds), now)
    return ClaimedRun(lease, spec, run.study_id, run.configuration_id, first_seed, last_line(session, run.id))


def take(
    session: Session, run: Run, lease: Lease, spec: RunSpec, worker: Worker, expires: datetime, now: datetime
) -> None:
    """The run is this lease's from now on."""
    run.status, run.attempt, run.lease_token, run.lease_expires_at = "running", lease.attempt, lease.token, expires
    run.worker_id, run.started_at, run.updated_at, run.last_event_at = worker.id, now, now, now
    run.phase, run.step, run.total_steps, run.training_started_at = "loading", 0, None, None
    run.spec = spec.model_dump(mode="json")
    session.add(Attempt(team_id=run.team_id, run_id=run.id, attempt=lease.attempt, worker=worker.name, started_at=now))


def _refuse(session: Session, run: Run, error: Exception, now: datetime) -> None:
    """Its study's document makes no run: it fails, and what waits behind it does not wait for it."""
    run.status, run.ended_at, run.updated_at = "failed", now, now
    said = " ".join(str(error).split())[:300]
    run.reason = f"The study's document makes no run ({type(error).__name__}: {said}). Make a new study of it."
    session.flush()
    choose_learning_rate(session, run.configuration_id)


def _is_running(session: Session, study: Study) -> bool:
    return bool(session.scalar(select(func.count()).where(Run.study_id == study.id, Run.status == "running")))


def _claimable(device: str) -> Any:
    other = aliased(Run)
    precision_known = or_(
        Study.precision.is_not(None),
        ~exists().where(other.study_id == Run.study_id, other.status == "running"),
    )
    return (
        select(Run)
        .join(Study, Study.id == Run.study_id)
        .join(Configuration, Configuration.id == Run.configuration_id)
        .where(Run.status == "queued", precision_known, rate_known())
        .where(or_(Study.device.is_(None), Study.device == device.split(":", maxsplit=1)[0]))
        .order_by(Study.priority.desc(), Study.claimed_at.asc().nulls_first(), Study.id, Run.position, Run.id)
    )


def rate_known() -> ColumnElement[bool]:
    """Whether a run of its configuration knows what learning rate to train at."""
    return or_(
        Run.purpose == "tune",
        Configuration.learning_rate.is_not(None),
        func.json_array_length(Configuration.learning_rates) == 0,
    )


def run_spec(
    run: Run,
    study: Study,
    configuration: Configuration,
    store: Path,
    lease: Lease,
    checkpoint_seconds: float | None,
) -> RunSpec:
    """What a lease's worker is to do. Raises ValueError, LookupError or TypeError where the study makes no run."""
    return RunSpec(
        run_id=run.id,
        purpose=run.purpose,
        base_model=Path(study.base_model_path),
        base_model_sha256=study.base_model_sha256,
        base_model_source=HubSource.model_validate(study.base_model_source) if study.base_model_source else None,
        task=TaskSpec.model_validate(study.task),
        method=configuration.method,
        hyperparameters=configuration.hyperparameters,
        learning_rate=run.learning_rate if run.learning_rate is not None else configuration.learning_rate,
        seed=run.seed,
        budget=budget_of(run, Budget.model_validate(study.document["budget"])),
        precision=study.precision,
        metrics=tuple(study.document["metrics"]),
        folder=store / "runs" / str(run.id) / str(lease.attempt),
        # A probe is never resumed: what it measures must come from one piece.
        checkpoint_seconds=None if run.purpose == "probe" else checkpoint_seconds,
    )


def _owned(lease: Lease) -> Any:
    """The fence: this row, and only while it still is this attempt's."""
    return (
        Run.id == lease.run_id,
        Run.attempt == lease.attempt,
        Run.lease_token == lease.token,
        Run.status == "running",
    )


def _write(session: Session, lease: Lease, **values: Any) -> None:
    result = session.execute(
        update(Run).where(*_owned(lease)).values(**values).execution_options(synchronize_session=False)
    )
    if result.rowcount != 1:  # type: ignore[attr-defined]
        raise LeaseLost(f"Run {lease.run_id} no longer belongs to attempt {lease.attempt}.")


def renew_lease(session: Session, lease: Lease, lease_seconds: float) -> bool:
    """Keep the run; returns whether somebody asked to cancel it."""
    expires = database_now(session) + timedelta(seconds=lease_seconds)
    _write(session, lease, lease_expires_at=expires)
    return bool(session.scalar(select(Run.cancel_requested).where(Run.id == lease.run_id)))


def cancel_requests(session: Session, run_ids: Sequence[int]) -> set[int]:
    """Which of these runs somebody asked to cancel."""
    return set(session.scalars(select(Run.id).where(Run.id.in_(run_ids), Run.cancel_requested)))


def last_line(session: Session, run_id: int) -> int:
    """The id of the last line in a run's log; 0 where it has none."""
    return session.scalar(select(func.max(LogLineRow.id)).where(LogLineRow.run_id == run_id)) or 0


def record_events(session: Session, lease: Lease, events: Sequence[Event], *, after_line: int | None = None) -> bool:
    """Write a batch of events, whole or not at all; returns whether somebody asked to cancel the run.

    A batch whose answer was lost may be sent again, with more behind it, and changes nothing twice, if `after_line` is
    the last line of the run's log that the sender knows of: the lines behind it are the batch's own, for nobody else
    writes there. None: its log lines are new.
    """
    write_lock(session)
    now = database_now(session)
    values: dict[str, Any] = {"last_event_at": now, "updated_at": now}
    for progress in [event for event in events if isinstance(event, Progress)][-1:]:
        values |= {"phase": progress.phase, "step": progress.step, "total_steps": progress.total_steps}
    resumed = [event for event in events if isinstance(event, Resumed)][-1:]
    for start in resumed:
        values |= {"training_started_at": now, "training_started_step": start.step}
    _write(session, lease, **values)
    for start in resumed:
        _go_on_from(session, lease, start.step)
    points = {(event.key, event.step): event.value for event in events if isinstance(event, Point)}
    upsert(
        session,
        SeriesPointRow,
        [
            {"run_id": lease.run_id, "team_id": lease.team_id, "key": key, "step": step, "value": value}
            for (key, step), value in points.items()
        ],
    )
    for event in _not_yet_told(session, lease, events, after_line):
        _record(session, lease, event, now)
    return bool(session.scalar(select(Run.cancel_requested).where(Run.id == lease.run_id)))


def _not_yet_told(session: Session, lease: Lease, events: Sequence[Event], after_line: int | None) -> list[Event]:
    """All but the log lines that are there already; whatever else is sent again replaces itself."""
    behind = (LogLineRow.run_id == lease.run_id, LogLineRow.id > (after_line or 0))
    told = session.scalar(select(func.count()).where(*behind)) if after_line is not None else 0
    lines = [event for event in events if isinstance(event, Log)][told:]
    return [*(event for event in events if not isinstance(event, Log)), *lines]


def _go_on_from(session: Session, lease: Lease, step: int) -> None:
    """This attempt goes on from a checkpoint: what an earlier one told of later steps is void."""
    session.execute(delete(SeriesPointRow).where(SeriesPointRow.run_id == lease.run_id, SeriesPointRow.step > step))
    attempt = (Attempt.run_id == lease.run_id, Attempt.attempt == lease.attempt)
    session.execute(update(Attempt).where(*attempt).values(resumed_from_step=step or None))


def _record(session: Session, lease: Lease, event: Event, now: datetime) -> None:
    owner = {"run_id": lease.run_id, "team_id": lease.team_id}
    match event:
        case Measurement():
            upsert(
                session,
                MeasurementRow,
                [owner | {"metric": event.metric, "value": event.value, "detail": event.detail}],
            )
        case Log():
            session.add(LogLineRow(**owner, at=now, message=event.message))
        case Predictions():
            lists = {"items": list(event.items), "predicted": list(event.predicted), "scores": list(event.scores)}
            upsert(session, PredictionSet, [owner | lists])
        case PrecisionChosen():
            study_id = select(Run.study_id).where(Run.id == lease.run_id).scalar_subquery()
            session.execute(
                update(Study)
                .where(Study.id == study_id, Study.precision.is_(None))
                .values(precision=event.precision, precision_probe=event.model_dump(mode="json"))
                .execution_options(synchronize_session=False)
            )


def finish_run(session: Session, claim: ClaimedRun, result: RunResult, artifacts: Sequence[Artifact]) -> None:
    """The run succeeded: its result and files are registered, and its learning rate may now be chosen."""
    write_lock(session)
    _write(
        session,
        claim.lease,
        status="succeeded",
        validation_score=result.validation_score,
        train_seconds=result.train_seconds,
        environment=result.environment,
        **_ended(session, claim.lease, "succeeded", None),
    )
    for artifact in artifacts:
        session.add(ArtifactRow(run_id=claim.lease.run_id, team_id=claim.lease.team_id, **artifact.model_dump()))
    choose_learning_rate(session, claim.configuration_id)


def fail_run(session: Session, claim: ClaimedRun, reason: str) -> None:
    """The run failed; `reason` says why and what to do."""
    write_lock(session)
    _write(session, claim.lease, status="failed", **_ended(session, claim.lease, "failed", reason))
    choose_learning_rate(session, claim.configuration_id)


def cancel_run(session: Session, claim: ClaimedRun) -> None:
    """The run was stopped because somebody asked; what it measured stays."""
    write_lock(session)
    ended = _ended(session, claim.lease, "cancelled", CANCELLED)
    _write(session, claim.lease, status="cancelled", **ended)
    choose_learning_rate(session, claim.configuration_id)


def give_back(
    session: Session, lease: Lease, reason: str = WORKER_STOPPED, outcome: Literal["returned", "parted"] = "returned"
) -> bool:
    """The run goes back to the queue, to go on from its checkpoint elsewhere, or alone; `reason` says why.

    Returns whether it waits: one that somebody asked to cancel is cancelled instead.
    """
    write_lock(session)
    return _wait_again(session, lease, outcome, reason)


def lose_run(session: Session, claim: ClaimedRun, reason: str) -> bool:
    """What the run ran on was lost, its worker was not: back to the queue, or failed where it was lost too often.

    Returns whether it waits: one that somebody asked to cancel is cancelled instead.
    """
    write_lock(session)
    waits = _wait_again(session, claim.lease, "lost", reason)
    choose_learning_rate(session, claim.configuration_id)
    return waits


def _wait_again(session: Session, lease: Lease, outcome: Outcome, reason: str) -> bool:
    """End the attempt and put its run where it goes from here; whether that is the queue."""
    # Held to the end, so that nobody asks to cancel between this answer and what is done upon it.
    asked = session.execute(
        select(Run.cancel_requested, Run.configuration_id).where(*_owned(lease)).with_for_update(key_share=True)
    ).one_or_none()
    if asked is not None and asked.cancel_requested:
        ended = _ended(session, lease, "cancelled", reason)
        _write(session, lease, **ended | {"status": "cancelled", "reason": CANCELLED})
        choose_learning_rate(session, asked.configuration_id)
        return False
    ended = _ended(session, lease, outcome, reason)
    if outcome == "lost" and _times_lost(session, lease.run_id) >= MOST_LOST:
        _write(session, lease, **ended | {"status": "failed", "reason": LOST_THRICE})
        return False
    waiting = {"status": "queued", "reason": None, "ended_at": None, "worker_id": None, "phase": None}
    _write(session, lease, **ended | waiting)
    return True


def _ended(session: Session, lease: Lease, outcome: Outcome, reason: str | None) -> dict[str, Any]:
    """The attempt's end is written down; what to write about its run."""
    now = database_now(session)
    session.execute(
        update(Attempt)
        .where(Attempt.run_id == lease.run_id, Attempt.attempt == lease.attempt)
        .values(ended_at=now, outcome=outcome, reason=reason)
        .execution_options(synchronize_session=False)
    )
    return {"ended_at": now, "updated_at": now, "reason": reason, "lease_token": None, "lease_expires_at": None}


def release_expired_leases(session: Session) -> list[int]:
    """Queue the runs whose worker has not renewed its lease, and fail those that lost it too often; their ids."""
    write_lock(session)
    now = database_now(session)
    expired = select(Run).where(Run.status == "running", Run.lease_expires_at < now).order_by(Run.id)
    # Held, so that what its owner or another rescuer does to a run at this moment comes before this or after it; who
    # holds one already is about to end its attempt.
    lost = list(session.scalars(expired.with_for_update(skip_locked=True, key_share=True)))
    for run in lost:
        lease = Lease(run.id, run.team_id, run.attempt, run.lease_token or "")
        ended = _ended(session, lease, "lost", "its worker was lost")
        if run.cancel_requested:
            run.status, run.ended_at, run.reason = "cancelled", now, "cancelled after its worker was lost"
        elif _times_lost(session, run.id) >= MOST_LOST:
            run.status, run.ended_at, run.reason = "failed", now, LOST_THRICE
        else:
            run.status, run.worker_id, run.phase = "queued", None, None
        run.lease_token, run.lease_expires_at, run.updated_at = None, None, ended["updated_at"]
        session.flush()
        choose_learning_rate(session, run.configuration_id)
    return [run.id for run in lost]


def _times_lost(session: Session, run_id: int) -> int:
    return session.scalar(select(func.count()).where(Attempt.run_id == run_id, Attempt.outcome == "lost")) or 0
