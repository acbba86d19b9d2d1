"""Predicted beside measured: what could be said of a study's costs before its launch, and what its runs took.

Nothing here reads the dataset: every text counts as long as the budget allows, as in an estimate before a launch.
"""

from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Engine

from app.db.session import team_session
from app.db.tables import Configuration
from app.language import tr
from app.schemas import CostFigure, Number, PredictedCosts, PredictedFigure, PredictedRow, StudyDocument
from app.services.callers import Caller
from app.services.estimates import speed_before
from app.services.evidence import TRAIN_SECONDS, StudyEvidence, read_evidence
from app.services.shared_steps import formula_of_time, seconds_trained
from app.services.studies import read_study
from peft_core.analysis.cost_model.estimate import estimate
from peft_core.analysis.cost_model.memory import Memory
from peft_core.analysis.cost_model.seconds import Calibration
from peft_core.analysis.cost_model.setting import DeviceKind, Setting
from peft_core.compare.recommend import QUALITY
from peft_core.errors import PeftCoreError
from peft_core.method import build_method
from peft_core.model_config import read_config_of
from peft_core.spec import TaskSpec

FIGURES: tuple[CostFigure, ...] = ("trainable_parameters", "storage_bytes", "peak_memory", "train_seconds")


def predicted_costs(engine: Engine, caller: Caller, study_id: int) -> PredictedCosts:
    """By configuration; raises NotFound. An imported study was not planned here: nothing is predicted of it."""
    with team_session(engine, caller.team_id) as session:
        study = read_study(session, study_id)
        evidence = read_evidence(session, study)
        document = StudyDocument.model_validate(study.document)
        empty = PredictedCosts(study=study_id, rows=[], text_length=document.budget.max_length, speed_source=None)
        if study.origin is not None:
            return empty.model_copy(update={"missing": "Its results were imported, so nothing was planned here."})
        device = _device(evidence)
        if device is None:
            return empty.model_copy(update={"missing": "No run has ended well yet."})
        try:
            read_config_of(Path(study.base_model_path))
        except PeftCoreError as error:
            return empty.model_copy(update={"missing": f"The base model cannot be read: {error}"})
        speed = speed_before(session, device, study.created_at)
        rows = [_row(evidence, document, row, device, speed) for row in evidence.configurations]
    return empty.model_copy(
        update={"rows": [row for row in rows if row.figures], "speed_source": speed.source if speed else None}
    )


def _device(evidence: StudyEvidence) -> DeviceKind | None:
    return next(
        (run.environment["device"] for run in evidence.costing if run.environment and "device" in run.environment), None
    )


def _row(
    evidence: StudyEvidence,
    document: StudyDocument,
    row: Configuration,
    device: DeviceKind,
    speed: Calibration | None,
) -> PredictedRow:
    """Of a method that trains nothing there is nothing to predict."""
    try:
        predicted = _predicted(evidence, document, row, device, speed)
    except PeftCoreError:
        # Its method is no longer what it was.
        predicted = {}
    figures = [_figure(evidence, row, figure, predicted.get(figure)) for figure in FIGURES] if predicted else []
    return PredictedRow.model_validate(
        {"configuration": row.id, "label": tr(row.label), "family": row.family, "figures": figures}
    )


def _predicted(
    evidence: StudyEvidence,
    document: StudyDocument,
    row: Configuration,
    device: DeviceKind,
    speed: Calibration | None,
) -> Mapping[CostFigure, float | None]:
    study, task = evidence.study, TaskSpec.model_validate(evidence.study.task)
    base, anatomy = read_config_of(Path(study.base_model_path))
    method = build_method(row.method, row.hyperparameters)
    if method.learning_rate is None:
        return {}
    setting = Setting(
        base=base,
        anatomy=anatomy,
        method=method,
        task_kind=task.kind,
        labels=len(task.choices or task.labels),
        budget=document.budget,
        precision=study.precision or "fp32",  # type: ignore[arg-type]
        device=device,
    )
    found = estimate(setting, total_steps=document.budget.total_steps(task.splits.train), calibration=speed)
    return {
        "trainable_parameters": float(found.trainable_parameters),
        "storage_bytes": float(found.storage_bytes),
        "peak_memory": Memory(setting).training_peak,
        "train_seconds": found.train_seconds,
    }


def _figure(
    evidence: StudyEvidence, row: Configuration, figure: CostFigure, predicted: float | None
) -> PredictedFigure:
    values = _measured(evidence, row, figure)
    formula = f"predicted_costs(study {evidence.study.id})"
    quantity = "seconds" if figure == "train_seconds" else evidence.catalogue[figure].quantity
    told = (
        None
        if predicted is None
        else Number(
            value=predicted,
            quantity=quantity,
            statistic="predicted",
            metric=figure,
            source="estimated",
            formula=formula,
        )
    )
    if not values:
        return PredictedFigure(figure=figure, predicted=told, missing="not measured")
    mean = sum(values.values()) / len(values)
    by_steps = formula_of_time(evidence, evidence.alike(row.id, QUALITY).kept) if figure == TRAIN_SECONDS else None
    measured = Number(
        value=mean, quantity=quantity, statistic="mean", metric=figure, run_ids=list(values), formula=by_steps
    )
    if told is None or predicted is None:
        return PredictedFigure(figure=figure, measured=measured, missing="not predicted")
    if not mean:
        return PredictedFigure(figure=figure, predicted=told, measured=measured, missing="none measured: no ratio")
    ratio = Number(value=predicted / mean, quantity="ratio", statistic="predicted_ratio", formula=formula)
    return PredictedFigure(figure=figure, predicted=told, measured=measured, ratio=ratio)


def _measured(evidence: StudyEvidence, row: Configuration, figure: CostFigure) -> dict[int, float]:
    if figure == TRAIN_SECONDS:
        return seconds_trained(evidence, evidence.alike(row.id, QUALITY).kept)
    return evidence.values(row.id, figure) if figure in evidence.metric_keys else {}
