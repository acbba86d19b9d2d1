"""What a run draws: its series, and the training loss of full fine-tuning beside its own."""

from collections.abc import Callable, Sequence
from itertools import groupby

import numpy as np
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.db.session import team_session
from app.db.tables import Configuration, Run, SeriesPointRow
from app.schemas import Curves, FullCurve, Series, SeriesPoint
from app.services.callers import Caller
from app.services.runs import full_run_beside, read_run, source_of
from app.services.thinned import Places, Values, evenly_kept, peaks_kept

TRAIN_LOSS = "train_loss"
MOST_POINTS = 500
"""Of one curve: more cannot be told apart on a screen."""
Thin = Callable[[Values, int], Places]
Point = tuple[int, float | None]
"""A step and its value, None where that was no number."""


def read_curves(engine: Engine, caller: Caller, run_id: int, *, max_points: int, evenly: bool = False) -> Curves:
    """Every series of a run, each thinned to `max_points` points: those that its curve cannot do without, or every
    n-th."""
    thin = evenly_kept if evenly else peaks_kept
    with team_session(engine, caller.team_id) as session:
        run = read_run(session, run_id)
        return Curves(
            run_id=run_id,
            source=source_of(run),
            series=_all_series(session, run_id, max_points, thin),
            full=_full_curve(session, run, max_points, thin),
        )


def _all_series(session: Session, run_id: int, most: int, thin: Thin) -> list[Series]:
    rows = session.execute(
        select(SeriesPointRow.key, SeriesPointRow.step, SeriesPointRow.value)
        .where(SeriesPointRow.run_id == run_id)
        .order_by(SeriesPointRow.key, SeriesPointRow.step)
    )
    return [
        thinned(key, [(step, value) for _, step, value in points], most, thin)
        for key, points in groupby(rows, key=lambda row: row[0])
    ]


def _full_curve(session: Session, run: Run, most: int, thin: Thin) -> FullCurve | None:
    beside = full_run_beside(session, run)
    if beside is None:
        return None
    full = session.get_one(Run, beside)
    label = session.scalars(select(Configuration.label).where(Configuration.id == full.configuration_id)).one()
    series = read_one_series(session, full.id, TRAIN_LOSS, after=-1, max_points=most, thin=thin)
    return FullCurve(run_id=full.id, label=label, source=source_of(full), series=series) if series.points else None


def read_series(engine: Engine, caller: Caller, run_id: int, key: str, *, after: int, max_points: int) -> Series:
    """A series from step `after` on, thinned to `max_points` points that keep its peaks and its gaps."""
    with team_session(engine, caller.team_id) as session:
        read_run(session, run_id)
        return read_one_series(session, run_id, key, after=after, max_points=max_points)


def read_one_series(
    session: Session, run_id: int, key: str, *, after: int, max_points: int, thin: Thin = peaks_kept
) -> Series:
    """The same for a run that is known to be the caller's."""
    rows = session.execute(
        select(SeriesPointRow.step, SeriesPointRow.value)
        .where(SeriesPointRow.run_id == run_id, SeriesPointRow.key == key, SeriesPointRow.step > after)
        .order_by(SeriesPointRow.step)
    )
    return thinned(key, [(step, value) for step, value in rows], max_points, thin)


def thinned(key: str, points: Sequence[Point], most: int, thin: Thin) -> Series:
    """A series of the points that `thin` keeps."""
    values = np.array([value for _, value in points], dtype=np.float64)
    kept = [points[place] for place in thin(values, most)]
    return Series(key=key, points=[SeriesPoint(step=step, value=value) for step, value in kept], total=len(points))
