"""An exported study taken over with its results: checked whole, then written in one transaction."""

import hashlib
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import JsonValue, ValidationError
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.db.session import database_now, team_session, write_lock
from app.db.tables import (
    Attempt,
    Configuration,
    MeasurementRow,
    PredictionSet,
    Run,
    SeriesPointRow,
    Study,
    Team,
)
from app.errors import Invalid, TooLarge
from app.language import tr
from app.schemas import LARGEST_ARCHIVE_BYTES, ArchivedConfiguration, ArchivedRun, StudyDocument, StudyResults
from app.services.callers import Caller
from app.services.studies import check_name, chosen_metrics, chosen_seeds
from peft_core.errors import InvalidHyperparameter, UnknownName
from peft_core.method import build_method
from peft_core.metric import metrics
from peft_core.spec import Frozen, RunSpec, Splits, TaskSpec
from peft_core.task import PublishedScore, task_kind

KIND = "study"
"""Among the kinds of imports."""
UNFINISHED = "had not ended when the study was exported"


class PublishedTask(Frozen):
    """What is known of the task of results that were taken elsewhere."""

    name: str
    kind: str
    score: PublishedScore | None
    splits: Splits | None
    test_items: int | None


@dataclass(frozen=True)
class ImportedStudy:
    """new: False where the same file had been imported before, and nothing was changed."""

    study_id: int
    new: bool


def import_study(engine: Engine, caller: Caller, content: bytes) -> ImportedStudy:
    """Make a study of what a file that `export` wrote as JSON has measured; importing it again changes nothing.

    Raises TooLarge, or Invalid naming the first wrong field; nothing is written then.
    """
    document = read_archive(content)
    results = _results(document)
    check_archive(document, results)
    sha256 = content_sha256(document)
    with team_session(engine, caller.team_id) as session:
        write_lock(session)
        # Of two imports of one file at once, the second finds what the first has made.
        session.execute(select(Team.id).where(Team.id == caller.team_id).with_for_update())
        known = session.scalar(select(Study.id).where(Study.origin["sha256"].as_string() == sha256))
        if known is not None:
            return ImportedStudy(known, new=False)
        return ImportedStudy(_write(session, caller, document, results, sha256), new=True)


def read_archive(content: bytes) -> StudyDocument:
    """The document that a file holds; raises TooLarge, or Invalid naming the first field that is wrong."""
    if len(content) > LARGEST_ARCHIVE_BYTES:
        raise TooLarge(
            tr(
                "An exported study has at most {largest_archive_bytes} bytes; this file has {content}.",
                largest_archive_bytes=LARGEST_ARCHIVE_BYTES,
                content=len(content),
            )
        )
    try:
        return StudyDocument.model_validate_json(content)
    except ValidationError as error:
        raise _refusal(error) from None


def _refusal(error: ValidationError, *above: str) -> Invalid:
    """The first thing that is wrong, by its field in the file; `above`: where what was read lies in it."""
    found = error.errors(include_url=False)[0]
    if found["type"] == "json_invalid":
        return Invalid(
            tr("The file is not JSON: {error}. Was it cut off? Export the study again.", error=found["ctx"]["error"])
        )
    where = (*above, *found["loc"])
    field = ".".join(str(part) for part in where if not (isinstance(part, str) and "[" in part))
    if found["type"] == "extra_forbidden":
        return Invalid(tr("{field}: an exported study has no such field; remove it.", field=field), field=field)
    message = str(found["msg"]).removeprefix("Value error, ")
    return Invalid(f"{field}: {message[:1].lower()}{message[1:]}.", field=field)


def _results(document: StudyDocument) -> StudyResults:
    if document.results is None:
        raise Invalid(
            tr(
                "This document holds no results. Launch it as a new study, or export the study with its"
                " results as JSON."
            ),
            field="results",
        )
    return document.results


def content_sha256(document: StudyDocument) -> str:
    """The hash of what a file says of its study, whenever and by whichever version it was written."""
    left_out: dict[str, Any] = {"results": {"exported"}}
    if document.tuning == "grid":
        # Files that were written before there was anything else do not say it.
        left_out["tuning"] = True
    return hashlib.sha256(document.model_dump_json(exclude=left_out).encode()).hexdigest()


# -- checking ---------------------------------------------------------------------------------------------------------


def check_archive(document: StudyDocument, results: StudyResults) -> None:
    """Raise Invalid for what types alone do not show: unknown names, references to nothing, doubles."""
    check_name(document.name)
    chosen_seeds(document.seeds)
    # What others have measured may have been made by methods that this product does not have, or has otherwise.
    foreign = {run.configuration for run in results.runs if run.source == "imported"}
    if foreign and "score" in results.task:
        _check_published_task(results)
    else:
        chosen_metrics(document.metrics, _read_task(results).kind)
    for place, row in enumerate(results.configurations):
        if row.id not in foreign:
            _check_method(f"results.configurations.{place}", row)
    _refuse_doubles("results.configurations", "id", [row.id for row in results.configurations])
    _refuse_doubles("results.runs", "id", [run.id for run in results.runs])
    rows = {row.id for row in results.configurations}
    earlier: dict[int, ArchivedRun] = {}
    for place, run in enumerate(results.runs):
        _check_run(f"results.runs.{place}", run, rows)
        if run.retry_of is not None:
            _check_retry(f"results.runs.{place}.retry_of", run, run.retry_of, earlier)
        earlier[run.id] = run
    # A run that was tried in place of none stands for itself.
    _refuse_doubles("results.runs", "retry_of", [run.retry_of or -run.id for run in results.runs])
    _refuse_runs_of_one_seed(results.runs)


def _read_task(results: StudyResults) -> TaskSpec:
    try:
        task = TaskSpec.model_validate(results.task)
        task_kind(task.kind)
    except ValidationError as error:
        raise _refusal(error, "results", "task") from None
    except UnknownName as error:
        raise Invalid(str(error), field="results.task.kind") from None
    if task.dataset.name != str(task.dataset):
        raise Invalid(tr("The dataset is named without the folder that it lay in."), field="results.task.dataset")
    return task


def _check_published_task(results: StudyResults) -> None:
    """A task that only others train says by itself what it is judged by."""
    try:
        PublishedTask.model_validate(results.task)
    except ValidationError as error:
        raise _refusal(error, "results", "task") from None


def _check_method(field: str, row: ArchivedConfiguration) -> None:
    try:
        build_method(row.method, row.hyperparameters)
    except UnknownName as error:
        raise Invalid(str(error), field=f"{field}.method") from None
    except InvalidHyperparameter as error:
        raise Invalid(str(error), field=f"{field}.hyperparameters.{error.field}") from None


def _check_run(field: str, run: ArchivedRun, rows: set[int]) -> None:
    if run.configuration not in rows:
        raise Invalid(
            tr(
                "Run {run} is of configuration {configuration}, which the file does not have.",
                run=run.id,
                configuration=run.configuration,
            ),
            field=f"{field}.configuration",
        )
    if run.spec is not None:
        _check_spec(f"{field}.spec", run.spec)
    for place, measured in enumerate(run.measurements):
        if measured.metric not in metrics():
            raise Invalid(
                tr(
                    "There is no metric named {metric!r}. Choose among: {metrics}.",
                    metric=measured.metric,
                    metrics=", ".join(metrics()),
                ),
                field=f"{field}.measurements.{place}.metric",
            )
    _refuse_doubles(f"{field}.measurements", "metric", [measured.metric for measured in run.measurements])
    _refuse_doubles(f"{field}.attempts", "attempt", [attempt.attempt for attempt in run.attempts])
    _refuse_doubles(f"{field}.validations", "step", [point.step for point in run.validations])
    if run.predictions is not None:
        _check_lengths(f"{field}.predictions", run)


def _check_retry(field: str, run: ArchivedRun, retried: int, earlier: dict[int, ArchivedRun]) -> None:
    if retried not in earlier:
        raise Invalid(
            tr(
                "Run {run} was tried in place of run {retried}, which does not stand before it.",
                run=run.id,
                retried=retried,
            ),
            field=field,
        )
    before = earlier[retried]
    if (before.configuration, before.purpose, before.seed) != (run.configuration, run.purpose, run.seed):
        raise Invalid(
            tr(
                "Run {run} was tried in place of run {retried}, which has another configuration, purpose or seed.",
                run=run.id,
                retried=retried,
            ),
            field=field,
        )


def _check_spec(field: str, spec: dict[str, JsonValue]) -> None:
    """What a worker was given is looked at again when results are compared."""
    try:
        RunSpec.model_validate(spec)
    except ValidationError as error:
        raise _refusal(error, *field.split(".")) from None


def _check_lengths(field: str, run: ArchivedRun) -> None:
    found = run.predictions
    assert found is not None
    _refuse_doubles(field, "items", found.items)
    if len(found.scores) != len(found.items):
        raise Invalid(
            tr(
                "Run {run} has {items} items and {scores} scores.",
                run=run.id,
                items=len(found.items),
                scores=len(found.scores),
            ),
            field=f"{field}.scores",
        )
    if found.predicted and len(found.predicted) != len(found.items):
        raise Invalid(
            tr(
                "Run {run} has {items} items and {predicted} answers.",
                run=run.id,
                items=len(found.items),
                predicted=len(found.predicted),
            ),
            field=f"{field}.predicted",
        )


def _refuse_doubles(field: str, name: str, values: Iterable[Hashable]) -> None:
    seen: set[Hashable] = set()
    for place, value in enumerate(values):
        if value in seen:
            raise Invalid(tr("{name} {value} is there twice.", name=name, value=value), field=f"{field}.{place}.{name}")
        seen.add(value)


def _refuse_runs_of_one_seed(runs: list[ArchivedRun]) -> None:
    """Of one configuration and seed one run counts, or a cell would count it twice; of tuning runs one of each rate and
    rung."""
    retried = {run.retry_of for run in runs}
    seen: dict[Hashable, int] = {}
    for place, run in enumerate(runs):
        if run.id in retried:
            continue
        tried = (run.learning_rate, run.rung_steps is None) if run.purpose == "tune" else None
        same = (run.configuration, run.purpose, run.seed, tried)
        if same in seen:
            raise Invalid(
                tr(
                    "Runs {seen} and {run} are both the {purpose} run of configuration {configuration} with seed"
                    " {seed}.",
                    seen=seen[same],
                    run=run.id,
                    purpose=run.purpose,
                    configuration=run.configuration,
                    seed=run.seed,
                ),
                field=f"results.runs.{place}.seed",
            )
        seen[same] = run.id


# -- writing ----------------------------------------------------------------------------------------------------------


def _write(session: Session, caller: Caller, document: StudyDocument, results: StudyResults, sha256: str) -> int:
    now = database_now(session)
    study = Study(
        name=document.name,
        document=document.model_dump(mode="json", exclude={"results"}) | {"seeds": chosen_seeds(document.seeds)},
        # No run of it is ever carried out here.
        base_model_path="",
        base_model_sha256=results.base_model_sha256,
        base_model_source=results.base_model_source.model_dump() if results.base_model_source else None,
        task=results.task,
        precision=results.precision,
        precision_probe=results.precision_probe,
        device=document.device,
        priority=document.priority,
        origin=_origin(document, results, sha256),
        created_at=now,
        created_by=caller.user,
    )
    study.document |= {"metrics": document.metrics or chosen_metrics(None, study.task["kind"])}
    session.add(study)
    session.flush()
    rows = _write_configurations(session, study.id, results.configurations)
    _write_runs(session, study.id, results, rows, sha256, now)
    return study.id


def _said_of_task(results: StudyResults) -> PublishedTask:
    """The part of a task that is known of every study."""
    known = {name: value for name, value in results.task.items() if name in PublishedTask.model_fields}
    said = {"score": None, "test_items": None} | known
    task = PublishedTask.model_validate(said)
    return task if task.splits is None else task.model_copy(update={"test_items": task.splits.test})


def _origin(document: StudyDocument, results: StudyResults, sha256: str) -> dict[str, Any]:
    """An ArchiveOrigin."""
    task, budget = _said_of_task(results), document.budget
    splits = task.splits
    return {
        "kind": KIND,
        "suite": task.name,
        "label": "imported study",
        "base_model": document.base_model,
        "steps": budget.total_steps(splits.train) if splits else budget.steps,
        "batch_size": budget.batch_size,
        "max_length": budget.max_length,
        "test_items": task.test_items,
        "sha256": sha256,
        "format": results.format,
        **results.exported.model_dump(mode="json"),
        "created_at": results.created_at.isoformat(),
        "created_by": results.created_by,
        "origin": results.origin,
    }


def _write_configurations(session: Session, study_id: int, archived: list[ArchivedConfiguration]) -> dict[int, int]:
    """The id in the file -> the id here."""
    rows = [
        Configuration(study_id=study_id, position=place, **row.model_dump(exclude={"id"}))
        for place, row in enumerate(archived)
    ]
    session.add_all(rows)
    session.flush()
    return {old.id: new.id for old, new in zip(archived, rows, strict=True)}


def _write_runs(
    session: Session, study_id: int, results: StudyResults, rows: dict[int, int], sha256: str, now: datetime
) -> None:
    made: dict[int, int] = {}
    for place, run in enumerate(results.runs):
        ended = run.status not in ("queued", "running")
        row = Run(
            study_id=study_id,
            configuration_id=rows[run.configuration],
            position=place,
            retry_of=made[run.retry_of] if run.retry_of is not None else None,
            status=run.status if ended else "cancelled",
            reason=run.reason if ended else UNFINISHED,
            attempt=len(run.attempts),
            source="imported",
            origin={"kind": KIND, "run": run.id, "study_sha256": sha256, "source": run.source, "origin": run.origin},
            updated_at=now,
            **run.model_dump(include=TAKEN_OVER),
        )
        session.add(row)
        session.flush()
        made[run.id] = row.id
        _write_measured(session, row.id, run)


TAKEN_OVER = {
    *("purpose", "seed", "learning_rate", "rung_steps", "step", "total_steps", "validation_score", "train_seconds"),
    *("environment", "spec", "created_at", "started_at", "ended_at"),
}
"""What an imported run has as it stands in the file."""


def _write_measured(session: Session, run_id: int, run: ArchivedRun) -> None:
    session.add_all(Attempt(run_id=run_id, **attempt.model_dump()) for attempt in run.attempts)
    session.add_all(MeasurementRow(run_id=run_id, **measured.model_dump()) for measured in run.measurements)
    if run.predictions is not None:
        session.add(PredictionSet(run_id=run_id, **run.predictions.model_dump()))
    for point in run.validations:
        session.add(SeriesPointRow(run_id=run_id, key="validation_score", step=point.step, value=point.score))
        if point.train_seconds is not None:
            session.add(SeriesPointRow(run_id=run_id, key="train_seconds", step=point.step, value=point.train_seconds))
