"""Users: made by operators, by invitation or by OpenID Connect; disabled, never deleted."""

import re

from sqlalchemy import Engine, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.db.identity import ApiToken, LoginSession, Membership, User
from app.db.session import database_now, system_session, write_lock
from app.db.tables import Team
from app.errors import Conflict, Invalid, NotFound
from app.language import mark, tr
from app.schemas import TeamOfMine, UserView
from app.services.accounts.passwords import check_password, hashed
from app.services.callers import Role

NAME_TAKEN = mark("There is a user {name} already. Choose another name.")
NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{1,99}")


def accounts_exist(engine: Engine) -> bool:
    """Whether anybody has an account: from then on nobody comes in without one."""
    with system_session(engine) as session:
        return session.scalar(select(User.id).limit(1)) is not None


def has_operator(engine: Engine) -> bool:
    """Whether somebody can log in who may run the installation."""
    with system_session(engine) as session:
        wanted = select(User.id).where(User.operator, User.disabled_at.is_(None))
        return session.scalar(wanted.limit(1)) is not None


def add_user(
    engine: Engine, name: str, password: str, *, operator: bool = False, team: str = "local", role: Role = "member"
) -> int:
    """A user with a password, who is `role` in a team. Raises Conflict where the name is taken."""
    with system_session(engine) as session:
        write_lock(session)
        user = new_user(session, name, operator=operator)
        check_password(password, user.name)
        user.password_hash = hashed(password)
        join(session, user.id, team_by_slug(session, team).id, role)
        return user.id


def list_users(engine: Engine) -> list[UserView]:
    """Every user of the installation by name, with their teams."""
    with system_session(engine) as session:
        teams: dict[int, list[TeamOfMine]] = {}
        joined = select(Membership.user_id, Team.slug, Membership.role).join(Team, Team.id == Membership.team_id)
        for user_id, slug, role in session.execute(joined.order_by(Team.slug)):
            teams.setdefault(user_id, []).append(TeamOfMine(name=slug, role=role))
        return [_view(user, teams.get(user.id, [])) for user in session.scalars(select(User).order_by(User.name))]


def _view(user: User, teams: list[TeamOfMine]) -> UserView:
    return UserView(
        name=user.name,
        operator=user.operator,
        disabled=user.disabled_at is not None,
        oidc=user.oidc_subject is not None,
        created_at=user.created_at,
        teams=teams,
    )


def new_user(session: Session, name: str, *, operator: bool = False) -> User:
    """A user without a password, in no team."""
    wanted = checked_name(name)
    if session.scalar(select(User.id).where(User.name == wanted)) is not None:
        raise Conflict(tr(NAME_TAKEN, name=wanted))
    user = User(name=wanted, operator=operator, created_at=database_now(session))
    session.add(user)
    try:
        session.flush()
    except IntegrityError as another:
        # Somebody else took the name a moment ago.
        raise Conflict(tr(NAME_TAKEN, name=wanted)) from another
    return user


def checked_name(name: str) -> str:
    """The name as it is kept. Raises Invalid where it cannot be one."""
    wanted = name.strip().lower()
    if not NAME.fullmatch(wanted):
        raise Invalid(
            tr("A user's name has 2 to 100 letters a-z, digits and . _ @ + -, and begins with a letter or digit."),
            field="name",
        )
    return wanted


def join(session: Session, user_id: int, team_id: int, role: Role) -> None:
    """Make somebody a member of a team, or give them another role there."""
    found = session.get(Membership, (user_id, team_id))
    if found is None:
        session.add(Membership(user_id=user_id, team_id=team_id, role=role, created_at=database_now(session)))
    else:
        found.role = role


def team_by_slug(session: Session, slug: str) -> Team:
    """The team of a name."""
    team = session.scalar(select(Team).where(Team.slug == slug))
    if team is None:
        raise NotFound(f"There is no team {slug!r}.")
    return team


def user_by_name(session: Session, name: str) -> User:
    """The user of a name."""
    user = session.scalar(select(User).where(User.name == name.strip().lower()))
    if user is None:
        raise NotFound(f"There is no user {name!r}.")
    return user


def set_password(engine: Engine, name: str, password: str) -> None:
    """Give a user another password. Whoever is logged in as them is logged out."""
    with system_session(engine) as session:
        write_lock(session)
        user = user_by_name(session, name)
        check_password(password, user.name)
        user.password_hash = hashed(password)
        end_sessions(session, user.id)


def disable_user(engine: Engine, name: str) -> None:
    """Keep a user out: their sessions end, their tokens are revoked. Raises Conflict for the last operator."""
    with system_session(engine) as session:
        write_lock(session)
        user = user_by_name(session, name)
        _keep_an_operator(session, user)
        now = database_now(session)
        user.disabled_at = user.disabled_at or now
        end_sessions(session, user.id)
        for token in session.scalars(select(ApiToken).where(ApiToken.user_id == user.id)):
            token.revoked_at = token.revoked_at or now


def enable_user(engine: Engine, name: str) -> None:
    """Let a user in again, without the sessions and tokens they had."""
    with system_session(engine) as session:
        write_lock(session)
        user_by_name(session, name).disabled_at = None


def set_operator(engine: Engine, name: str, *, operator: bool) -> None:
    """Let a user run the installation, or no longer. Raises Conflict for the last operator."""
    with system_session(engine) as session:
        write_lock(session)
        user = user_by_name(session, name)
        if not operator:
            _keep_an_operator(session, user)
        user.operator = operator


def _keep_an_operator(session: Session, leaving: User) -> None:
    # All of them are locked: of two operators who step down at once one stays.
    operators = select(User.id).where(User.operator, User.disabled_at.is_(None)).order_by(User.id).with_for_update()
    if set(session.scalars(operators)) == {leaving.id}:
        raise Conflict(f"{leaving.name} is the only operator. Make somebody else one first.")


def end_sessions(session: Session, user_id: int, but: str | None = None) -> None:
    """Log a user out everywhere, save for the session of this hash."""
    ended = delete(LoginSession).where(LoginSession.user_id == user_id)
    session.execute(ended.where(LoginSession.token_sha256 != but) if but else ended)
