"""What a team may take of an installation, and what it takes: runs that wait, and bytes on the disk.

Asked in the transaction that adds something, under a lock on the team, so that two requests at once cannot both be let
in to the last place.
"""

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from app.db.session import system_session, team_session, write_lock
from app.db.tables import ArtifactRow, Dataset, Run, Team
from app.errors import Conflict, DiskFull, NotFound
from app.language import tr
from app.schemas import TeamLimits, TeamQuota
from app.services.callers import Caller


def quota_of(engine: Engine, caller: Caller) -> TeamQuota:
    """The caller's team's."""
    with team_session(engine, caller.team_id) as session:
        return _quota(session, session.get_one(Team, caller.team_id))


def quotas(engine: Engine) -> list[TeamQuota]:
    """Every team's, by name."""
    with system_session(engine) as session:
        teams = session.scalars(select(Team).order_by(Team.slug)).all()
    found = []
    for team in teams:
        with team_session(engine, team.id) as session:
            found.append(_quota(session, team))
    return found


def set_limits(engine: Engine, team_id: int, limits: TeamLimits) -> TeamQuota:
    """Give a team other limits. What it has already beyond them stays; it gets nothing more."""
    with team_session(engine, team_id) as session:
        write_lock(session)
        team = session.get(Team, team_id)
        if team is None:
            raise NotFound(f"There is no team {team_id}.")
        team.most_queued_runs, team.most_disk_bytes = limits.most_queued_runs, limits.most_disk_bytes
        session.flush()
        return _quota(session, team)


def check_queue(session: Session, team_id: int) -> None:
    """Raises Conflict where more runs of the team wait than may. Called when the new ones are in the session."""
    team = _held(session, team_id)
    if team.most_queued_runs is None:
        return
    session.flush()
    waiting = _queued(session, team_id)
    if waiting > team.most_queued_runs:
        raise Conflict(
            tr(
                "With these, {waiting} runs of your team would wait, and at most {most} may. Wait until some have"
                " ended, ask for fewer methods, seeds or learning rates, or ask an operator for more.",
                waiting=waiting,
                most=team.most_queued_runs,
            )
        )


def check_disk(session: Session, team_id: int, needed: int) -> None:
    """Raises DiskFull where so many bytes more are beyond what the team may keep."""
    team = _held(session, team_id)
    if team.most_disk_bytes is None:
        return
    kept = _kept(session, team_id)
    if kept + needed > team.most_disk_bytes:
        raise DiskFull(
            tr(
                "Your team keeps {kept} and this needs about {needed}; at most {most} may be kept. Delete studies or"
                " datasets that are no longer needed, or ask an operator for more.",
                kept=_size(kept),
                needed=_size(needed),
                most=_size(team.most_disk_bytes),
            )
        )


def check_room(engine: Engine, caller: Caller, needed: int) -> None:
    """The same before work is begun that will keep so much."""
    with team_session(engine, caller.team_id) as session:
        check_disk(session, caller.team_id, needed)


def _held(session: Session, team_id: int) -> Team:
    """The team, locked until the transaction ends. On SQLite the transaction has the only write lock already."""
    return session.scalars(select(Team).where(Team.id == team_id).with_for_update(key_share=True)).one()


def _quota(session: Session, team: Team) -> TeamQuota:
    return TeamQuota(
        id=team.id,
        team=team.slug,
        most_queued_runs=team.most_queued_runs,
        most_disk_bytes=team.most_disk_bytes,
        queued_runs=_queued(session, team.id),
        disk_bytes=_kept(session, team.id),
    )


def _queued(session: Session, team_id: int) -> int:
    return session.scalar(select(func.count()).where(Run.team_id == team_id, Run.status == "queued")) or 0


def _kept(session: Session, team_id: int) -> int:
    """Datasets, and each file of the store once, for a team's runs may share some."""
    uploads = session.scalar(select(func.coalesce(func.sum(Dataset.size_bytes), 0)).where(Dataset.team_id == team_id))
    files = select(func.max(ArtifactRow.size_bytes).label("size")).where(ArtifactRow.team_id == team_id)
    once = files.group_by(ArtifactRow.sha256).subquery()
    return int(uploads or 0) + int(session.scalar(select(func.coalesce(func.sum(once.c.size), 0))) or 0)


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else tr("{count:,} bytes", count=count)
