"""What a run draws: its series, and the training loss of full fine-tuning beside its own."""

from collections.abc import Sequence

import numpy as np
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.db.session import team_session
from app.db.tables import Configuration, Run, SeriesPointRow
from app.schemas import Curves, FullCurve, Series, SeriesPoint
from app.services.callers import Caller
from app.services.runs import full_run_beside, read_run, source_of

TRAIN_LOSS = "train_loss"
MOST_POINTS = 500
"""Of one curve: more cannot be told apart on a screen."""


def read_curves(engine: Engine, caller: Caller, run_id: int, *, max_points: int) -> Curves:
    """Every series of a run, each thinned to `max_points` points."""
    with team_session(engine, caller.team_id) as session:
        run = read_run(session, run_id)
        return Curves(
            run_id=run_id,
            source=source_of(run),
            series=_all_series(session, run_id, max_points),
            full=_full_curve(session, run, max_points),
        )


def _all_series(session: Session, run_id: int, most: int) -> list[Series]:
    rows = session.execute(
        select(SeriesPointRow.key, SeriesPointRow.step, SeriesPointRow.value)
        .where(SeriesPointRow.run_id == run_id)
        .order_by(SeriesPointRow.key, SeriesPointRow.step)
    )
    found: dict[str, list[SeriesPoint]] = {}
    for key, step, value in rows:
        found.setdefault(key, []).append(SeriesPoint(step=step, value=value))
    return [Series(key=key, points=thinned(points, most), total=len(points)) for key, points in found.items()]


def _full_curve(session: Session, run: Run, most: int) -> FullCurve | None:
    beside = full_run_beside(session, run)
    if beside is None:
        return None
    full = session.get_one(Run, beside)
    label = session.scalars(select(Configuration.label).where(Configuration.id == full.configuration_id)).one()
    series = read_one_series(session, full.id, TRAIN_LOSS, after=-1, max_points=most)
    return FullCurve(run_id=full.id, label=label, source=source_of(full), series=series) if series.points else None


def read_series(engine: Engine, caller: Caller, run_id: int, key: str, *, after: int, max_points: int) -> Series:
    """A series from step `after` on, thinned to `max_points` points: every n-th, the first and the last among them."""
    with team_session(engine, caller.team_id) as session:
        read_run(session, run_id)
        return read_one_series(session, run_id, key, after=after, max_points=max_points)


def read_one_series(session: Session, run_id: int, key: str, *, after: int, max_points: int) -> Series:
    """The same for a run that is known to be the caller's."""
    rows = session.execute(
        select(SeriesPointRow.step, SeriesPointRow.value)
        .where(SeriesPointRow.run_id == run_id, SeriesPointRow.key == key, SeriesPointRow.step > after)
        .order_by(SeriesPointRow.step)
    ).all()
    points = [SeriesPoint(step=step, value=value) for step, value in rows]
    return Series(key=key, points=thinned(points, max_points), total=len(points))


def thinned(points: Sequence[SeriesPoint], most: int) -> list[SeriesPoint]:
    """At most so many points: every n-th, the first and the last among them."""
    if len(points) <= most:
        return list(points)
    chosen = np.unique(np.linspace(0, len(points) - 1, most).round().astype(int))
    return [points[i] for i in chosen]
