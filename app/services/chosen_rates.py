"""A configuration's learning rate: chosen on validation when its grid has ended, and chosen again when that grows."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.session import database_now
from app.db.tables import Configuration, Run, Study
from app.services.halving import next_rung, with_whole_budget
from peft_core.task import sign, task_kind


def choose_learning_rate(session: Session, configuration_id: int) -> None:
    """When the last tuning run of a configuration has ended: the best validation score, the smaller rate at a tie.

    Where a first rung has ended, the rates that go on from it are queued instead (services/halving.py); only runs with
    the whole budget are chosen among. The other runs go at the chosen rate from then on, those that were run at another
    once more. Where the last tuning run was cancelled, what is measured already keeps its rate: who cancels wants
    nothing run again.
    """
    # Of two runs that end at once, the second sees that the first has ended.
    held = select(Configuration).where(Configuration.id == configuration_id).with_for_update(key_share=True)
    configuration = session.scalars(held.execution_options(populate_existing=True)).one()
    runs = _last_tries(session, configuration_id)
    tuning = [run for run in runs if run.purpose == "tune"]
    first = [run for run in tuning if run.rung_steps is not None]
    whole = [run for run in tuning if run.rung_steps is None]
    if not tuning or _unfinished(first):
        return
    if _scored(first) and _is_waited_for(runs, tuning):
        promoted = next_rung(tuning, _direction(session, configuration))
        session.add_all(with_whole_budget(run, database_now(session)) for run in promoted)
        if promoted:
            return
    if not _unfinished(whole):
        _choose_among(session, whole, configuration, runs)


def _choose_among(session: Session, whole: Sequence[Run], configuration: Configuration, runs: Sequence[Run]) -> None:
    """The best of the tuning runs with the whole budget, all of which have ended, and what that means for `runs`."""
    scored, now = _scored(whole), database_now(session)
    if scored:
        direction = _direction(session, configuration)
        best = max(scored, key=lambda run: (direction * (run.validation_score or 0.0), -(run.learning_rate or 0)))
        kept = _measured_rate(runs) if _was_stopped([run for run in runs if run.purpose == "tune"]) else None
        configuration.learning_rate = best.learning_rate if kept is None else kept
    for run in (run for run in runs if run.source == "measured"):
        if run.purpose != "tune" and scored:
            _go_at(session, run, configuration.learning_rate, now)
        elif run.purpose != "tune" and run.status == "queued":
            run.status, run.ended_at, run.updated_at = "failed", now, now
            run.reason = (
                f"no learning rate: every tuning run of {configuration.label} failed or was cancelled. Retry one."
            )


def _last_tries(session: Session, configuration_id: int) -> list[Run]:
    """The configuration's runs, of a chain of retries the last one."""
    of_configuration = select(Run).where(Run.configuration_id == configuration_id).order_by(Run.id)
    runs = session.scalars(of_configuration.execution_options(populate_existing=True)).all()
    retried = {run.retry_of for run in runs}
    return [run for run in runs if run.id not in retried]


def _unfinished(runs: Sequence[Run]) -> bool:
    return any(run.status in ("queued", "running") for run in runs)


def _scored(runs: Sequence[Run]) -> list[Run]:
    return [run for run in runs if run.status == "succeeded" and run.validation_score is not None]


def _direction(session: Session, configuration: Configuration) -> float:
    """Of the study's task: scores times this are better when higher."""
    return sign(task_kind(session.get_one(Study, configuration.study_id).task["kind"]))


def _is_waited_for(runs: Sequence[Run], tuning: Sequence[Run]) -> bool:
    """Whether anybody wants another rung: who cancels all that is left of a row does not, who cancels one run does."""
    return not _was_stopped(tuning) or any(run.purpose != "tune" and run.status == "queued" for run in runs)


def _was_stopped(tuning: Sequence[Run]) -> bool:
    """Whether somebody cancelled the one that ended last."""
    last = max(tuning, key=lambda run: (run.updated_at, run.id))
    return last.status == "cancelled" or last.cancel_requested


def _measured_rate(runs: Sequence[Run]) -> float | None:
    """The learning rate of the runs that measured with the one chosen before; None where there are none."""
    measured = [run.spec for run in runs if run.purpose != "tune" and run.status == "succeeded"]
    return next((spec["learning_rate"] for spec in measured if spec), None)


def _go_at(session: Session, run: Run, rate: float | None, now: datetime) -> None:
    """Have a run go at a learning rate; where it began at another, a new run in its place does.

    One that is running is looked at again when it ends; one that somebody cancelled stays cancelled.
    """
    began_at = run.spec["learning_rate"] if run.spec else None
    if run.status == "queued" and began_at in (None, rate):
        if run.learning_rate != rate:
            run.learning_rate, run.updated_at = rate, now
        return
    if run.status in ("running", "cancelled") or began_at == rate:
        return
    if run.status == "queued":
        run.status, run.ended_at, run.updated_at = "cancelled", now, now
        run.reason = "began at a learning rate that is no longer the chosen one"
    session.add(in_place_of(run, rate, now))


def in_place_of(run: Run, rate: float | None, now: datetime) -> Run:
    """A new run of the same configuration, purpose, rung and seed, where `run` stood in the queue, at a rate."""
    return Run(
        team_id=run.team_id,
        study_id=run.study_id,
        configuration_id=run.configuration_id,
        purpose=run.purpose,
        seed=run.seed,
        learning_rate=rate,
        rung_steps=run.rung_steps,
        position=run.position,
        retry_of=run.id,
        created_at=now,
        updated_at=now,
    )
