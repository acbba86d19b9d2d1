"""Figures that a study works out of several runs, worked out again from the rows and apart from the product."""

import math
from collections.abc import Callable

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.tables import Configuration, MeasurementRow, Run, SeriesPointRow, Study
from peft_core.task import sign, task_kind


def _time(session: Session, run: Run) -> float:
    """Training seconds at the first validation that keeps 95 % of full's gain, else at the last one."""
    direction = sign(task_kind(session.get_one(Study, run.study_id).task["kind"]))
    floor, full = (_validation(session, run.study_id, method) for method in ("untuned", "full"))
    scores, seconds = (_series(session, run.id, key) for key in ("validation_score", "train_seconds"))
    steps = sorted(scores)
    reached = [step for step in steps if direction * (scores[step] - floor) >= 0.95 * direction * (full - floor)]
    return seconds[reached[0] if reached else steps[-1]]


def _validation(session: Session, study: int, method: str) -> float:
    """The mean validation score of a method's reporting runs."""
    runs = select(Run).join(Configuration, Configuration.id == Run.configuration_id)
    wanted = runs.where(Run.study_id == study, Configuration.method == method, Run.purpose == "report")
    found = [run.validation_score for run in session.scalars(wanted.where(Run.status == "succeeded"))]
    return float(np.mean([score for score in found if score is not None]))


def _series(session: Session, run: int, key: str) -> dict[int, float]:
    rows = session.scalars(select(SeriesPointRow).where(SeriesPointRow.run_id == run, SeriesPointRow.key == key))
    return {row.step: row.value for row in rows if row.value is not None}


def _simplicity(session: Session, run: Run) -> float:
    """The probe's two parts, and a third where a grid of five or more was scored whole."""
    probed = session.get_one(MeasurementRow, (run.id, "simplicity")).value
    assert probed is not None
    wanted = select(Run).where(Run.configuration_id == run.configuration_id, Run.purpose == "tune")
    tuning = list(session.scalars(wanted))
    tuning = [one for one in tuning if one.id not in {other.retry_of for other in tuning}]
    tried, tuning = {one.learning_rate for one in tuning}, [one for one in tuning if one.rung_steps is None]
    direction = sign(task_kind(session.get_one(Study, run.study_id).task["kind"]))
    grid = sorted((one.learning_rate or 0.0, direction * (one.validation_score or math.nan)) for one in tuning)
    if len(grid) < max(5, len(tried)) or any(math.isnan(score) for _, score in grid):
        return probed
    best = max(range(len(grid)), key=lambda place: grid[place][1])
    near = [grid[best][1] - score <= 0.01 + 1e-9 for _, score in grid]
    low = max((place + 1 for place in range(best) if not near[place]), default=0)
    high = min((place - 1 for place in range(best, len(grid)) if not near[place]), default=len(grid) - 1)
    ease = math.log10(grid[high][0] / grid[low][0])
    return float(np.mean([probed, probed, min(ease, 1.0)]))


DERIVED: dict[str, Callable[[Session, Run], float]] = {"time_to_target": _time, "simplicity": _simplicity}
"""Metric -> its value in a run of a study."""
