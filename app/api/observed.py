"""Outermost of all: every request gets an id, is measured, and where it matters has its line in the log.

The id is the caller's own `X-Request-ID` where that is a plain one. It goes back in the same header, and as
`request_id` into every problem, so that a person can quote what the log is searched for.
"""

import logging
import re
import time
import uuid
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.metrics import Metrics
from app.api.routes import route_of
from app.logs import request_id

logger = logging.getLogger(__name__)

HEADER = "x-request-id"
PLAIN_ID = re.compile(r"[A-Za-z0-9_.:-]{8,64}")
API = "/api/"
READS = frozenset({"GET", "HEAD", "OPTIONS"})
UNANSWERED = 499
"""The client went away, or the server was told to stop, before there was an answer."""


class Observed:
    """Pure ASGI middleware."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        asked = request_id.set(_id_of(scope))
        try:
            if scope["type"] == "websocket":
                with self._metrics.open_websocket():
                    await self._app(scope, receive, _telling_refusals(scope, send))
            else:
                await self._answer(scope, receive, send)
        finally:
            request_id.reset(asked)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, status = time.perf_counter(), UNANSWERED
        name = request_id.get() or ""

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = name
            await send(message)

        try:
            with self._metrics.request_in_progress():
                await self._app(scope, receive, sending)
        finally:
            seconds = time.perf_counter() - began
            self._metrics.request_answered(scope["method"], route_of(scope), status, seconds)
            _log(scope, status, seconds)


def _telling_refusals(scope: Scope, send: Send) -> Send:
    """A websocket that is closed before it was open was refused."""
    opened = False

    async def sending(message: Message) -> None:
        nonlocal opened
        opened = opened or message["type"] == "websocket.accept"
        if message["type"] == "websocket.close" and not opened:
            about = {"event": "request", "method": "WEBSOCKET", "route": route_of(scope), "status": message.get("code")}
            logger.info("websocket refused: %s", message.get("reason"), extra=about | _who(scope))
        await send(message)

    return sending


def _id_of(scope: Scope) -> str:
    told = Headers(scope=scope).get(HEADER, "")
    return told if PLAIN_ID.fullmatch(told) else uuid.uuid4().hex


def _log(scope: Scope, status: int, seconds: float) -> None:
    """Writes to the API, refusals and failures; what is only read would drown them."""
    wrote = scope["path"].startswith(API) and scope["method"] not in READS
    if not wrote and status < 400:
        return
    level = logging.WARNING if status >= 500 else logging.INFO
    route = route_of(scope)
    words = f"{scope['method']} {route} {status} in {seconds:.3f} s"
    about = {"event": "request", "method": scope["method"], "route": route, "status": status}
    logger.log(level, words, extra=about | {"seconds": round(seconds, 6)} | _who(scope))


def _who(scope: Scope) -> dict[str, Any]:
    """Who asked, and about which run."""
    found: dict[str, Any] = {}
    caller = scope.get("state", {}).get("caller")
    if caller is not None:
        found |= {"user": caller.user, "team_id": caller.team_id}
    run = scope.get("path_params", {}).get("run_id")
    return found | ({} if run is None else {"run_id": run})
