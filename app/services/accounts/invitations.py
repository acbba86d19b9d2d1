"""Invitations: a link by which one person joins a team, once, within some days."""

from datetime import timedelta
from typing import Any, Literal, cast

from sqlalchemy import ColumnElement, CursorResult, Engine, and_, select, update
from sqlalchemy.orm import Session

from app.db.identity import Invitation, Membership, User
from app.db.session import system_session, team_session, write_lock
from app.db.tables import Team
from app.errors import Conflict, NotFound
from app.language import mark, tr
from app.schemas import InvitationEntry, InvitationView, NewInvitation
from app.services.accounts.passwords import check_password, hashed
from app.services.accounts.rights import one_line, with_accounts
from app.services.accounts.secrets import new_secret, now, sha256_of
from app.services.accounts.teams import join_by
from app.services.accounts.users import checked_name, new_user
from app.services.callers import Caller, Role

MOST_OPEN = 100
"""Of a team: more are a mistake of a script."""
NOT_VALID = mark("This invitation is not valid. It may have been used, revoked or expired. Ask for a new one.")
"""The same for whatever is wrong with it, and for one that never was."""


def create_invitation(engine: Engine, caller: Caller, entry: InvitationEntry) -> NewInvitation:
    """An invitation into the caller's team, with its link, which nobody can read again."""
    with_accounts(caller)
    note, secret = one_line(entry.note, "A note", "note"), new_secret()
    with team_session(engine, caller.team_id) as session:
        write_lock(session)
        made = now()
        if len(session.scalars(select(Invitation.id).where(_is_open())).all()) >= MOST_OPEN:
            raise Conflict(f"{MOST_OPEN} invitations are open. Revoke some first.")
        invitation = Invitation(
            token_sha256=sha256_of(secret),
            role=entry.role,
            note=note,
            created_by=caller.user,
            created_at=made,
            expires_at=made + timedelta(days=entry.days),
        )
        session.add(invitation)
        session.flush()
        return NewInvitation(invitation=_view(invitation), path=f"/invitations/{secret}")


def list_invitations(engine: Engine, caller: Caller) -> list[InvitationView]:
    """The team's last invitations, the newest first."""
    with team_session(engine, caller.team_id) as session:
        wanted = select(Invitation).order_by(Invitation.id.desc()).limit(2 * MOST_OPEN)
        return [_view(invitation) for invitation in session.scalars(wanted)]


def revoke_invitation(engine: Engine, caller: Caller, invitation_id: int) -> None:
    """Make an invitation's link useless; who has joined by it stays."""
    with team_session(engine, caller.team_id) as session:
        write_lock(session)
        invitation = session.scalar(select(Invitation).where(Invitation.id == invitation_id))
        if invitation is None:
            raise NotFound(f"There is no invitation {invitation_id}.")
        invitation.revoked_at = invitation.revoked_at or now()


def check_invitation(engine: Engine, secret: str) -> tuple[str, Role]:
    """The team and role that a link leads to. Raises NotFound where it is not valid."""
    with system_session(engine) as session:
        invitation = _valid(session, secret)
        return session.get_one(Team, invitation.team_id).slug, cast(Role, invitation.role)


def accept_as_new(engine: Engine, secret: str, name: str, password: str) -> int:
    """Use an invitation up for a new user with a password; their id."""
    check_invitation(engine, secret)
    check_password(password, checked_name(name))
    kept = hashed(password)
    with system_session(engine) as session:
        write_lock(session)
        invitation = use_up(session, secret, checked_name(name))
        user = new_user(session, name)
        user.password_hash = kept
        join_by(session, user, invitation.team_id, cast(Role, invitation.role), "accept_invitation", "invitation")
        return user.id


def accept(engine: Engine, secret: str, user_id: int) -> str:
    """Use an invitation up for somebody who has an account; the name of the team they have joined."""
    with system_session(engine) as session:
        write_lock(session)
        user = session.get_one(User, user_id)
        invitation = use_up(session, secret, user.name)
        if session.get(Membership, (user.id, invitation.team_id)) is not None:
            raise Conflict(tr("You belong to this team already. The invitation stays open for somebody else."))
        join_by(session, user, invitation.team_id, cast(Role, invitation.role), "accept_invitation", "invitation")
        return session.get_one(Team, invitation.team_id).slug


def use_up(session: Session, secret: str, user: str) -> Invitation:
    """The invitation, which nobody else can use from now on: of two at the same moment one gets it."""
    invitation = _valid(session, secret)
    used = update(Invitation).where(Invitation.id == invitation.id, _is_open()).values(used_at=now(), used_by=user)
    done = session.execute(used.execution_options(synchronize_session=False))
    if cast("CursorResult[Any]", done).rowcount != 1:
        raise NotFound(tr(NOT_VALID))
    return invitation


def _valid(session: Session, secret: str) -> Invitation:
    invitation = session.scalar(select(Invitation).where(Invitation.token_sha256 == sha256_of(secret), _is_open()))
    if invitation is None:
        raise NotFound(tr(NOT_VALID))
    return invitation


def _is_open() -> ColumnElement[bool]:
    return and_(Invitation.used_at.is_(None), Invitation.revoked_at.is_(None), Invitation.expires_at > now())


def _view(invitation: Invitation) -> InvitationView:
    return InvitationView(
        id=invitation.id,
        role=cast(Role, invitation.role),
        note=invitation.note,
        state=_state(invitation),
        created_by=invitation.created_by,
        created_at=invitation.created_at,
        expires_at=invitation.expires_at,
        used_by=invitation.used_by,
    )


def _state(invitation: Invitation) -> Literal["open", "used", "revoked", "expired"]:
    if invitation.used_at is not None:
        return "used"
    if invitation.revoked_at is not None:
        return "revoked"
    return "open" if invitation.expires_at > now() else "expired"
