"""Figures of a study's trade-offs and sweeps, worked out again from the rows; shares of draws from the one drawing."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import get_args

import numpy as np
from scipy import stats
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.db.tables import Configuration, MeasurementRow, PredictionSet, Run, Study
from app.schemas import Axis, NeighbourView, Pareto
from app.services import pareto, sweeps
from app.services.callers import LOCAL
from app.services.evidence import StudyEvidence, read_evidence

Given = Mapping[str, str]
QUALITY, PARAMETERS = "task_performance", "trainable_parameters"
LARGEST_GAIN = 1.1
"""Of full fine-tuning's gain, which the score of quality leaves room for."""
FEWEST = 1e4
"""So many times fewer parameters than full fine-tuning score highest."""


def _mean(session: Session, configuration: int, metric: str) -> float:
    """Over the reporting runs of a row."""
    wanted = select(MeasurementRow.value).join(Run, Run.id == MeasurementRow.run_id)
    wanted = wanted.where(Run.configuration_id == configuration, Run.purpose == "report", Run.status == "succeeded")
    values = session.scalars(wanted.where(MeasurementRow.metric == metric))
    return float(np.mean([value for value in values if value is not None]))


def _evidence(session: Session, study: int) -> StudyEvidence:
    """Which rows are the references of a study, read once for a page."""
    kept: dict[int, StudyEvidence] = session.info.setdefault("references", {})
    if study not in kept:
        kept[study] = read_evidence(session, session.get_one(Study, study))
    return kept[study]


def _gain(session: Session, study: int, top: Configuration | None) -> tuple[float, float]:
    """The scores of the untuned row, or the assumed floor where there is none, and of `top`."""
    evidence = _evidence(session, study)
    assert top is not None, "a share of a gain is shown where nothing gained"
    floor = evidence.assumed_floor
    if floor is None:
        assert evidence.untuned is not None, "a share of a gain is shown where it starts nowhere"
        floor = _mean(session, evidence.untuned.id, QUALITY)
    return floor, _mean(session, top.id, QUALITY)


def _kept(session: Session, study: int, share: float, top: Configuration | None) -> float:
    """The score that keeps a share of the gain of `top`."""
    floor, full = _gain(session, study, top)
    return floor + share * (full - floor)


def _least_kept(session: Session, study: int) -> float:
    """The line of a sweep is of full fine-tuning itself."""
    return _kept(session, study, 0.95, _evidence(session, study).full)


def _composite(session: Session, given: Given) -> float:
    """0.7 u(quality) + 0.3 u(parameters): linear in the gain, logarithmic in the parameters."""
    study, row = int(given["study"]), int(given["configuration"])
    top = _evidence(session, study).full
    floor, full = _gain(session, study, top)
    assert top is not None
    gain = (_mean(session, row, QUALITY) - floor) / (full - floor)
    fewer = math.log(_mean(session, top.id, PARAMETERS) / _mean(session, row, PARAMETERS)) / math.log(FEWEST)
    return 0.7 * min(max(gain, 0.0), LARGEST_GAIN) / LARGEST_GAIN + 0.3 * min(max(fewer, 0.0), 1.0)


def _front(session: Session, engine: Engine, statistic: str, given: Given) -> float:
    """A figure of the front that was asked for."""
    floor = float(given["floor"]) if "floor" in given else None
    if statistic == "least_quality":
        assert floor is not None, "a least quality is shown where no floor was asked for"
        study = int(given["study"])
        return _kept(session, study, floor, _evidence(session, study).reference)
    found = _drawn(session, engine, given, floor)
    if statistic == "draws":
        return float(found.draws)
    assert statistic == "front_share", statistic
    return next(point.front_share for point in found.points if point.configuration == int(given["configuration"]))


def _drawn(session: Session, engine: Engine, given: Given, floor: float | None) -> Pareto:
    """The front, drawn once for a page."""
    names: dict[Axis, str] = {axis: given[axis] for axis in get_args(Axis) if axis in given}
    key = (given["study"], *names.items(), floor)
    kept: dict[object, Pareto] = session.info.setdefault("fronts", {})
    if key not in kept:
        kept[key] = pareto.pareto(engine, LOCAL, int(given["study"]), names, floor)
    return kept[key]


# -- the best of a sweep against its neighbours ------------------------------------------------------------------------

Runs = tuple[int, ...]


def _neighbour_p_value(session: Session, engine: Engine, runs: Runs, reference: Runs) -> float:
    """Holm's p among all neighbours of the same best."""
    beside = _beside(session, engine, runs, reference)
    if len(runs) == 1:
        return next(view.p_value.value for view in beside if _reference(view) == reference)
    tested = sorted((_difference(session, runs, _reference(view)).p_value, _reference(view)) for view in beside)
    # Step-down: the k-th smallest times those that are left, never below the one before.
    corrected = [min(1.0, p * (len(tested) - place)) for place, (p, _) in enumerate(tested)]
    return max(corrected[: [other for _, other in tested].index(reference) + 1])


def _neighbour_end(place: int) -> "OfNeighbour":
    """An end of the interval. With a single seed it has no short formula of its own: its test has one."""

    def value(session: Session, engine: Engine, runs: Runs, reference: Runs) -> float:
        if len(runs) == 1:
            beside = _beside(session, engine, runs, reference)
            return next(view.interval[place].value for view in beside if _reference(view) == reference)
        found = _difference(session, runs, reference)
        return found.value + (-1, 1)[place] * found.half_width

    return value


def _beside(session: Session, engine: Engine, runs: Runs, reference: Runs) -> list[NeighbourView]:
    """All neighbours of the sweep in which the two groups of runs are compared."""
    swept = sweeps.sweeps(engine, LOCAL, session.get_one(Run, runs[0]).study_id).sweeps
    return next(one.neighbours for one in swept if reference in map(_reference, one.neighbours))


def _reference(view: NeighbourView) -> Runs:
    return tuple(view.difference.reference_run_ids)


@dataclass(frozen=True)
class _Tested:
    value: float
    half_width: float
    p_value: float


def _difference(session: Session, runs: Runs, reference: Runs) -> _Tested:
    """Paired, seeds and items both vary (Welch and Satterthwaite); two-sided."""
    first, second = (
        np.array([session.get_one(PredictionSet, run).scores for run in group], dtype=float)
        for group in (runs, reference)
    )
    difference = first - second
    seeds, items = difference.shape
    parts = [(difference.mean(axis=0).var(ddof=1) / items, items - 1)]
    parts.append((difference.mean(axis=1).var(ddof=1) / seeds, seeds - 1))
    variance = sum(part for part, _ in parts)
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    error = math.sqrt(variance)
    p_value = 2 * stats.t.sf(abs(difference.mean()) / error, freedom)
    return _Tested(float(difference.mean()), float(stats.t.ppf(0.975, freedom) * error), float(p_value))


OfNeighbour = Callable[[Session, Engine, Runs, Runs], float]
OF_NEIGHBOURS: dict[str, OfNeighbour] = {
    "neighbour_p_value": _neighbour_p_value,
    "neighbour_lo": _neighbour_end(0),
    "neighbour_hi": _neighbour_end(1),
}
"""Statistics of the best of a sweep against the next value on a side."""

WEIGHTS = {"quality": 0.7, "parameters": 0.3}
FORMULAS: dict[str, Callable[[Session, str, Given, Engine], float]] = {
    "pareto": lambda session, statistic, given, engine: _front(session, engine, statistic, given),
    "least_kept": lambda session, _, given, __: _least_kept(session, int(given["study"])),
    "share_of_gain": lambda *_: 0.95,
    "sweep_composite": lambda session, _, given, __: _composite(session, given),
    "sweep_weight": lambda _, __, given, ___: WEIGHTS[given["part"]],
}
"""The named formulas of both panels."""
