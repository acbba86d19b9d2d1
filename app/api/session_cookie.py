"""The cookies that keep a browser logged in: unreadable for scripts, and never sent along by a page elsewhere."""

from typing import Literal

from fastapi import Request, Response
from sqlalchemy import Engine

from app.api.gate import SESSION_COOKIE
from app.services.accounts import first_visit, sessions

SAME_SITE: Literal["lax"] = "lax"
"""A link to a study from a mail opens it; a form of another site comes without the cookie."""


def keep_session(response: Response, request: Request, token: str) -> None:
    """Have the browser keep a session."""
    _set(response, request, SESSION_COOKIE, token, int(sessions.LONGEST.total_seconds()))


def keep_key(response: Response, request: Request, key: str) -> None:
    """Have the browser keep that it was shown the first-visit key."""
    year_seconds = 31_536_000
    _set(response, request, first_visit.cookie_name(key), first_visit.cookie_value(key), year_seconds)


def forget_session(engine: Engine, request: Request, response: Response) -> None:
    """End the request's session, and have the browser forget it."""
    token = request.state.credentials.session
    if token is not None:
        sessions.log_out(engine, token)
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite=SAME_SITE, secure=is_secure(request))


def address_of(request: Request) -> str:
    """Where a request comes from, by the connection or by a proxy that is trusted."""
    return request.client.host if request.client else ""


def _set(response: Response, request: Request, name: str, value: str, seconds: int) -> None:
    response.set_cookie(name, value, max_age=seconds, httponly=True, samesite=SAME_SITE, secure=is_secure(request))


def is_secure(request: Request) -> bool:
    """Whether the browser speaks https to this server, or to the proxy before it."""
    return request.url.scheme == "https"
