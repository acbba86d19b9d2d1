"""Who asks: every request and websocket passes here, and nobody unknown gets further than the few open paths.

What a known caller may do is for the route to say (app/api/context.py). Here is decided that there is a caller, that a
browser's cookie was not sent along by a page elsewhere, and, once a write has gone well, that it is in the audit log.
"""

import asyncio
import logging
import re
import time
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.audit_writing import AuditLog
from app.api.context import SAFE_METHODS
from app.api.guard import same_origin
from app.api.problems import problem
from app.errors import AtlasError, Forbidden, Unauthenticated, Unavailable
from app.language import tr
from app.services import audit
from app.services.accounts import first_visit
from app.services.accounts.identify import Credentials, Identity, identify, note_use

logger = logging.getLogger(__name__)
SESSION_COOKIE = "peft_atlas_session"
ACCESS_HEADER = "peft-atlas-access"
"""Of a page that acts for its reader: "read" where it only shows something."""
CSRF_HEADER = "x-csrf-token"
REMEMBERED_SECONDS = 0.4
"""How long an answer of the database about credentials counts: whoever is logged out is out within a second."""
MOST_REMEMBERED = 1_000
LOGGED_OUT = 4401
"""The code that a websocket is closed with; static/live.js then loads the page anew."""
INSIDE = "peft_atlas.inside"
"""In the scope of what the application asks of itself at its start; nothing that comes over the network can set it."""
DOOR = "/login"
IDENTITY = "accounts"
"""The tag of routes that change who may do what."""


@dataclass(frozen=True)
class Known:
    """What the database said of credentials, and when."""

    at: float
    identity: Identity | None


class Gate:
    """Pure ASGI middleware. Puts the caller into the request's state: `request.state.caller`, None on open paths.

    key: the first-visit key, None where none is asked for. open_paths: what anybody may ask, without a database.
    """

    def __init__(self, app: ASGIApp, engine: Engine, key: str | None, open_paths: Iterable[re.Pattern[str]]) -> None:
        self._app, self._engine, self._key = app, engine, key
        self._open = tuple(open_paths)
        self._known: dict[Credentials, Known] = {}
        self._noting: set[asyncio.Task[None]] = set()
        self._log = AuditLog(engine)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        credentials = self._credentials(headers)
        state = scope.setdefault("state", {})
        state |= {"caller": None, "credentials": credentials, "key": self._key}
        if scope["type"] == "http" and (INSIDE in scope or self._is_open(scope["path"])):
            await self._app(scope, receive, self._watching(scope, send))
            return
        try:
            identity = await self._identify(credentials)
        except (DBAPIError, NoConnectionFree) as error:
            await _database_away(scope, send, error)
            return
        state["caller"] = _caller(identity, headers)
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send, credentials, identity)
            return
        refusal = _refusal(scope, headers, identity)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, self._watching(scope, send))

    def _is_open(self, path: str) -> bool:
        return any(pattern.fullmatch(path) for pattern in self._open)

    def _credentials(self, headers: Headers) -> Credentials:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        cookies = cookie_parser(headers.get("cookie", ""))
        return Credentials(
            bearer=given.strip() if scheme.lower() == "bearer" else None,
            session=cookies.get(SESSION_COOKIE),
            key_cookie=cookies.get(first_visit.cookie_name(self._key)) if self._key else None,
        )

    async def _identify(self, credentials: Credentials) -> Identity | None:
        known = self._known.get(credentials)
        if known is None or time.monotonic() - known.at > REMEMBERED_SECONDS:
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            asked_at = time.monotonic()
            identity = await run_in_threadpool(identify, self._engine, self._key, credentials)
            known = self._known[credentials] = Known(asked_at, identity)
            if identity is not None and identity.unnoted:
                self._start(self._note(credentials))
        return known.identity

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._noting.add(task)
        task.add_done_callback(self._noting.discard)

    async def _note(self, credentials: Credentials) -> None:
        # That something was used is worth no request's failure: a database that is locked is told of it later.
        with suppress(DBAPIError, NoConnectionFree):
            await run_in_threadpool(note_use, self._engine, credentials)

    def _watching(self, scope: Scope, send: Send) -> Send:
        """Once a write has gone well it is in the audit log; what changed who may do what counts at once."""
        if scope["method"] in SAFE_METHODS:
            return send

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:
                if IDENTITY in getattr(scope.get("route"), "tags", ()):
                    self._known.clear()
                await self._audit(scope, message)
            await send(message)

        return sending

    async def _audit(self, scope: Scope, message: Message) -> None:
        state, route = scope["state"], scope.get("route")
        if route is None or state.get("policy") not in ("member", "admin", "operator"):
            return
        parts = [f"{name.removesuffix('_id')} {value}" for name, value in scope.get("path_params", {}).items()]
        made = Headers(raw=message.get("headers", [])).get("location", "").removeprefix("/api/v1/")
        # What a route has said of it besides: which role somebody was given.
        detail = {"method": scope["method"], "path": scope["path"]} | state.get("audited", {})
        entry = audit.Entry(state["caller"], route.name, ", ".join(parts) or made, detail)
        try:
            await self._log.write(entry)
        except (DBAPIError, NoConnectionFree) as error:
            # What was done is done: to answer that it failed would have it done twice.
            logger.error("%s by %s is not in the audit log: %s", route.name, state["caller"].user, error)

    async def _websocket(
        self, scope: Scope, receive: Receive, send: Send, credentials: Credentials, identity: Identity | None
    ) -> None:
        if identity is None:
            await send({"type": "websocket.close", "code": LOGGED_OUT, "reason": "Log in first"})
            return
        gone = asyncio.create_task(self._until_gone(credentials, identity))
        try:
            await self._app(scope, _receiving(receive, send, gone), send)
        finally:
            gone.cancel()

    async def _until_gone(self, credentials: Credentials, identity: Identity) -> None:
        """Until the caller is another, or nobody, by what the database says."""
        while True:
            await asyncio.sleep(REMEMBERED_SECONDS)
            with suppress(DBAPIError, NoConnectionFree):
                now = await self._identify(credentials)
                if now is None or now.caller != identity.caller:
                    return


def _receiving(receive: Receive, send: Send, gone: "asyncio.Task[None]") -> Receive:
    """What comes from a browser, until its caller is gone: then the websocket is closed."""

    async def receiving() -> Message:
        coming = asyncio.ensure_future(receive())
        await asyncio.wait({coming, gone}, return_when=asyncio.FIRST_COMPLETED)
        if coming.done():
            return coming.result()
        coming.cancel()
        with suppress(RuntimeError):
            await send({"type": "websocket.close", "code": LOGGED_OUT, "reason": "Logged out"})
        return {"type": "websocket.disconnect", "code": LOGGED_OUT}

    return receiving


def from_inside(app: ASGIApp) -> ASGIApp:
    """The application as it asks itself, before anybody is there who could be known."""

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        await app(dict(scope) | {INSIDE: True}, receive, send)

    return inside


def _caller(identity: Identity | None, headers: Headers) -> Any:
    if identity is None:
        return None
    if headers.get(ACCESS_HEADER) == "read":
        return replace(identity.caller, read_only=True)
    return identity.caller


def _refusal(scope: Scope, headers: Headers, identity: Identity | None) -> Response | None:
    if identity is None:
        return _ask_who(scope, headers)
    if identity.by_cookie and scope["method"] not in SAFE_METHODS:
        return _check_intended(headers, identity)
    return None


def _check_intended(headers: Headers, identity: Identity) -> Response | None:
    """A cookie goes along whoever sends the request: an Origin, or the session's token, tells that it was our page."""
    if same_origin(headers.get("origin", ""), headers.get("host", "")):
        return None
    if identity.csrf_token is not None and headers.get(CSRF_HEADER) == identity.csrf_token:
        return None
    return _problem(
        Forbidden(
            "A write with a cookie needs the header 'Origin' of this server, as browsers send it, or the session's "
            "'X-CSRF-Token'. Programs use an API token."
        )
    )


def _ask_who(scope: Scope, headers: Headers) -> Response:
    """A page sends its reader to the door; everything else is told what opens it."""
    path: str = scope["path"]
    wants_page = scope["method"] == "GET" and "text/html" in headers.get("accept", "")
    if wants_page and not path.startswith("/api/"):
        query = scope.get("query_string", b"").decode("latin-1")
        return RedirectResponse(f"{DOOR}?next={quote(path + (f'?{query}' if query else ''), safe='')}", 303)
    answer = _problem(Unauthenticated(tr("Log in, or send an API token as 'Authorization: Bearer TOKEN'.")))
    answer.headers["www-authenticate"] = "Bearer"
    return answer


def _problem(error: AtlasError) -> Response:
    return problem(error.status, tr(error.title), error.detail)


async def _database_away(scope: Scope, send: Send, error: Exception) -> None:
    """Nobody can be known: what is asked is refused as any other that needs the database."""
    logger.warning("the database did not answer: %s", error)
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1013, "reason": "Try again later"})
        return
    answer = _problem(Unavailable(tr("The database did not answer. Nothing was changed; try again in a moment.")))
    answer.headers["retry-after"] = "5"
    await answer(scope, _nothing, send)


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
