"""A comparison as the API would answer it, made from the rows of a finished study: input for charts and pages."""

import math

import numpy as np
from scipy import stats

from app.schemas import (
    Cell,
    Comparison,
    ConfigurationView,
    Difference,
    MetricCard,
    Part,
    TuningPoint,
)
from peft_core.metric import metrics
from tests.flow.finished_study import METRICS, QUICKSTART, REPORT_METRICS, Row

FULL = 3
"""The configuration of full fine-tuning: its place among the quickstart's rows, counted from 1."""


def comparison(rows: tuple[Row, ...] = QUICKSTART) -> Comparison:
    """Configurations numbered from 1, runs of configuration c from 10 c."""
    return Comparison(
        study=1,
        status="succeeded",
        anchors_version="1",
        reference=FULL,
        flags=[],
        verdict=[Part(text="LoRA ties full fine-tuning.")],
        configurations=[_configuration(place, row) for place, row in enumerate(rows, start=1)],
        metrics=[card(key) for key in METRICS],
        cells=[_cell(place, row, key) for place, row in enumerate(rows, start=1) for key in METRICS],
        differences=[_difference(place, row) for place, row in enumerate(rows, start=1) if place != FULL],
    )


def card(key: str) -> MetricCard:
    """The catalogue's card of a metric, as the API gives it."""
    metric = metrics()[key]
    return MetricCard(
        key=key,
        title=metric.title,
        quantity=metric.quantity,
        unit=metric.unit,
        better=metric.better,
        meaning=metric.meaning,
        how=metric.how,
        purposes=sorted(metric.purposes),
        exact=metric.exact,
        in_heatmap=metric.in_heatmap,
    )


def _configuration(place: int, row: Row) -> ConfigurationView:
    tuning = [
        TuningPoint(learning_rate=rate, run_id=10 * place + 6 + k, status="succeeded", validation_score=score)
        for k, (rate, score) in enumerate(zip(row.learning_rates, row.validation, strict=True))
    ]
    best = row.learning_rate
    return ConfigurationView(
        id=place,
        method=row.method,
        label=row.label,
        family=row.family,
        reference=row.family == "reference",
        hyperparameters=row.hyperparameters,
        learning_rates=list(row.learning_rates),
        tuning=tuning,
        learning_rate=best,
        grid_edge=best is not None and best in (row.learning_rates[0], row.learning_rates[-1]),
        learned=None if not tuning else True,
    )


def _cell(place: int, row: Row, key: str) -> Cell:
    metric = metrics()[key]
    if key in REPORT_METRICS:
        fixed = {"trainable_parameters": float(row.parameters), "storage_bytes": float(row.storage_bytes)}
        values = list(row.accuracy) if key == "task_performance" else [fixed[key]] * len(row.accuracy)
        runs = [10 * place + seed for seed in range(1, len(row.accuracy) + 1)]
    else:
        value = row.probe[key]
        values, runs = ([value], [10 * place + 5]) if value is not None else ([], [])
    mean = float(np.mean(values)) if values else None
    return Cell(
        configuration=place,
        method=row.method,
        metric=key,
        unit=metric.unit,
        better=metric.better,
        mean=mean,
        interval=_interval(values) if len(values) > 1 and not metric.exact else None,
        n=len(values),
        values=values,
        normalised=None if mean is None else min(1.0, max(0.0, 1 - 0.13 * place)),
        source="measured" if values else None,
        failures=row.failed_seeds if key in REPORT_METRICS else 0,
        run_ids=runs,
        missing=None if values else "this method trains nothing",
    )


def _interval(values: list[float]) -> tuple[float, float]:
    mean, half = float(np.mean(values)), _half_width(values)
    return mean - half, mean + half


def _half_width(values: list[float]) -> float:
    return float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values)))


def _difference(place: int, row: Row) -> Difference:
    value = float(np.mean(row.accuracy) - np.mean(QUICKSTART[FULL - 1].accuracy))
    corrected = (value - 0.03, value + 0.03)
    return Difference(
        configuration=place,
        value=value,
        interval=(value - 0.022, value + 0.022),
        corrected=corrected,
        p_value=0.0004 if corrected[1] < 0 else 0.31,
        verdict="worse" if corrected[1] < 0 else "tie",
        covers="seeds and test items",
        run_ids=[10 * place + seed for seed in range(1, len(row.accuracy) + 1)],
        reference_run_ids=[31, 32, 33],
    )
