"""A number's value, derived again from the rows of the database: plain numpy and scipy wherever a formula is short.

Only what has one home in the product goes through it: fixed-anchor scores (peft_core.compare), intervals corrected
over all pairs of a study (the comparison), and what a recommendation draws (the recommendation service).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.tables import MeasurementRow, PredictionSet, Run, Study
from app.schemas import Difference
from app.services.differences import build_differences
from app.services.evidence import StudyEvidence, read_evidence
from peft_core.compare.normalise import quality_score, ratio_score
from peft_core.metric import metrics


@dataclass(frozen=True)
class Question:
    """One sourced number to derive again. runs, reference: run ids."""

    statistic: str
    metric: str
    runs: tuple[int, ...]
    reference: tuple[int, ...]


def question(sourced: dict[str, str]) -> Question:
    """The question that a number's data-* attributes ask; raises ValueError where they name no runs."""
    return Question(
        statistic=sourced["statistic"],
        metric=sourced.get("metric", ""),
        runs=run_ids(sourced["source"]),
        reference=run_ids(sourced["reference"]) if sourced.get("reference") else (),
    )


def run_ids(source: str) -> tuple[int, ...]:
    """The ids of "runs:41,42"."""
    kind, _, ids = source.partition(":")
    if kind != "runs" or not ids:
        raise ValueError(f"{source!r} names no runs")
    return tuple(int(run) for run in ids.split(","))


def recompute(session: Session, asked: Question) -> float:
    """The value that the rows of the database give; raises KeyError for a statistic that nobody taught it."""
    if asked.reference and asked.statistic in OF_PAIRS:
        return OF_PAIRS[asked.statistic](session, asked)
    return OF_VALUES[asked.statistic](measured(session, asked.metric, asked.runs))


def measured(session: Session, metric: str, runs: tuple[int, ...]) -> NDArray[np.float64]:
    """The values of `metric` in `runs`, in their order; a run's own figures count as metrics of it."""
    if metric in {"validation_score", "train_seconds", "learning_rate"}:
        found = {run.id: getattr(run, metric) for run in session.scalars(select(Run).where(Run.id.in_(runs)))}
    else:
        rows = session.scalars(
            select(MeasurementRow).where(MeasurementRow.run_id.in_(runs), MeasurementRow.metric == metric)
        )
        found = {row.run_id: row.value for row in rows}
    return np.array([found[run] for run in runs if found.get(run) is not None], dtype=float)


def half_width(values: NDArray[np.float64]) -> float:
    """Half of the 95 % t-interval of the mean."""
    return float(stats.t.ppf(0.975, values.size - 1) * values.std(ddof=1) / math.sqrt(values.size))


def single(values: NDArray[np.float64]) -> float:
    """The one value; several runs must agree, as exact metrics do."""
    assert values.size and np.ptp(values) == 0, f"one value was promised, the rows hold {values}"
    return float(values[0])


OF_VALUES: dict[str, Callable[[NDArray[np.float64]], float]] = {
    "mean": lambda values: float(values.mean()),
    "value": single,
    "half_width": half_width,
    "lo": lambda values: float(values.mean()) - half_width(values),
    "hi": lambda values: float(values.mean()) + half_width(values),
    "count": lambda values: float(values.size),
}
"""Statistics of one group of runs."""


def _gap(session: Session, asked: Question) -> float:
    """Mean of the first group minus mean of the second."""
    return float(
        measured(session, asked.metric, asked.runs).mean() - measured(session, asked.metric, asked.reference).mean()
    )


def _ratio(session: Session, asked: Question) -> float:
    return float(
        measured(session, asked.metric, asked.runs).mean() / measured(session, asked.metric, asked.reference).mean()
    )


def _paired_half_width(session: Session, asked: Question) -> float:
    """Half of the 95 % interval of a paired difference: seeds and items both vary (Welch and Satterthwaite)."""
    difference = _item_scores(session, asked.runs) - _item_scores(session, asked.reference)
    seeds, items = difference.shape
    parts = [(difference.mean(axis=0).var(ddof=1) / items, items - 1)]
    if seeds > 1:
        parts.append((difference.mean(axis=1).var(ddof=1) / seeds, seeds - 1))
    variance = sum(part for part, _ in parts)
    if variance == 0:
        return 0.0
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    return float(stats.t.ppf(0.975, freedom) * math.sqrt(variance))


def _item_scores(session: Session, runs: tuple[int, ...]) -> NDArray[np.float64]:
    """Per-item scores, shape (runs, items)."""
    rows = {row.run_id: row for row in session.scalars(select(PredictionSet).where(PredictionSet.run_id.in_(runs)))}
    return np.array([rows[run].scores for run in runs], dtype=float)


def _of_comparison(read: Callable[[Difference], float]) -> Callable[[Session, Question], float]:
    """A figure of the study's comparison that all its pairs decide together."""

    def value(session: Session, asked: Question) -> float:
        evidence = _evidence(session, asked)
        found = [d for d in build_differences(evidence) if tuple(d.run_ids) == asked.runs]
        assert len(found) == 1, f"no difference of the study rests on runs {asked.runs}"
        return read(found[0])

    return value


def _normalised(session: Session, asked: Question) -> float:
    """The fixed-anchor score, from the means of the rows and the anchors of the catalogue."""
    value = float(measured(session, asked.metric, asked.runs).mean())
    metric = metrics()[asked.metric]
    if asked.metric == "task_performance":
        scale = _evidence(session, asked).as_evidence().quality_scale()
        score = quality_score(value, scale) if scale else None
        assert score is not None, "a score is shown where the scale is undefined"
        return score
    if metric.anchors is None:
        return value
    full = float(measured(session, asked.metric, asked.reference).mean())
    return ratio_score(value, full, metric.anchors, higher_is_better=metric.better == "higher")


def _evidence(session: Session, asked: Question) -> StudyEvidence:
    """Everything measured in the study of the asked runs."""
    run = session.get_one(Run, asked.runs[0])
    return read_evidence(session, session.get_one(Study, run.study_id))


OF_PAIRS: dict[str, Callable[[Session, Question], float]] = {
    "difference": _gap,
    "ratio": _ratio,
    "lo": lambda session, asked: _gap(session, asked) - _paired_half_width(session, asked),
    "hi": lambda session, asked: _gap(session, asked) + _paired_half_width(session, asked),
    "corrected_lo": _of_comparison(lambda difference: difference.corrected[0]),
    "corrected_hi": _of_comparison(lambda difference: difference.corrected[1]),
    "p_value": _of_comparison(lambda difference: difference.p_value),
    "normalised": _normalised,
}
"""Statistics of a group of runs against a reference group."""
