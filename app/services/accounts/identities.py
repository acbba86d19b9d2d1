"""Users by who they are at an identity provider. An account with a password is never taken over by a name or e-mail."""

import re
from typing import cast

from sqlalchemy import Engine, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.db.identity import Membership, User
from app.db.session import system_session, write_lock
from app.errors import Conflict, Forbidden
from app.language import tr
from app.services.accounts.invitations import use_up
from app.services.accounts.openid import Person
from app.services.accounts.rights import NO_ACCOUNTS
from app.services.accounts.teams import join_by
from app.services.accounts.users import accounts_exist, join, new_user, team_by_slug
from app.services.callers import Role
from app.settings import Settings

LONGEST_SUBJECT = 255


def user_of(engine: Engine, settings: Settings, person: Person, invitation: str) -> int:
    """The user who is this person at the provider, a new one at their first visit where they may come in. Raises
    Forbidden where they may not, and NotFound for an invitation that is not valid."""
    if not accounts_exist(engine):
        raise Forbidden(NO_ACCOUNTS)
    if not 0 < len(person.subject) <= LONGEST_SUBJECT or not person.subject.isprintable():
        raise Forbidden(
            tr("The identity provider did not let you in, or its answer is not to be trusted. Begin again.")
        )
    try:
        return _found_or_made(engine, settings, person, invitation)
    except (IntegrityError, Conflict):
        # Another browser of theirs, or somebody of the same name, came a moment ago.
        return _found_or_made(engine, settings, person, invitation)


def _found_or_made(engine: Engine, settings: Settings, person: Person, invitation: str) -> int:
    with system_session(engine) as session:
        write_lock(session)
        user = session.scalar(
            select(User).where(User.oidc_issuer == person.issuer, User.oidc_subject == person.subject)
        )
        if user is not None and user.disabled_at is not None:
            raise Forbidden(tr("Your account is disabled. Ask an operator of this installation."))
        if user is None and not invitation and settings.oidc_role is None:
            raise Forbidden(tr("You have no account here yet. Ask an administrator of a team to invite you."))
        new = user is None
        if user is None:
            user = new_user(session, _free_name(session, person.wish))
            user.oidc_issuer, user.oidc_subject = person.issuer, person.subject
        if invitation:
            _accept(session, user, invitation)
        elif new:
            join(session, user.id, team_by_slug(session, settings.oidc_team).id, cast(Role, settings.oidc_role))
        return user.id


def _accept(session: Session, user: User, secret: str) -> None:
    invitation = use_up(session, secret, user.name)
    if session.get(Membership, (user.id, invitation.team_id)) is not None:
        raise Forbidden(tr("You belong to this team already. The invitation stays open for somebody else."))
    join_by(session, user, invitation.team_id, cast(Role, invitation.role), "accept_invitation", "invitation")


def _free_name(session: Session, wish: str) -> str:
    """A name that nobody has, like the one the provider gives."""
    base = re.sub(r"[^a-z0-9._@+-]+", "-", wish.lower()).lstrip("._@+-")[:80]
    base = base.rstrip("-") if len(base.rstrip("-")) >= 2 else "user"
    taken = set(session.scalars(select(User.name).where(User.name.startswith(base, autoescape=True))))
    names = (base, *(f"{base}-{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)
