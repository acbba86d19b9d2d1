"""From stored runs to a comparison: cells, differences, tuning, and what they show in a sentence."""

from collections.abc import Sequence

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.db.session import team_session
from app.db.tables import Configuration, Run, Study
from app.errors import Invalid
from app.schemas import (
    Comparison,
    ConfigurationView,
    Page,
    RunCounts,
    StudyDocument,
    StudyView,
    TuningPoint,
)
from app.services.callers import Caller
from app.services.cells import build_cells
from app.services.derived import ease_of
from app.services.differences import build_differences
from app.services.evidence import StudyEvidence, read_evidence
from app.services.studies import count_runs, read_study, study_status
from app.services.verdicts import finding, verdict
from peft_core.compare.normalise import ANCHORS_VERSION
from peft_core.data import warnings_for
from peft_core.spec import Splits
from peft_core.task import task_kind


def list_studies(
    engine: Engine, caller: Caller, *, query: str | None, cursor: str | None, limit: int
) -> Page[StudyView]:
    """A page of studies, the newest first."""
    if cursor is not None and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise Invalid("This cursor did not come from a page of this list. Leave it out to start again.", field="cursor")
    with team_session(engine, caller.team_id) as session:
        wanted = select(Study).order_by(Study.id.desc()).limit(limit + 1)
        if cursor is not None:
            wanted = wanted.where(Study.id < int(cursor))
        if query:
            wanted = wanted.where(Study.name.icontains(query, autoescape=True))
        studies = list(session.scalars(wanted))
        items = [_view(session, study) for study in studies[:limit]]
    return Page[StudyView](items=items, next_cursor=str(items[-1].id) if len(studies) > limit else None)


def study_view(engine: Engine, caller: Caller, study_id: int) -> StudyView:
    """One study, or NotFound."""
    with team_session(engine, caller.team_id) as session:
        return _view(session, read_study(session, study_id))


def _view(session: Session, study: Study) -> StudyView:
    counts = count_runs(session, [study.id])[study.id]
    kind, splits = study.task["kind"], Splits.model_validate(study.task["splits"])
    runs = session.scalars(
        select(Run.updated_at).where(Run.study_id == study.id).order_by(Run.updated_at.desc()).limit(1)
    )
    return StudyView(
        id=study.id,
        name=study.name,
        status=study_status(counts),
        document=StudyDocument.model_validate(study.document),
        task_kind=kind,
        metric=task_kind(kind).headline,
        splits=splits,
        warnings=warnings_for(splits, task_kind(kind)),
        precision=study.precision,
        counts=counts,
        failures=counts.failed,
        created_at=study.created_at,
        created_by=study.created_by,
        updated_at=runs.first() or study.created_at,
        finding=finding(read_evidence(session, study), study_status(counts), counts),
    )


def comparison(engine: Engine, caller: Caller, study_id: int) -> Comparison:
    """Everything the study page shows of a study."""
    with team_session(engine, caller.team_id) as session:
        study = read_study(session, study_id)
        evidence = read_evidence(session, study)
        counts = count_runs(session, [study.id])[study.id]
    status = study_status(counts)
    differences = build_differences(evidence)
    return Comparison(
        study=study.id,
        status=status,
        anchors_version=ANCHORS_VERSION,
        reference=evidence.full.id if evidence.full else None,
        flags=_flags(evidence, counts),
        verdict=verdict(evidence, counts, differences),
        configurations=[_configuration(evidence, row) for row in evidence.configurations],
        metrics=[evidence.card(key) for key in evidence.metric_keys],
        cells=build_cells(evidence),
        differences=differences,
    )


def _configuration(evidence: StudyEvidence, row: Configuration) -> ConfigurationView:
    tuning = [_tuning_point(run) for run in evidence.runs(row.id, "tune")]
    scored = [point for point in tuning if point.validation_score is not None]
    edges = (min(row.learning_rates), max(row.learning_rates)) if len(row.learning_rates) > 1 else ()
    return ConfigurationView(
        id=row.id,
        method=row.method,
        label=row.label,
        family=row.family,
        reference=row.reference,
        hyperparameters=row.hyperparameters,
        learning_rates=row.learning_rates,
        tuning=tuning,
        learning_rate=row.learning_rate,
        grid_edge=row.learning_rate in edges,
        learned=evidence.learned(scored),
        tuning_ease=ease_of(evidence, row.id),
    )


def _tuning_point(run: Run) -> TuningPoint:
    assert run.learning_rate is not None, "a tuning run is one learning rate"
    return TuningPoint(
        learning_rate=run.learning_rate, run_id=run.id, status=run.status, validation_score=run.validation_score
    )


DIFFERENCES = {
    "device_name": "devices",
    "driver": "drivers",
    "precision": "precisions",
    "torch": "versions of torch",
    "transformers": "versions of transformers",
    "peft": "versions of peft",
}
"""What all runs of a study should share, by its name in a run's environment."""
COST_DIFFERENCES = {"torch_threads": "numbers of threads"}
"""What probes should share besides: it changes what a run costs, and not what it learns."""


def _seen(field: str, finished: Sequence[Run]) -> list[str]:
    """Every value that runs say; what an older version did not write down differs from nothing."""
    values = {(run.environment or {}).get(field) for run in finished}
    return sorted(str(value) for value in values if value is not None)


def _flags(evidence: StudyEvidence, counts: RunCounts) -> Sequence[str]:
    """What a reader must know before comparing: never silently averaged."""
    flags = []
    for field, what in DIFFERENCES.items():
        seen = _seen(field, evidence.finished)
        if len(seen) > 1:
            flags.append(f"The runs used different {what}: {', '.join(seen)}.")
    for field, what in COST_DIFFERENCES.items():
        seen = _seen(field, [run for run in evidence.finished if run.purpose == "probe"])
        if len(seen) > 1:
            flags.append(f"Costs were measured with different {what}: {', '.join(seen)}. They do not compare.")
    for row in evidence.configurations:
        edges = (min(row.learning_rates), max(row.learning_rates)) if len(row.learning_rates) > 1 else ()
        if row.learning_rate in edges:
            flags.append(
                f"{row.label}: the best learning rate lies at the edge of its grid, so the grid is too narrow."
            )
    if counts.failed:
        flags.append("Some runs failed; their cells say how many.")
    return flags
