"""From stored runs to a comparison: cells, differences, tuning, and what they show in a sentence."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from app.db.session import team_session
from app.db.tables import Configuration, Run, Study
from app.errors import Invalid
from app.formats import format_value
from app.language import tr
from app.schemas import (
    ArchiveOrigin,
    Comparison,
    ConfigurationView,
    Page,
    RunCounts,
    StudyDocument,
    StudyOrigin,
    StudyView,
    TuningPoint,
)
from app.services.callers import Caller
from app.services.cells import build_cells
from app.services.comparability import differences_from, study_flags
from app.services.derived import ease_of
from app.services.differences import build_differences
from app.services.evidence import StudyEvidence
from app.services.findings import finding_of
from app.services.halving import left_out
from app.services.kept_evidence import kept_evidence
from app.services.reviews import approval_of, comments_of, tagged_with, tags_of
from app.services.scores import score_of
from app.services.small_splits import split_warnings
from app.services.studies import count_runs, read_study, study_status
from app.services.verdicts import verdict
from peft_core.compare.normalise import ANCHORS_VERSION
from peft_core.compare.recommend import QUALITY
from peft_core.spec import Splits


def list_studies(
    engine: Engine, caller: Caller, *, query: str | None, cursor: str | None, limit: int, tag: str | None = None
) -> Page[StudyView]:
    """A page of studies, the newest first. query: part of a name. tag: one that they have, whatever its case."""
    if cursor is not None and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise Invalid(
            tr("This cursor did not come from a page of this list. Leave it out to start again."), field="cursor"
        )
    with team_session(engine, caller.team_id) as session:
        wanted = select(Study).order_by(Study.id.desc()).limit(limit + 1)
        if cursor is not None:
            wanted = wanted.where(Study.id < int(cursor))
        if query:
            wanted = wanted.where(Study.name.icontains(query, autoescape=True))
        if tag:
            wanted = wanted.where(Study.id.in_(tagged_with(session, tag)))
        studies = list(session.scalars(wanted))
        items = _views(session, studies[:limit])
    return Page[StudyView](items=items, next_cursor=str(items[-1].id) if len(studies) > limit else None)


def study_view(engine: Engine, caller: Caller, study_id: int) -> StudyView:
    """One study, or NotFound."""
    with team_session(engine, caller.team_id) as session:
        return _views(session, [read_study(session, study_id)])[0]


def _views(session: Session, studies: Sequence[Study]) -> list[StudyView]:
    """Studies as lists show them; what is counted of their runs is counted for all of them at once."""
    ids = [study.id for study in studies]
    counts, tags, comments = count_runs(session, ids), tags_of(session, ids), comments_of(session, ids)
    newest = select(Run.study_id, func.max(Run.updated_at)).where(Run.study_id.in_(ids)).group_by(Run.study_id)
    changed: dict[int, datetime] = dict(session.execute(newest).all())
    return [
        _view(session, study, counts[study.id], changed.get(study.id, study.created_at)).model_copy(
            update={"tags": tags[study.id], "comments": comments[study.id]}
        )
        for study in studies
    ]


def _view(session: Session, study: Study, counts: RunCounts, changed: datetime) -> StudyView:
    score, splits = score_of(study), _splits(study)
    return StudyView(
        id=study.id,
        name=study.name,
        status=study_status(counts),
        document=StudyDocument.model_validate(study.document),
        task_kind=study.task["kind"],
        metric=tr(score.headline),
        splits=splits,
        warnings=split_warnings(splits, score) if splits else [],
        precision=study.precision,
        counts=counts,
        failures=counts.failed,
        created_at=study.created_at,
        created_by=study.created_by,
        updated_at=changed,
        finding=finding_of(session, study, counts, changed),
        origin=_origin(study),
        approval=approval_of(session, study.id),
    )


def _origin(study: Study) -> StudyOrigin | ArchiveOrigin | None:
    if study.origin is None:
        return None
    return (ArchiveOrigin if study.origin["kind"] == "study" else StudyOrigin).model_validate(study.origin)


def _splits(study: Study) -> Splits | None:
    found = study.task["splits"]
    return Splits.model_validate(found) if found else None


def comparison(engine: Engine, caller: Caller, study_id: int) -> Comparison:
    """Everything the study page shows of a study."""
    with team_session(engine, caller.team_id) as session:
        study = read_study(session, study_id)
        kept = kept_evidence(session, study)
        counts = count_runs(session, [study.id])[study.id]
    return kept.answer("comparison", lambda: _comparison(kept.evidence, counts))


def _comparison(evidence: StudyEvidence, counts: RunCounts) -> Comparison:
    differences = build_differences(evidence)
    return Comparison(
        study=evidence.study.id,
        status=study_status(counts),
        anchors_version=ANCHORS_VERSION,
        reference=evidence.reference.id if evidence.reference else None,
        reference_note=evidence.reference_note,
        assumed_floor=None if evidence.assumed_floor is None else evidence.task.chance_level,
        flags=_flags(evidence, counts),
        verdict=verdict(evidence, counts, differences),
        configurations=[_configuration(evidence, row) for row in evidence.configurations],
        metrics=[evidence.card(key) for key in evidence.metric_keys],
        cells=build_cells(evidence),
        differences=differences,
    )


def _configuration(evidence: StudyEvidence, row: Configuration) -> ConfigurationView:
    first, whole = ([_tuning_point(evidence, run) for run in runs] for runs in _rungs(evidence, row))
    scored = [point for point in whole if point.validation_score is not None]
    edges = (min(row.learning_rates), max(row.learning_rates)) if len(row.learning_rates) > 1 else ()
    return ConfigurationView(
        id=row.id,
        method=row.method,
        label=tr(row.label),
        family=row.family,
        reference=row.reference,
        hyperparameters=row.hyperparameters,
        learning_rates=row.learning_rates,
        tuning=[*first, *whole],
        learning_rate=row.learning_rate,
        grid_edge=row.learning_rate in edges,
        edges_left_out=_edges_left_out(evidence, row),
        learned=evidence.learned(scored),
        tuning_ease=ease_of(evidence, row.id),
        flags=_row_flags(evidence, row),
    )


def _row_flags(evidence: StudyEvidence, row: Configuration) -> list[str]:
    """What sets the row's results apart from those of others."""
    compared = [evidence.conditions[run.id] for run in evidence.alike(row.id, QUALITY).kept]
    return differences_from(evidence.usual, compared, costs=False)


def _rungs(evidence: StudyEvidence, row: Configuration) -> tuple[list[Run], list[Run]]:
    return evidence.first_rung(row.id), evidence.tuning(row.id)


def _edges_left_out(evidence: StudyEvidence, row: Configuration) -> list[float]:
    """The edges of the grid beside the chosen rate that were not tried with the whole budget."""
    rates = sorted(row.learning_rates)
    if len(rates) < 3:
        return []
    out = left_out(evidence.runs(row.id, "tune"))
    edges = ((rates[0], rates[1]), (rates[-1], rates[-2]))
    return [edge for edge, beside in edges if row.learning_rate == beside and edge in out]


def _tuning_point(evidence: StudyEvidence, run: Run) -> TuningPoint:
    assert run.learning_rate is not None, "a tuning run is one learning rate"
    return TuningPoint(
        learning_rate=run.learning_rate,
        run_id=run.id,
        status=run.status,
        validation_score=run.validation_score,
        rung_steps=run.rung_steps,
        full_steps=evidence.full_steps,
    )


def _flags(evidence: StudyEvidence, counts: RunCounts) -> Sequence[str]:
    """What a reader must know before comparing: never silently averaged."""
    quality, costs = ([evidence.conditions[run.id] for run in runs] for runs in (evidence.finished, evidence.costing))
    flags = study_flags(quality, costs)
    flags += [evidence.reference_note] if evidence.reference_note else []
    if evidence.assumed_floor is not None:
        flags.append(
            tr(
                "Assumed floor: no untuned row was run, so gains are taken from the chance level of {score}.",
                score=tr(evidence.task.headline),
            )
        )
    for row in evidence.configurations:
        edges = (min(row.learning_rates), max(row.learning_rates)) if len(row.learning_rates) > 1 else ()
        if row.learning_rate in edges:
            flags.append(
                tr(
                    "{method}: the best learning rate lies at the edge of its grid, so the grid is too narrow.",
                    method=tr(row.label),
                )
            )
        for rate in _edges_left_out(evidence, row):
            flags.append(
                tr(
                    "{method}: the first rung left out {rate}, the edge of its grid beside the best learning rate;"
                    " whether the grid is wide enough was not measured.",
                    method=tr(row.label),
                    rate=format_value(rate, "learning_rate"),
                )
            )
    if counts.failed:
        flags.append(tr("Some runs failed; their cells say how many."))
    return flags
