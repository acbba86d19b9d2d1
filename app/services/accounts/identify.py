"""Who a request comes from, told by what it carries."""

from dataclasses import dataclass

from sqlalchemy import Engine

from app.services.accounts import first_visit, sessions, tokens, users
from app.services.callers import LOCAL, Caller


@dataclass(frozen=True)
class Credentials:
    """What a request carries: the token of its Authorization header, and cookies."""

    bearer: str | None = None
    session: str | None = None
    key_cookie: str | None = None


@dataclass(frozen=True)
class Identity:
    """A caller with what a write of theirs must carry where a browser sends the cookie by itself.

    `by_cookie`: whether a cookie told; `csrf_token`: the session's, None where it has none.
    """

    caller: Caller
    by_cookie: bool = False
    csrf_token: str | None = None
    unnoted: bool = False


def identify(engine: Engine, key: str | None, credentials: Credentials) -> Identity | None:
    """Whose credentials these are; None: nobody's. key: the first-visit key, None where none is asked for.

    As soon as anybody has an account, only accounts count.
    """
    if not users.accounts_exist(engine):
        return _identify_local(key, credentials)
    if credentials.bearer is not None:
        token = tokens.find_token(engine, credentials.bearer)
        return Identity(token.caller, unnoted=token.unnoted) if token else None
    if credentials.session is not None:
        found = sessions.find_session(engine, credentials.session)
        return Identity(found.caller, True, found.csrf_token, found.unnoted) if found else None
    return None


def _identify_local(key: str | None, credentials: Credentials) -> Identity | None:
    if key is None:
        return Identity(LOCAL)
    if credentials.bearer is not None:
        return Identity(LOCAL) if first_visit.is_key(key, credentials.bearer) else None
    if credentials.key_cookie is not None and first_visit.is_cookie(key, credentials.key_cookie):
        return Identity(LOCAL, by_cookie=True)
    return None


def note_use(engine: Engine, credentials: Credentials) -> None:
    """Keep that a session or token was used."""
    if credentials.bearer is not None:
        tokens.note_use(engine, credentials.bearer)
    elif credentials.session is not None:
        sessions.note_use(engine, credentials.session)
