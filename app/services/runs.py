"""Reading runs, and asking for one to be cancelled or tried again."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Row, Select, func, or_, select, tuple_
from sqlalchemy.orm import Session, joinedload

from app.db.session import database_now, team_session, write_lock
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
from app.errors import Conflict, Invalid, NotFound
from app.language import mark, tr
from app.schemas import (
    ArtifactView,
    AttemptView,
    MeasurementView,
    Page,
    PredictionsView,
    RunDetail,
    RunView,
    SourceKind,
)
from app.services import quotas
from app.services.callers import Caller
from app.services.chosen_rates import choose_learning_rate, in_place_of
from app.services.queue_place import runs_before
from app.services.scores import score_of
from app.services.studies import cancel
from peft_core.metric import metrics

STALL_SECONDS = 600.0
NUMBER = re.compile(r"-?[0-9.]{1,25}(e[-+]?[0-9]{1,3})?")
STATUSES = {
    "queued": mark("queued"),
    "running": mark("running"),
    "succeeded": mark("succeeded"),
    "failed": mark("failed"),
    "cancelled": mark("cancelled"),
}


def said(status: str) -> str:
    """A run's status in the reader's language."""
    return tr(STATUSES[status])


@dataclass(frozen=True)
class RunFilter:
    """What a list of runs shows; None does not filter."""

    study_id: int | None = None
    status: str | None = None
    purpose: str | None = None
    method: str | None = None
    device: str | None = None
    """The kind of device that a run was claimed on, or that its study asks for while it waits."""


@dataclass(frozen=True)
class RunOrder:
    """In the order they were made, or by their value of a metric: then only runs that have one are listed."""

    metric: str | None = None
    descending: bool = False


def list_runs(
    engine: Engine, caller: Caller, wanted: RunFilter, order: RunOrder, *, cursor: str | None, limit: int
) -> Page[RunView]:
    """A page of runs; `cursor` is the last page's next_cursor. Raises Invalid for a metric that there is not."""
    with team_session(engine, caller.team_id) as session:
        rows = _first_rows(session, wanted, order, cursor, limit + 1)
        now = database_now(session)
        items = [_listed(row, now) for row in rows[:limit]]
    if not items and order.metric is not None:
        _check_metric(order.metric)
    return Page[RunView](items=items, next_cursor=_next_cursor(items[-1]) if len(rows) > limit else None)


def _check_metric(metric: str) -> None:
    known = metrics()
    if metric not in known:
        raise Invalid(
            tr("There is no metric named {name!r}. Choose among: {known}.", name=metric, known=", ".join(known)),
            field="metric",
        )


def listed_runs(session: Session, run_ids: Sequence[int]) -> list[RunView]:
    """Runs as lists show them, the oldest first."""
    rows = session.execute(_filtered(RunFilter()).where(Run.id.in_(run_ids)).order_by(Run.id)).all()
    now = database_now(session)
    return [_listed(row, now) for row in rows]


def _first_rows(
    session: Session, wanted: RunFilter, order: RunOrder, cursor: str | None, most: int
) -> Sequence[Row[Any]]:
    """One query for each status: in the order they were made, an index has the runs of a single status only."""
    apart = wanted.status.split(",") if wanted.status and order.metric is None else [wanted.status]
    found: list[Row[Any]] = []
    for status in dict.fromkeys(apart):
        query = _ordered(_filtered(replace(wanted, status=status)), order, cursor)
        found += session.execute(query.limit(most)).all()
    if len(apart) > 1:
        found.sort(key=lambda row: row.id, reverse=order.descending)
    return found[:most]


_LISTED: dict[str, Any] = {
    "id": Run.id,
    "study_id": Run.study_id,
    "study_name": Study.name,
    "configuration": Run.configuration_id,
    "method": Configuration.method,
    "label": Configuration.label,
    "family": Configuration.family,
    "seed": Run.seed,
    "purpose": Run.purpose,
    "learning_rate": Run.learning_rate,
    "rung_steps": Run.rung_steps,
    "status": Run.status,
    "phase": Run.phase,
    "step": Run.step,
    "total_steps": Run.total_steps,
    "attempt": Run.attempt,
    "retry_of": Run.retry_of,
    "reason": Run.reason,
    "worker": Worker.name,
    "cancel_requested": Run.cancel_requested,
    "created_at": Run.created_at,
    "started_at": Run.started_at,
    "ended_at": Run.ended_at,
    "updated_at": Run.updated_at,
    "source": Run.source,
}
"""What a list shows of a run, and no more: whole rows carry the documents that the run was made from."""
_READ_FOR_IT = (Run.training_started_at, Run.training_started_step, Run.last_event_at)
"""What else the figures of a list are made of."""


def _filtered(wanted: RunFilter) -> Select[Any]:
    query: Select[Any] = (
        select(*(column.label(name) for name, column in _LISTED.items()), *_READ_FOR_IT)
        .select_from(Run)
        .join(Study, Study.id == Run.study_id)
        .join(Configuration, Configuration.id == Run.configuration_id)
        .outerjoin(Worker, Worker.id == Run.worker_id)
    )
    if wanted.study_id is not None:
        query = query.where(Run.study_id == wanted.study_id)
    if wanted.status is not None:
        query = query.where(Run.status.in_(wanted.status.split(",")))
    if wanted.purpose is not None:
        query = query.where(Run.purpose == wanted.purpose)
    if wanted.method is not None:
        query = query.where(Configuration.method == wanted.method)
    if wanted.device is not None:
        claimed_on = or_(Worker.device == wanted.device, Worker.device.startswith(f"{wanted.device}:"))
        query = query.where(or_(claimed_on, Run.worker_id.is_(None) & (Study.device == wanted.device)))
    return query


def _ordered(query: Select[Any], order: RunOrder, cursor: str | None) -> Select[Any]:
    if order.metric is None:
        if cursor is not None:
            after = _cursor(cursor)
            query = query.where(Run.id < after if order.descending else Run.id > after)
        return query.order_by(Run.id.desc() if order.descending else Run.id)
    query = query.add_columns(MeasurementRow.value).join(MeasurementRow, MeasurementRow.run_id == Run.id)
    query = query.where(MeasurementRow.metric == order.metric, MeasurementRow.value.is_not(None))
    place = tuple_(MeasurementRow.value, MeasurementRow.run_id)
    if cursor is not None:
        last = tuple_(*_value_cursor(cursor))
        query = query.where(place < last if order.descending else place > last)
    return query.order_by(*(column.desc() if order.descending else column for column in place.clauses))


def _cursor(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise _foreign_cursor()
    return int(cursor)


def _value_cursor(cursor: str) -> tuple[float, int]:
    value, _, run_id = cursor.rpartition("_")
    if not NUMBER.fullmatch(value):
        raise _foreign_cursor()
    return float(value), _cursor(run_id)


def _foreign_cursor() -> Invalid:
    return Invalid(
        tr("This cursor did not come from a page of this list. Leave it out to start again."), field="cursor"
    )


def _next_cursor(last: RunView) -> str:
    return str(last.id) if last.value is None else f"{last.value!r}_{last.id}"


def read_run(session: Session, run_id: int) -> Run:
    """The caller's run, or NotFound."""
    query = select(Run).options(joinedload(Run.study), joinedload(Run.configuration), joinedload(Run.worker))
    run = session.scalar(query.where(Run.id == run_id))
    if run is None:
        raise NotFound(tr("There is no run {run}.", run=run_id))
    return run


def source_of_run(session: Session, run_id: int) -> str:
    """measured or imported; NotFound where the caller has no such run. Reads nothing else of it."""
    source = session.scalar(select(Run.source).where(Run.id == run_id))
    if source is None:
        raise NotFound(tr("There is no run {run}.", run=run_id))
    return source


def run_view(run: Run, now: datetime) -> RunView:
    """A run as lists show it."""
    return RunView(**_view_fields(run, now))


def _view_fields(run: Run, now: datetime) -> dict[str, Any]:
    row, worker = run.configuration, run.worker.name if run.worker else None
    beside = {"study_name": run.study.name, "configuration": row.id, "worker": worker}
    beside |= {"method": row.method, "label": row.label, "family": row.family}
    fields = {name: getattr(run, name) for name in _LISTED if name not in beside}
    return fields | beside | _worked_out(run, now, row.label)


def _listed(found: Row[Any], now: datetime) -> RunView:
    # By place: to ask a row for each by its name takes as long as all else that a list does.
    fields = dict(zip(_LISTED, found, strict=False)) | _worked_out(found, now, found.label)
    return RunView(**fields, value=getattr(found, "value", None))


def _worked_out(run: Run | Row[Any], now: datetime, label: str) -> dict[str, Any]:
    """What a list does not show as the database has it."""
    return {
        "label": tr(label),
        "phase": run.phase if run.status == "running" else None,
        "eta_seconds": _eta_seconds(run, now),
        "stalled": _stalled(run, now),
        "source": source_of(run),
    }


def source_of(run: Run | Row[Any]) -> SourceKind:
    """Whether a worker of this installation measured the run's results, or they were imported."""
    return "imported" if run.source == "imported" else "measured"


def _eta_seconds(run: Run | Row[Any], now: datetime) -> float | None:
    """What is left of the download, or of training, at its own pace so far; None where neither goes on."""
    if run.status != "running" or not run.total_steps:
        return None
    training = run.phase in ("training", "evaluating")
    began, first = (run.training_started_at, run.training_started_step) if training else (run.started_at, 0)
    if began is None or run.step <= first or not (training or run.phase == "downloading"):
        return None
    return max(0.0, (now - began).total_seconds() / (run.step - first) * (run.total_steps - run.step))


def _stalled(run: Run | Row[Any], now: datetime) -> bool:
    """Alive and silent: shown, not rescued, for only a lost lease tells that a worker is gone."""
    silent = run.last_event_at is not None and (now - run.last_event_at).total_seconds() > STALL_SECONDS
    return run.status == "running" and silent


def run_detail(engine: Engine, caller: Caller, run_id: int) -> RunDetail:
    """All there is to know of a run but its series, log and predictions."""
    with team_session(engine, caller.team_id) as session:
        run = read_run(session, run_id)
        return RunDetail(
            **_view_fields(run, database_now(session)),
            task_kind=run.study.task["kind"],
            score_quantity=score_of(run.study).quantity,
            origin=run.origin,
            spec=run.spec,
            validation_score=run.validation_score,
            train_seconds=run.train_seconds,
            environment=run.environment,
            measurements=_measurements(session, run_id),
            artifacts=list_artifacts(session, run_id),
            attempts=_attempts(session, run_id),
            series=list(
                session.scalars(
                    select(SeriesPointRow.key)
                    .where(SeriesPointRow.run_id == run_id)
                    .distinct()
                    .order_by(SeriesPointRow.key)
                )
            ),
            runs_before=runs_before(session, run),
            full_run=full_run_beside(session, run),
            last_line=session.scalar(select(func.max(LogLineRow.id)).where(LogLineRow.run_id == run_id)) or 0,
        )


def full_run_beside(session: Session, run: Run) -> int | None:
    """The newest reporting run of full fine-tuning in a run's study with its seed, if it has begun; None for that run
    itself, and for a cost probe, which trains otherwise."""
    if run.purpose == "probe" or run.configuration.method == "full":
        return None
    wanted = select(Run.id).join(Configuration, Configuration.id == Run.configuration_id)
    full = wanted.where(Run.study_id == run.study_id, Run.seed == run.seed, Run.purpose == "report")
    full = full.where(Configuration.method == "full", Run.status.in_(("running", "succeeded")))
    return session.scalar(full.order_by(Run.id.desc()).limit(1))


def _measurements(session: Session, run_id: int) -> list[MeasurementView]:
    rows = session.scalars(select(MeasurementRow).where(MeasurementRow.run_id == run_id))
    order = list(metrics())
    views = [MeasurementView(metric=row.metric, value=row.value, detail=row.detail) for row in rows]
    return sorted(views, key=lambda view: order.index(view.metric) if view.metric in order else len(order))


def list_artifacts(session: Session, run_id: int) -> list[ArtifactView]:
    """The files a run left."""
    rows = session.scalars(select(ArtifactRow).where(ArtifactRow.run_id == run_id).order_by(ArtifactRow.path))
    return [ArtifactView(id=row.id, path=row.path, size_bytes=row.size_bytes, sha256=row.sha256) for row in rows]


def run_files(engine: Engine, caller: Caller, run_id: int) -> list[ArtifactView]:
    """The files of the caller's run, or NotFound."""
    with team_session(engine, caller.team_id) as session:
        read_run(session, run_id)
        return list_artifacts(session, run_id)


def read_artifact(engine: Engine, caller: Caller, run_id: int, artifact_id: int) -> ArtifactView:
    """One file of a run, or NotFound."""
    for artifact in run_files(engine, caller, run_id):
        if artifact.id == artifact_id:
            return artifact
    raise NotFound(tr("Run {run} has no file {file}.", run=run_id, file=artifact_id))


def _attempts(session: Session, run_id: int) -> list[AttemptView]:
    rows = session.scalars(select(Attempt).where(Attempt.run_id == run_id).order_by(Attempt.attempt))
    return [
        AttemptView(
            attempt=row.attempt,
            worker=row.worker,
            started_at=row.started_at,
            ended_at=row.ended_at,
            resumed_from_step=row.resumed_from_step,
            outcome=row.outcome,
            reason=row.reason,
        )
        for row in rows
    ]


def read_predictions(engine: Engine, caller: Caller, run_id: int) -> PredictionsView:
    """The test split item by item; NotFound where the run read no test split."""
    with team_session(engine, caller.team_id) as session:
        imported = read_run(session, run_id).source == "imported"
        row = session.scalar(select(PredictionSet).where(PredictionSet.run_id == run_id))
        if row is None and imported:
            raise NotFound(
                tr("Run {run} has no predictions: it was imported without its answers to single items.", run=run_id)
            )
        if row is None:
            raise NotFound(
                tr("Run {run} has no predictions: only reporting runs that ended well read the test split.", run=run_id)
            )
        return PredictionsView(items=row.items, predicted=row.predicted, scores=row.scores)


def request_cancel(engine: Engine, caller: Caller, run_id: int) -> None:
    """Cancel a queued run, ask a running one to stop; raises Conflict for one that has ended."""
    with team_session(engine, caller.team_id) as session:
        write_lock(session)
        # Held, so that its worker cannot put it back into the queue between this reading and the request.
        session.execute(select(Run.id).where(Run.id == run_id).with_for_update(key_share=True))
        run = read_run(session, run_id)
        if run.status not in ("queued", "running"):
            raise Conflict(
                tr("Run {run} has already {status}; a finished run never changes.", run=run_id, status=said(run.status))
            )
        cancel(run, database_now(session))
        choose_learning_rate(session, run.configuration_id)


def retry_run(engine: Engine, caller: Caller, run_id: int) -> int:
    """Queue a new run in place of one that failed or was cancelled; returns its id."""
    with team_session(engine, caller.team_id) as session:
        write_lock(session)
        run = read_run(session, run_id)
        if run.source == "imported":
            raise Conflict(
                tr("Run {run} was imported and cannot be tried again here. Import a newer result instead.", run=run_id)
            )
        if run.status not in ("failed", "cancelled"):
            raise Conflict(
                tr(
                    "Run {run} is {status}; only a failed or cancelled run is tried again.",
                    run=run_id,
                    status=said(run.status),
                )
            )
        if session.scalar(select(func.count()).where(Run.retry_of == run_id)):
            raise Conflict(tr("Run {run} was already tried again; look at the newer run.", run=run_id))
        again = in_place_of(run, run.learning_rate, database_now(session))
        session.add(again)
        session.flush()
        quotas.check_queue(session, caller.team_id)
        # It goes at the rate that is the chosen one now.
        choose_learning_rate(session, run.configuration_id)
        return again.id
