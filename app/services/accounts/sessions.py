"""Sessions of browsers: begun by a login, found by their cookie, ended by a logout, a new password or a lost team."""

from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from sqlalchemy import Engine, delete, select, update
from sqlalchemy.orm import Session

from app.db.identity import LoginSession, Membership, User
from app.db.session import system_session, write_lock
from app.db.tables import Team
from app.errors import Forbidden, NotFound, Unauthenticated
from app.language import mark, tr
from app.services import audit
from app.services.accounts import login_limits
from app.services.accounts.passwords import check_password, hashed, matches
from app.services.accounts.rights import oneself
from app.services.accounts.secrets import new_secret, now, sha256_of
from app.services.accounts.users import end_sessions
from app.services.callers import Caller, Role

LONGEST = timedelta(days=30)
IDLE = timedelta(days=3)
NOTED = timedelta(minutes=1)
"""How exactly it is kept when a session was last used."""
WRONG = mark("The name or the password is wrong.")


@dataclass(frozen=True)
class NewSession:
    """What a browser is given once: the cookie's value, and the token its forms send along."""

    token: str
    csrf_token: str


@dataclass(frozen=True)
class FoundSession:
    """Who a cookie stands for. `unnoted`: it should be kept that it was used just now."""

    caller: Caller
    csrf_token: str
    unnoted: bool


def log_in(engine: Engine, name: str, password: str, address: str) -> NewSession:
    """Begin a session. Raises Unauthenticated, the same for whatever is wrong, and TooManyAttempts."""
    return begin_session(engine, authenticate(engine, name, password, address))


def authenticate(engine: Engine, name: str, password: str, address: str) -> int:
    """The user whose name and password these are. Raises Unauthenticated, the same for whatever is wrong, and
    TooManyAttempts."""
    login_limits.count(engine, name, address)
    with system_session(engine) as session:
        user = session.scalar(select(User).where(User.name == name.strip().lower()[:100]))
    right = matches(password, user.password_hash if user else None)
    if user is None or not right or user.disabled_at is not None:
        audit.record(engine, None, "log_in_refused", detail={"address": address})
        raise Unauthenticated(tr(WRONG))
    return user.id


def begin_session(engine: Engine, user_id: int) -> NewSession:
    """A session of a user who has shown who they are, in the first of their teams."""
    made = NewSession(new_secret(), new_secret())
    with system_session(engine) as session:
        write_lock(session)
        user = session.get_one(User, user_id)
        team = _first_team(session, user_id)
        began = now()
        session.add(
            LoginSession(
                token_sha256=sha256_of(made.token),
                csrf_token=made.csrf_token,
                user_id=user_id,
                team_id=team.id,
                created_at=began,
                last_seen_at=began,
                expires_at=began + LONGEST,
            )
        )
        audit.add(session, Caller(team.id, user.name, "viewer", means="session"), "log_in")
    return made


def _first_team(session: Session, user_id: int) -> Team:
    mine = select(Team).join(Membership, Membership.team_id == Team.id).where(Membership.user_id == user_id)
    team = session.scalar(mine.order_by(Team.id).limit(1))
    if team is None:
        raise Forbidden(tr("You belong to no team. Ask an administrator to invite you to one."))
    return team


def find_session(engine: Engine, token: str) -> FoundSession | None:
    """Who a cookie stands for now; None where its session has ended, or its user is no more in the team it showed."""
    with system_session(engine) as session:
        found = session.execute(
            select(LoginSession, User, Membership, Team)
            .join(User, User.id == LoginSession.user_id)
            .outerjoin(
                Membership,
                (Membership.user_id == LoginSession.user_id) & (Membership.team_id == LoginSession.team_id),
            )
            .outerjoin(Team, Team.id == Membership.team_id)
            .where(LoginSession.token_sha256 == sha256_of(token), User.disabled_at.is_(None))
        ).first()
        if found is None:
            return None
        kept, user, membership, team = found
        moment = now()
        if moment > kept.expires_at or moment - kept.last_seen_at > IDLE:
            return None
        if membership is None or team is None:
            return None
        caller = Caller(
            team_id=team.id,
            user=user.name,
            role=cast(Role, membership.role),
            operator=user.operator,
            team=team.slug,
            user_id=user.id,
            means="session",
        )
        return FoundSession(caller, kept.csrf_token, moment - kept.last_seen_at > NOTED)


def note_use(engine: Engine, token: str) -> None:
    """Keep that a session is in use, or it ends for want of it."""
    with system_session(engine) as session:
        used = update(LoginSession).where(LoginSession.token_sha256 == sha256_of(token))
        session.execute(used.values(last_seen_at=now()))


def log_out(engine: Engine, token: str) -> None:
    """End a session; that of nobody ends nothing."""
    with system_session(engine) as session:
        session.execute(delete(LoginSession).where(LoginSession.token_sha256 == sha256_of(token)))


def log_out_everywhere(engine: Engine, caller: Caller) -> None:
    """End every session of the caller's own, this one too. Tokens stay: they are revoked one by one."""
    oneself(caller)
    with system_session(engine) as session:
        write_lock(session)
        end_sessions(session, cast(int, caller.user_id))
        audit.add(session, caller, "log_out_everywhere")


def change_password(engine: Engine, caller: Caller, old: str, new: str, address: str) -> NewSession:
    """Give oneself another password: every session ends, and a new one begins. Raises Unauthenticated for a wrong old
    one."""
    oneself(caller)
    login_limits.count(engine, caller.user, address)
    check_password(new, caller.user)
    with system_session(engine) as session:
        write_lock(session)
        user = session.get_one(User, caller.user_id, with_for_update=True)
        if not matches(old, user.password_hash):
            raise Forbidden(tr("The present password is wrong."), field="present")
        user.password_hash = hashed(new)
        end_sessions(session, user.id)
        audit.add(session, caller, "change_password")
        user_id = user.id
    return begin_session(engine, user_id)


def choose_team(engine: Engine, caller: Caller, token: str, slug: str) -> None:
    """Show another of one's teams from now on. Raises NotFound for one that is not theirs."""
    with system_session(engine) as session:
        write_lock(session)
        mine = select(Team).join(Membership, Membership.team_id == Team.id)
        team = session.scalar(mine.where(Membership.user_id == caller.user_id, Team.slug == slug))
        kept = session.get(LoginSession, sha256_of(token))
        if team is None or kept is None:
            raise NotFound(f"You belong to no team {slug!r}.")
        kept.team_id = team.id


def teams_of(engine: Engine, caller: Caller) -> list[tuple[str, Role]]:
    """The caller's teams, with what they are there."""
    if caller.user_id is None:
        return [(caller.team, caller.role)]
    with system_session(engine) as session:
        rows = session.execute(
            select(Team.slug, Membership.role)
            .join(Membership, Membership.team_id == Team.id)
            .where(Membership.user_id == caller.user_id)
            .order_by(Team.slug)
        )
        return [(slug, cast(Role, role)) for slug, role in rows]
