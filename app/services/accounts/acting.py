"""For whom a command acts: whoever types it on the machine that holds the database may act for every team and user."""

from dataclasses import replace
from typing import cast

from sqlalchemy import Engine, select

from app.db.identity import ApiToken, Membership
from app.db.session import system_session
from app.db.tables import Team
from app.errors import NotFound
from app.services.accounts.users import team_by_slug, user_by_name
from app.services.callers import COMMAND, Caller, Role


def in_team(engine: Engine, slug: str) -> Caller:
    """The command line in a team. Raises NotFound where there is no such team."""
    with system_session(engine) as session:
        return _in(team_by_slug(session, slug))


def in_team_of_token(engine: Engine, token_id: int) -> Caller:
    """The command line in the team that a token is of. Raises NotFound where there is no such token."""
    with system_session(engine) as session:
        owning = select(Team).join(ApiToken, ApiToken.team_id == Team.id).where(ApiToken.id == token_id)
        team = session.scalar(owning)
        if team is None:
            raise NotFound(f"There is no token {token_id}.")
        return _in(team)


def acting_as(engine: Engine, user: str, team: str) -> Caller:
    """A command in a user's name, with their role. Raises NotFound where they do not belong to the team."""
    with system_session(engine) as session:
        found, owning = user_by_name(session, user), team_by_slug(session, team)
        membership = session.get(Membership, (found.id, owning.id))
        if membership is None:
            raise NotFound(f"{found.name} does not belong to the team {owning.slug}. See `peft-atlas user role`.")
        role = cast(Role, membership.role)
        return replace(_in(owning), user=found.name, role=role, operator=found.operator, user_id=found.id)


def _in(team: Team) -> Caller:
    return replace(COMMAND, team_id=team.id, team=team.slug)
