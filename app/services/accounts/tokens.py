"""API tokens: what programs act with, for one user in one team, with a scope that caps the user's role."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, cast

from sqlalchemy import Engine, select, update

from app.db.identity import ApiToken, Membership, User
from app.db.session import system_session, team_session, write_lock
from app.db.tables import Team
from app.errors import Conflict, Forbidden, Invalid, NotFound
from app.schemas import TokenView
from app.services import audit
from app.services.accounts.rights import one_line, oneself
from app.services.accounts.secrets import new_secret, now, sha256_of
from app.services.callers import ROLES, Caller, Role

Scope = Literal["read", "write", "admin"]
PREFIX = "pa_"
"""So that a token is known for one wherever it is found."""
MOST_OF_A_USER = 50
CAPS: dict[str, Role] = {"read": "admin", "write": "member", "admin": "admin"}
"""A token of scope read sees all that its user sees, and changes nothing."""
NOTED = timedelta(minutes=1)


def create_token(engine: Engine, caller: Caller, name: str, scope: Scope, days: int | None) -> tuple[int, str]:
    """A token for the caller in their team: its id, and the token itself, which nobody can read again."""
    if caller.user_id is None:
        raise Forbidden("Without accounts there are no tokens. The first-visit key opens the API.")
    oneself(caller)
    shown, secret = one_line(name, "A token's name", "name"), new_secret(PREFIX)
    if not shown:
        raise Invalid("Give the token a name that says what it is for.", field="name")
    with team_session(engine, caller.team_id) as session:
        write_lock(session)
        mine = select(ApiToken).where(ApiToken.user_id == caller.user_id, ApiToken.revoked_at.is_(None))
        if len(session.scalars(mine).all()) >= MOST_OF_A_USER:
            raise Conflict(f"You have {MOST_OF_A_USER} tokens. Revoke one first.")
        made = now()
        token = ApiToken(
            user_id=caller.user_id,
            name=shown,
            token_sha256=sha256_of(secret),
            scope=scope,
            created_at=made,
            expires_at=made + timedelta(days=days) if days else None,
        )
        session.add(token)
        session.flush()
        audit.add(session, caller, "create_token", f"token {token.id}", {"name": shown, "scope": scope})
        return token.id, secret


def list_tokens(engine: Engine, caller: Caller) -> list[tuple[ApiToken, str]]:
    """The caller's tokens in their team, an administrator's the whole team's; each with its user's name."""
    with team_session(engine, caller.team_id) as session:
        wanted = select(ApiToken, User.name).join(User, User.id == ApiToken.user_id).order_by(ApiToken.id.desc())
        if not caller.may("admin"):
            wanted = wanted.where(ApiToken.user_id == caller.user_id)
        return [(token, name) for token, name in session.execute(wanted)]


def revoke_token(engine: Engine, caller: Caller, token_id: int) -> None:
    """Make a token of one's own useless; an administrator any of the team's."""
    if caller.user_id is not None:
        oneself(caller)
    with team_session(engine, caller.team_id) as session:
        write_lock(session)
        token = session.scalar(select(ApiToken).where(ApiToken.id == token_id))
        if token is None or not (caller.may("admin") or token.user_id == caller.user_id):
            raise NotFound(f"There is no token {token_id} of yours.")
        token.revoked_at = token.revoked_at or now()
        audit.add(session, caller, "revoke_token", f"token {token.id}")


def token_view(token: ApiToken, user: str) -> TokenView:
    """A token as the API tells of it, without its secret."""
    expired = token.expires_at is not None and now() > token.expires_at
    return TokenView(
        id=token.id,
        user=user,
        name=token.name,
        scope=cast(Scope, token.scope),
        state="revoked" if token.revoked_at else "expired" if expired else "valid",
        created_at=token.created_at,
        expires_at=token.expires_at,
        last_used_at=token.last_used_at,
    )


@dataclass(frozen=True)
class FoundToken:
    """Who a token acts for. `unnoted`: it should be kept that it was used just now."""

    caller: Caller
    unnoted: bool


def find_token(engine: Engine, secret: str) -> FoundToken | None:
    """Who a token acts for now; None where it is none, or no longer."""
    if not secret.startswith(PREFIX):
        return None
    with system_session(engine) as session:
        found = session.execute(
            select(ApiToken, User, Membership, Team)
            .join(User, User.id == ApiToken.user_id)
            .join(Membership, (Membership.user_id == ApiToken.user_id) & (Membership.team_id == ApiToken.team_id))
            .join(Team, Team.id == ApiToken.team_id)
            .where(ApiToken.token_sha256 == sha256_of(secret), User.disabled_at.is_(None))
        ).first()
        if found is None:
            return None
        token, user, membership, team = found
        moment = now()
        if token.revoked_at is not None or (token.expires_at is not None and moment > token.expires_at):
            return None
        role = min(cast(Role, membership.role), CAPS[token.scope], key=ROLES.index)
        caller = Caller(
            team_id=team.id,
            user=user.name,
            role=role,
            operator=user.operator and token.scope != "write",
            read_only=token.scope == "read",
            team=team.slug,
            user_id=user.id,
            means=f"token {token.id}",
        )
        return FoundToken(caller, token.last_used_at is None or moment - token.last_used_at > NOTED)


def note_use(engine: Engine, secret: str) -> None:
    """Keep when a token was last used."""
    with system_session(engine) as session:
        used = update(ApiToken).where(ApiToken.token_sha256 == sha256_of(secret))
        session.execute(used.values(last_used_at=now()))
