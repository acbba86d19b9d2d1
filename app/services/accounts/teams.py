"""Teams, and who is what in them. A team keeps at least one administrator who can log in."""

import re
from typing import cast

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from app.db.identity import Membership, User
from app.db.session import system_session, write_lock
from app.db.tables import Team
from app.errors import Conflict, Invalid, NotFound
from app.schemas import MemberView, TeamView
from app.services import audit
from app.services.accounts.rights import with_accounts
from app.services.accounts.users import join, team_by_slug, user_by_name
from app.services.callers import Caller, Role

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{1,62}")


def list_teams(engine: Engine) -> list[TeamView]:
    """Every team of the installation, by name."""
    with system_session(engine) as session:
        counted = (
            select(Team.slug, func.count(Membership.user_id), func.count().filter(Membership.role == "admin"))
            .outerjoin(Membership, Membership.team_id == Team.id)
            .group_by(Team.id, Team.slug)
            .order_by(Team.slug)
        )
        return [
            TeamView(slug=slug, members=members, admins=admins) for slug, members, admins in session.execute(counted)
        ]


def create_team(engine: Engine, caller: Caller, slug: str) -> TeamView:
    """A new team, with whoever makes it as its administrator where they have an account."""
    with_accounts(caller)
    wanted = slug.strip().lower()
    if not SLUG.fullmatch(wanted):
        raise Invalid(
            "A team's name has 2 to 63 letters a-z, digits and -, and begins with a letter or digit.", field="slug"
        )
    with system_session(engine) as session:
        write_lock(session)
        if session.scalar(select(Team.id).where(Team.slug == wanted)) is not None:
            raise Conflict(f"There is a team {wanted} already. Choose another name.")
        team = Team(slug=wanted)
        session.add(team)
        session.flush()
        if caller.user_id is not None:
            join(session, caller.user_id, team.id, "admin")
        return TeamView(slug=wanted, members=int(caller.user_id is not None), admins=int(caller.user_id is not None))


def add_member(engine: Engine, caller: Caller, team: str, user: str, role: Role) -> MemberView:
    """Bring a user into any team, or give them another role there; for operators."""
    with_accounts(caller)
    with system_session(engine) as session:
        write_lock(session)
        found = _locked(session, team_by_slug(session, team).id)
        joining = user_by_name(session, user)
        present = session.get(Membership, (joining.id, found.id))
        if present is not None and role != "admin":
            _keep_an_admin(session, present)
        join(session, joining.id, found.id, role)
        session.flush()
        return _view(session.get_one(Membership, (joining.id, found.id)), joining)


def members(engine: Engine, caller: Caller) -> list[MemberView]:
    """Who belongs to the caller's team, administrators first."""
    with system_session(engine) as session:
        wanted = (
            select(Membership, User)
            .join(User, User.id == Membership.user_id)
            .where(Membership.team_id == caller.team_id)
            .order_by(User.name)
        )
        found = [_view(membership, user) for membership, user in session.execute(wanted)]
    return sorted(found, key=lambda member: member.role != "admin")


def set_role(engine: Engine, caller: Caller, user: str, role: Role) -> MemberView:
    """Make a member of the caller's team another role. Raises Conflict where nobody would be left to administer it."""
    with system_session(engine) as session:
        write_lock(session)
        membership, found = _member(session, caller, user)
        if role != "admin":
            _keep_an_admin(session, membership)
        membership.role = role
        return _view(membership, found)


def remove_member(engine: Engine, caller: Caller, user: str) -> None:
    """Take a member out of the caller's team: sessions and tokens of theirs that show it open nothing any more."""
    with system_session(engine) as session:
        write_lock(session)
        membership, _ = _member(session, caller, user)
        _keep_an_admin(session, membership)
        session.delete(membership)


def join_by(session: Session, user: User, team_id: int, role: Role, action: str, means: str) -> None:
    """Make a user a member by a link of the team's, in the audit log under their own name."""
    join(session, user.id, team_id, role)
    joined = Caller(team_id, user.name, role, user_id=user.id, means=means)
    audit.add(session, joined, action, user.name, {"role": role})


def _locked(session: Session, team_id: int) -> Team:
    """The team, whose members nobody else changes meanwhile: of two who step down at once one stays."""
    return session.scalars(select(Team).where(Team.id == team_id).with_for_update()).one()


def _member(session: Session, caller: Caller, user: str) -> tuple[Membership, User]:
    _locked(session, caller.team_id)
    wanted = select(Membership, User).join(User, User.id == Membership.user_id)
    found = session.execute(
        wanted.where(Membership.team_id == caller.team_id, User.name == user.strip().lower())
    ).first()
    if found is None:
        raise NotFound(f"Your team has no member {user!r}.")
    return found[0], found[1]


def _keep_an_admin(session: Session, leaving: Membership) -> None:
    if leaving.role != "admin":
        return
    others = (
        select(Membership.user_id)
        .join(User, User.id == Membership.user_id)
        .where(Membership.team_id == leaving.team_id, Membership.user_id != leaving.user_id)
        .where(Membership.role == "admin", User.disabled_at.is_(None))
    )
    if session.scalar(others.limit(1)) is None:
        raise Conflict("This is the team's only administrator. Make somebody else one first.")


def _view(membership: Membership, user: User) -> MemberView:
    return MemberView(
        user=user.name,
        role=cast(Role, membership.role),
        disabled=user.disabled_at is not None,
        since=membership.created_at,
    )
