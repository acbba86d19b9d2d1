"""Making, listing, changing and deleting studies."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Engine, delete, func, select
from sqlalchemy.orm import Session

from app.db.session import database_now, team_session, write_lock
from app.db.tables import ArtifactRow, Configuration, Run, Study
from app.errors import Conflict, Forbidden, Invalid, NotFound
from app.language import tr
from app.schemas import MethodEntry, RunCounts, StudyDocument, StudyPatch, StudyStatus
from app.services import quotas
from app.services.base_models import find_base_model, read_shape, weights_sha256
from app.services.callers import Caller
from app.services.chosen_rates import choose_learning_rate
from app.services.disk import bytes_kept, check_room
from app.services.idempotency import Remember, nothing_to_remember
from app.services.retention import free_files
from app.services.study_plan import PlannedConfiguration, check_base, check_item_length, plan
from app.services.tasks import find_task, pinned
from app.settings import Settings
from peft_core.method import distinct_labels
from peft_core.metric import metrics
from peft_core.spec import Budget, Purpose

TUNING_SEED = 1_000_003
"""Learning rates are chosen with a seed of their own: seeds that report must not have chosen anything."""

MOST_SEEDS = 100
LARGEST_SEED = 2**31 - 1


class WantedRun(NamedTuple):
    """A run to queue: what for, its seed, its learning rate (None until that is chosen), and of a first rung the steps
    that it trains for."""

    purpose: Purpose
    seed: int
    learning_rate: float | None
    rung_steps: int | None = None


def quickstart_document() -> StudyDocument:
    """The study that a first start runs: real model, real data, minutes on two cores."""
    return StudyDocument(
        name="Quickstart: MiniLM on tweets",
        base_model="minilm",
        task="tweets",
        budget=Budget(epochs=3, batch_size=8, max_length=64),
        seeds=3,
        grid_points=3,
        methods=[
            MethodEntry(method="lora"),
            MethodEntry(method="adapter"),
            MethodEntry(method="prefix_tuning"),
            MethodEntry(method="p_tuning_v2"),
        ],
        # The heatmap's columns and what the scenarios' constraints read: the rest would cost a minute more.
        metrics=[key for key, kind in metrics().items() if kind.in_heatmap] + ["inference_latency_p95"],
    )


def create_study(
    engine: Engine,
    settings: Settings,
    caller: Caller,
    document: StudyDocument,
    remember: Remember = nothing_to_remember,
) -> int:
    """Check a study document whole, then write the study and queue all its runs in one transaction.

    Returns the study's id, which `remember` is told in that transaction. Raises Invalid naming the first wrong field;
    nothing is written then.
    """
    check_name(document.name)
    seeds = chosen_seeds(document.seeds)
    base = find_base_model(settings, document.base_model)
    shape = read_shape(base)
    task = find_task(settings, document.task)
    check_base(shape, task.kind)
    check_item_length(shape, document.budget)
    measured = chosen_metrics(document.metrics, task.kind)
    planned = plan(document, shape, task)
    check_room(settings.store_folder, [row.method for row in planned], shape, len(seeds))
    named = {"base_model": base.name, "task": pinned(document.task, task)}
    filled = document.model_copy(update=named | {"seeds": seeds, "metrics": measured})
    sha256 = weights_sha256(base)
    with team_session(engine, caller.team_id) as session:
        write_lock(session)
        now = database_now(session)
        study = Study(
            name=document.name,
            document=filled.model_dump(mode="json", exclude={"results"}),
            base_model_path=str(base.folder),
            base_model_sha256=sha256,
            base_model_source=base.snapshot.source.model_dump() if base.snapshot else None,
            task=task.model_dump(mode="json"),
            device=document.device,
            priority=document.priority,
            created_at=now,
            created_by=caller.user,
        )
        session.add(study)
        session.flush()
        labels = distinct_labels([row.method for row in planned])
        queue_rows(session, study, planned, seeds, now, labels=labels)
        quotas.check_queue(session, caller.team_id)
        quotas.check_disk(session, caller.team_id, bytes_kept([row.method for row in planned], shape, len(seeds)))
        remember(session, study.id)
        return study.id


def chosen_seeds(seeds: int | list[int]) -> list[int]:
    """0..n-1 for a number, the list itself where one was given; raises Invalid for none, too many or doubles."""
    listed = list(range(seeds)) if isinstance(seeds, int) and seeds <= MOST_SEEDS else seeds
    if isinstance(listed, int) or len(listed) > MOST_SEEDS:
        raise Invalid(tr("At most {most_seeds} seeds are run.", most_seeds=MOST_SEEDS), field="seeds")
    if not listed:
        raise Invalid(tr("A study needs at least one seed. Five are the default."), field="seeds")
    if any(not 0 <= seed <= LARGEST_SEED for seed in listed):
        raise Invalid(tr("A seed lies between 0 and {largest_seed}.", largest_seed=LARGEST_SEED), field="seeds")
    if len(set(listed)) < len(listed):
        raise Invalid(tr("Each seed may be named once."), field="seeds")
    return listed


def check_name(name: str) -> None:
    """Raise Invalid for a study's name that shows nothing, or more than one line."""
    if not name.strip():
        raise Invalid(tr("Give the study a name."), field="name")
    if not name.isprintable():
        raise Invalid(tr("A study's name cannot hold control characters or line breaks."), field="name")


def chosen_metrics(names: list[str] | None, kind: str) -> list[str]:
    """The metrics a study names, or all that have a meaning for its kind of task.

    Raises Invalid for a name that the catalogue does not have, or that means nothing for this kind of task.
    """
    known = metrics(kind)
    for index, name in enumerate(names or []):
        if name not in known:
            raise Invalid(_unknown_metric(name, kind, list(known)), field=f"metrics.{index}")
    return names or list(known)


def _unknown_metric(name: str, kind: str, known: list[str]) -> str:
    offered = ", ".join(known)
    if name not in metrics():
        return tr("There is no metric named {name!r}. Choose among: {known}.", name=name[:100], known=offered)
    return tr(
        "{metric} is not measured for {kind} tasks. Choose among: {known}.",
        metric=tr(metrics()[name].title),
        kind=kind,
        known=offered,
    )


def queue_rows(
    session: Session,
    study: Study,
    planned: Sequence[PlannedConfiguration],
    seeds: Sequence[int],
    now: datetime,
    *,
    labels: Sequence[str],
    place: int = 0,
    position: int = 0,
) -> list[tuple[Configuration, list[Run]]]:
    """New rows of a study and all their runs, in the order in which their results say most: method by method.

    place, position: where the first row stands among the study's rows, and the first run among its runs.
    """
    queued: list[tuple[Configuration, list[Run]]] = []
    for row, label in zip(planned, labels, strict=True):
        tuned = len(row.learning_rates) > 1
        configuration = Configuration(
            study_id=study.id,
            position=place + len(queued),
            method=row.name,
            label=label,
            family=row.method.family,
            reference=row.reference,
            hyperparameters=row.method.model_dump(mode="json"),
            learning_rates=list(row.learning_rates),
            learning_rate=None if tuned or not row.learning_rates else row.learning_rates[0],
        )
        session.add(configuration)
        session.flush()
        wanted: list[WantedRun] = []
        if tuned:
            wanted += [WantedRun("tune", TUNING_SEED, rate, row.rung_steps) for rate in row.learning_rates]
        wanted += [WantedRun("report", seed, configuration.learning_rate) for seed in seeds]
        wanted.append(WantedRun("probe", seeds[0], configuration.learning_rate))
        runs = queue_runs(session, configuration, wanted, now, position=position)
        queued.append((configuration, runs))
        position += len(runs)
    return queued


def queue_runs(
    session: Session, configuration: Configuration, wanted: Sequence[WantedRun], now: datetime, *, position: int
) -> list[Run]:
    """New runs of one row, the first of them at `position` in the study's order."""
    runs = [
        Run(
            study_id=configuration.study_id,
            configuration_id=configuration.id,
            **run._asdict(),
            position=place,
            created_at=now,
            updated_at=now,
        )
        for place, run in enumerate(wanted, start=position)
    ]
    session.add_all(runs)
    return runs


def count_runs(session: Session, study_ids: Sequence[int]) -> dict[int, RunCounts]:
    """Runs by status for each study, retried ones counted once by their last try."""
    retried = select(Run.retry_of).where(Run.retry_of.is_not(None))
    rows = session.execute(
        select(Run.study_id, Run.status, func.count())
        .where(Run.study_id.in_(study_ids), Run.id.not_in(retried))
        .group_by(Run.study_id, Run.status)
    )
    counts: dict[int, dict[str, int]] = {study_id: {} for study_id in study_ids}
    for study_id, status, count in rows:
        counts[study_id][status] = count
    return {study_id: RunCounts(**found) for study_id, found in counts.items()}


def study_status(counts: RunCounts) -> StudyStatus:
    """running once anything has started and something is left; succeeded when all ended and one at least succeeded."""
    ended = counts.succeeded + counts.failed + counts.cancelled
    if counts.running or (counts.queued and ended):
        return "running"
    if counts.queued:
        return "queued"
    if counts.succeeded:
        return "succeeded"
    return "failed" if counts.failed else "cancelled"


def read_study(session: Session, study_id: int, *, held: bool = False) -> Study:
    """The caller's study, or NotFound (another team's and an absent one are told alike). held: until the transaction
    ends, nobody else holds it."""
    # A select, not session.get: the team's scope is added to statements.
    wanted = select(Study).where(Study.id == study_id)
    study = session.scalar(wanted.with_for_update(key_share=True) if held else wanted)
    if study is None:
        raise NotFound(tr("There is no study {study_id}.", study_id=study_id))
    return study


def change_study(engine: Engine, caller: Caller, study_id: int, patch: StudyPatch) -> None:
    """Give the study another name or priority; its runs that wait go by the new one."""
    changes = patch.model_dump(exclude_none=True)
    if patch.name is not None:
        check_name(patch.name)
    with team_session(engine, caller.team_id) as session:
        write_lock(session)
        study = read_study(session, study_id)
        for field, value in changes.items():
            setattr(study, field, value)
        study.document = study.document | changes


def cancel_study(engine: Engine, caller: Caller, study_id: int) -> None:
    """Cancel what is queued, ask what runs to stop; what was measured stays."""
    with team_session(engine, caller.team_id) as session:
        write_lock(session)
        if read_study(session, study_id).origin is not None:
            raise Conflict(
                tr("Nothing of this study runs here: its results were imported. Delete it if it is not wanted.")
            )
        now = database_now(session)
        # Again, for a first rung that ended meanwhile has queued what goes on from it.
        while runs := _not_cancelled(session, study_id):
            for run in runs:
                cancel(run, now)
            for configuration_id in sorted({run.configuration_id for run in runs}):
                choose_learning_rate(session, configuration_id)


def _not_cancelled(session: Session, study_id: int) -> Sequence[Run]:
    """Runs that have not ended and that nobody asked to cancel. Held, so that no worker can put one back into the queue
    between this reading and the request."""
    unfinished = Run.status.in_(("queued", "running"))
    wanted = select(Run).where(Run.study_id == study_id, unfinished, ~Run.cancel_requested).order_by(Run.id)
    return session.scalars(wanted.with_for_update(key_share=True).execution_options(populate_existing=True)).all()


def cancel(run: Run, now: datetime) -> None:
    """Cancel a queued run at once; a running one is stopped by its worker, which reads the request."""
    if run.status == "queued":
        run.status, run.ended_at, run.reason = "cancelled", now, "cancelled before it started"
    else:
        run.cancel_requested = True
    run.updated_at = now


def delete_study(engine: Engine, settings: Settings, caller: Caller, study_id: int) -> None:
    """Delete a study with its runs, measurements and files: who made it, or an administrator. Raises Conflict while a
    run is running."""
    with team_session(engine, caller.team_id) as session:
        write_lock(session)
        study = read_study(session, study_id)
        if not (caller.may("admin") or study.created_by == caller.user):
            raise Forbidden(
                tr("Only {user}, who made this study, or an administrator can delete it.", user=study.created_by)
            )
        running = session.scalar(select(func.count()).where(Run.study_id == study_id, Run.status == "running"))
        if running:
            raise Conflict(
                tr("{running} of its runs are running. Cancel the study first, then delete it.", running=running)
            )
        of_study = select(Run.id).where(Run.study_id == study_id)
        run_ids = list(session.scalars(of_study))
        hashes = list(session.scalars(select(ArtifactRow.sha256).where(ArtifactRow.run_id.in_(of_study))))
        # Not session.delete: of a chain of retries it would delete the older run first, which the newer refers to.
        session.execute(delete(Study).where(Study.id == study.id))
    free_files(engine, settings.store_folder, run_ids, hashes)


def queue_quickstart_once(engine: Engine, settings: Settings, caller: Caller) -> int | None:
    """Queue the quickstart in a database that has never held a study; returns its id, or None."""
    with team_session(engine, caller.team_id) as session:
        if session.scalar(select(func.count()).select_from(Study)):
            return None
    return create_study(engine, settings, caller, quickstart_document())
