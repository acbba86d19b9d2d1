"""How many runs a single worker would claim before a queued one, in the order of services/run_queue.py. Runs that train
together start at once, so that it may be fewer.

A worker serves every team, so the runs of all are counted; nothing else is told of them.
"""

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from app.db.session import system_session
from app.db.tables import Run, Study


def runs_before(session: Session, run: Run) -> int | None:
    """None for a run that does not wait. Studies of equal priority take turns, so that of each other one at most as
    many go before it as of its own, and one more where that study is next."""
    if run.status != "queued":
        return None
    with system_session(session.get_bind()) as everybodys:  # type: ignore[arg-type]
        return _count(everybodys, run)


def _count(session: Session, run: Run) -> int:
    queued = select(func.count()).where(Run.study_id == run.study_id, Run.status == "queued")
    own = session.scalar(queued.where(_stands_before(run))) or 0
    return own + sum(_of_another(session, study, run.study, own) for study in _waiting_studies(session, run.study))


def _stands_before(run: Run) -> ColumnElement[bool]:
    return or_(Run.position < run.position, (Run.position == run.position) & (Run.id < run.id))


def _waiting_studies(session: Session, own: Study) -> list[Study]:
    """Other studies of no lower priority whose runs need no other kind of device."""
    waiting = select(Run.study_id).where(Run.status == "queued")
    wanted = select(Study).where(Study.id.in_(waiting), Study.id != own.id, Study.priority >= own.priority)
    if own.device is not None:
        wanted = wanted.where(or_(Study.device.is_(None), Study.device == own.device))
    return list(session.scalars(wanted))


def _of_another(session: Session, study: Study, own: Study, turns: int) -> int:
    count = session.scalar(select(func.count()).where(Run.study_id == study.id, Run.status == "queued")) or 0
    if study.priority > own.priority:
        return count
    return min(count, turns + (_turn(study) < _turn(own)))


def _turn(study: Study) -> tuple[bool, float, int]:
    """The study that was never claimed from is next, then the one whose last claim is longest ago."""
    claimed = study.claimed_at
    return claimed is not None, claimed.timestamp() if claimed else 0.0, study.id
