"""JSON: the study document, and under `results` all that its cells are made from."""

from importlib.metadata import version
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel, JsonValue
from pydantic_core import to_json
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.db.session import database_now, team_session
from app.db.tables import (
    Attempt,
    Configuration,
    MeasurementRow,
    PredictionSet,
    Run,
    SeriesPointRow,
    Study,
)
from app.schemas import (
    ARCHIVE_FORMAT,
    LARGEST_ARCHIVE_BYTES,
    ArchivedAttempt,
    ArchivedConfiguration,
    ArchivedMeasurement,
    ArchivedPredictions,
    ArchivedRun,
    ArchivedValidation,
    ArchiveSource,
    StudyDocument,
    StudyResults,
)
from app.services.callers import Caller
from app.services.studies import read_study
from peft_core.compare.normalise import ANCHORS_VERSION
from peft_core.spec import HubSource

VALIDATION_SERIES = ("validation_score", "train_seconds")


def as_json(engine: Engine, caller: Caller, study_id: int) -> str:
    """The study with its results; launched as a document, it is queued anew."""
    with team_session(engine, caller.team_id) as session:
        study = read_study(session, study_id)
        document, results = StudyDocument.model_validate(study.document), read_results(session, study)
    text = _text(document, results)
    if len(text.encode()) > LARGEST_ARCHIVE_BYTES:
        text = _text(document, _without_answers(results))
    return text


def _text(document: StudyDocument, results: StudyResults) -> str:
    """The document to be read by a person, its results one run a line."""
    head = to_json(_plain(document, exclude={"results"}, exclude_none=True), indent=2).decode().removesuffix("\n}")
    measured = _plain(results)
    runs = ",\n      ".join(_line(run) for run in measured.pop("runs"))
    others = "".join(f'    "{name}": {_line(value)},\n' for name, value in measured.items())
    return f'{head},\n  "results": {{\n{others}    "runs": [\n      {runs}\n    ]\n  }}\n}}\n'


def _plain(part: BaseModel, **chosen: Any) -> dict[str, Any]:
    return part.model_dump(mode="json", **chosen)


def _line(value: Any) -> str:
    return to_json(value, inf_nan_mode="null").decode()


def _without_answers(results: StudyResults) -> StudyResults:
    """Scores are evidence and stay; the answers' own texts are only there to be read."""
    for run in results.runs:
        if run.predictions is not None:
            run.predictions.predicted = []
    return results


def read_results(session: Session, study: Study) -> StudyResults:
    """All that the study has measured."""
    return StudyResults(
        format=ARCHIVE_FORMAT,
        exported=ArchiveSource(
            study=study.id,
            exported_at=database_now(session),
            product_version=version("peft-atlas"),
            anchors_version=ANCHORS_VERSION,
        ),
        base_model_sha256=study.base_model_sha256,
        base_model_source=HubSource.model_validate(study.base_model_source) if study.base_model_source else None,
        task=_without_folder(study.task, "dataset"),
        precision=study.precision,
        precision_probe=study.precision_probe,
        created_at=study.created_at,
        created_by=study.created_by,
        origin=study.origin,
        configurations=[_configuration(row) for row in study.configurations],
        runs=_Runs(session, study).archived(),
    )


def _configuration(row: Configuration) -> ArchivedConfiguration:
    return ArchivedConfiguration(
        id=row.id,
        method=row.method,
        label=row.label,
        family=row.family,
        reference=row.reference,
        hyperparameters=row.hyperparameters,
        learning_rates=row.learning_rates,
        learning_rate=row.learning_rate,
    )


def _without_folder(spec: dict[str, Any], field: str) -> dict[str, Any]:
    """A path says where things lie on one machine; only its last part means something on another."""
    return spec | {field: PurePath(spec[field]).name} if field in spec else spec


class _Runs:
    """A study's runs with what belongs to each, read with one query for each kind of row."""

    def __init__(self, session: Session, study: Study) -> None:
        ids = select(Run.id).where(Run.study_id == study.id)
        self._runs = session.scalars(select(Run).where(Run.study_id == study.id).order_by(Run.id)).all()
        self._attempts: dict[int, list[Attempt]] = {}
        for attempt in session.scalars(select(Attempt).where(Attempt.run_id.in_(ids)).order_by(Attempt.attempt)):
            self._attempts.setdefault(attempt.run_id, []).append(attempt)
        self._measured: dict[int, list[MeasurementRow]] = {}
        for row in session.scalars(
            select(MeasurementRow).where(MeasurementRow.run_id.in_(ids)).order_by(MeasurementRow.metric)
        ):
            self._measured.setdefault(row.run_id, []).append(row)
        predictions = session.scalars(select(PredictionSet).where(PredictionSet.run_id.in_(ids)))
        self._predictions = {row.run_id: row for row in predictions}
        self._validations = _read_validations(session, study)

    def archived(self) -> list[ArchivedRun]:
        return [self._run(run) for run in self._runs]

    def _run(self, run: Run) -> ArchivedRun:
        found = self._predictions.get(run.id)
        return ArchivedRun(
            id=run.id,
            configuration=run.configuration_id,
            purpose=run.purpose,
            seed=run.seed,
            learning_rate=run.learning_rate,
            rung_steps=run.rung_steps,
            status=run.status,
            reason=run.reason,
            retry_of=run.retry_of,
            attempts=[_attempt(row) for row in self._attempts.get(run.id, [])],
            step=run.step,
            total_steps=run.total_steps,
            validation_score=run.validation_score,
            train_seconds=run.train_seconds,
            environment=run.environment,
            spec=_portable(run.spec),
            source=run.source,
            origin=run.origin,
            created_at=run.created_at,
            started_at=run.started_at,
            ended_at=run.ended_at,
            measurements=[_measurement(row) for row in self._measured.get(run.id, [])],
            predictions=_predictions(found) if found is not None else None,
            validations=self._validations.get(run.id, []),
        )


def _attempt(row: Attempt) -> ArchivedAttempt:
    return ArchivedAttempt(
        attempt=row.attempt,
        worker=row.worker,
        started_at=row.started_at,
        ended_at=row.ended_at,
        resumed_from_step=row.resumed_from_step,
        outcome=row.outcome,
        reason=row.reason,
    )


def _measurement(row: MeasurementRow) -> ArchivedMeasurement:
    return ArchivedMeasurement(metric=row.metric, value=row.value, detail=row.detail)


def _predictions(row: PredictionSet) -> ArchivedPredictions:
    return ArchivedPredictions(items=row.items, predicted=row.predicted, scores=row.scores)


def _portable(spec: dict[str, Any] | None) -> dict[str, JsonValue] | None:
    if spec is None:
        return None
    task = _without_folder(spec["task"], "dataset")
    return _without_folder(spec, "base_model") | {"task": task, "folder": ""}


def _read_validations(session: Session, study: Study) -> dict[int, list[ArchivedValidation]]:
    """Run id -> every step at which a reporting run says its score, with its training seconds where it says them."""
    rows = session.execute(
        select(SeriesPointRow.run_id, SeriesPointRow.step, SeriesPointRow.key, SeriesPointRow.value)
        .join(Run, Run.id == SeriesPointRow.run_id)
        .where(Run.study_id == study.id, Run.purpose == "report", SeriesPointRow.key.in_(VALIDATION_SERIES))
        .order_by(SeriesPointRow.run_id, SeriesPointRow.step)
    )
    points: dict[tuple[int, int], dict[str, float]] = {}
    for run_id, step, key, value in rows:
        if value is not None:
            points.setdefault((run_id, step), {})[key] = value
    found: dict[int, list[ArchivedValidation]] = {}
    for (run_id, step), values in points.items():
        if (score := values.get("validation_score")) is not None:
            seconds = values.get("train_seconds")
            found.setdefault(run_id, []).append(ArchivedValidation(step=step, train_seconds=seconds, score=score))
    return found
