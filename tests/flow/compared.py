"""Figures of the Compare page: shares of a gain worked out again from the rows; tests over studies asked once more."""

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.db.tables import Configuration, MeasurementRow, PredictionSet, Run
from app.schemas import StudiesCompared
from app.services.across_studies import Asked, compare_studies
from app.services.callers import LOCAL

Runs = tuple[int, ...]
QUALITY = "task_performance"


def _values(session: Session, runs: Runs) -> NDArray[np.float64]:
    rows = session.scalars(select(MeasurementRow).where(MeasurementRow.run_id.in_(runs)))
    return np.array([row.value for row in rows if row.metric == QUALITY])


def _of_method(session: Session, study: int, method: str) -> float:
    """The mean quality of a study's row over its reporting runs."""
    wanted = select(MeasurementRow.value).join(Run, Run.id == MeasurementRow.run_id)
    wanted = wanted.join(Configuration, Configuration.id == Run.configuration_id)
    wanted = wanted.where(Run.study_id == study, Run.purpose == "report", MeasurementRow.metric == QUALITY)
    return float(np.mean([value or 0.0 for value in session.scalars(wanted.where(Configuration.method == method))]))


def _scale(session: Session, run: int) -> tuple[float, float]:
    """The floor of the run's study, and full fine-tuning's gain over it."""
    study = session.get_one(Run, run).study_id
    floor = _of_method(session, study, "untuned")
    return floor, _of_method(session, study, "full") - floor


def _share(session: Session, runs: Runs, _: Runs) -> float:
    floor, gain = _scale(session, runs[0])
    return (float(_values(session, runs).mean()) - floor) / gain


def _share_end(side: int) -> Callable[[Session, Runs, Runs], float]:
    def end(session: Session, runs: Runs, _: Runs) -> float:
        floor, gain = _scale(session, runs[0])
        values = _values(session, runs)
        half = stats.t.ppf(0.975, values.size - 1) * values.std(ddof=1) / math.sqrt(values.size)
        return float(values.mean() + side * half - floor) / gain

    return end


def _difference(session: Session, runs: Runs, reference: Runs) -> float:
    return float(_values(session, runs).mean() - _values(session, reference).mean()) / _scale(session, runs[0])[1]


def _difference_end(side: int) -> Callable[[Session, Runs, Runs], float]:
    """Seeds and items both vary: Welch and Satterthwaite."""

    def end(session: Session, runs: Runs, reference: Runs) -> float:
        ours, theirs = (
            np.array([session.get_one(PredictionSet, run).scores for run in ids]) for ids in (runs, reference)
        )
        apart = ours - theirs
        seeds, items = apart.shape
        over_items, over_seeds = apart.mean(axis=0).var(ddof=1) / items, apart.mean(axis=1).var(ddof=1) / seeds
        variance = over_items + over_seeds
        freedom = variance**2 / (over_items**2 / (items - 1) + over_seeds**2 / (seeds - 1))
        half = stats.t.ppf(0.975, freedom) * math.sqrt(variance)
        return float(apart.mean() + side * half) / _scale(session, runs[0])[1]

    return end


OF_SHARES: dict[str, Callable[[Session, Runs, Runs], float]] = {
    "gain_share": _share,
    "gain_share_lo": _share_end(-1),
    "gain_share_hi": _share_end(1),
    "gain_difference": _difference,
    "gain_difference_lo": _difference_end(-1),
    "gain_difference_hi": _difference_end(1),
}
"""Statistics of a row's runs against the runs that they are set beside."""


def asked_again(engine: Engine, given: Mapping[str, str]) -> StudiesCompared:
    """The comparison that a formula's arguments name."""
    studies = [int(study) for study in given["studies"].split("+")]
    return compare_studies(
        engine, LOCAL, Asked(None, studies, given["methods"].split("+"), given.get("a"), given.get("b"))
    )
