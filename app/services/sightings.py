"""Runs at hand in which a symptom of the troubleshooting guide was seen."""

from sqlalchemy import Engine, or_, select
from sqlalchemy.orm import Session

from app.db.session import team_session
from app.db.tables import Run
from app.schemas import Sighting, Sightings
from app.services.callers import Caller
from app.services.diagnoses import diagnose_run

MOST_RUNS, MOST_SHOWN = 60, 3
"""The newest runs that could have failed to learn are looked at; so many are named for each symptom."""


def sightings(engine: Engine, caller: Caller) -> Sightings:
    """The newest runs by symptom."""
    found: dict[str, list[Sighting]] = {}
    with team_session(engine, caller.team_id) as session:
        for run in _suspects(session):
            symptom = diagnose_run(session, run)
            seen = found.setdefault(symptom, []) if symptom else None
            if seen is not None and len(seen) < MOST_SHOWN:
                seen.append(_sighting(run))
    return Sightings(items=found)


def _suspects(session: Session) -> list[Run]:
    """Failed runs, and tuning and reporting ones that ended; the newest first."""
    ended = or_(Run.status == "failed", (Run.status == "succeeded") & Run.purpose.in_(("tune", "report")))
    # A first rung is too short to say that a run went wrong.
    wanted = (
        select(Run)
        .where(ended, Run.source == "measured", Run.rung_steps.is_(None))
        .order_by(Run.id.desc())
        .limit(MOST_RUNS)
    )
    return list(session.scalars(wanted))


def _sighting(run: Run) -> Sighting:
    return Sighting(run_id=run.id, study=run.study_id, study_name=run.study.name, label=run.configuration.label)
