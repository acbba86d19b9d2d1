"""The files that pages are made of travel compressed, and a browser that has one does not ask for it again.

What a page says of runs does not pass here: it comes by the websocket, which compresses by itself.
"""

import gzip
from dataclasses import dataclass
from urllib.parse import parse_qs

from dash.fingerprint import check_fingerprint
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COMPONENTS = "/_dash-component-suites/"
"""Files of installed packages, which do not change while this process lives; up to 5 MB."""
ASSETS = "/assets/"
"""Our own, asked for with the time of their last change: static/."""
WIRING = "/_dash-dependencies"
SMALL = 500
LEVEL = 6
"""The next ones take several times as long for a hundredth."""
FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Kept:
    """A file as it is sent."""

    body: bytes
    headers: dict[str, str]


class Compressed:
    """Pure ASGI middleware, inside of the gate."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._at_once = GZipMiddleware(app, minimum_size=SMALL, compresslevel=LEVEL)
        # By what a path means: the fingerprint in it may be anybody's, and its file is the same.
        self._kept: dict[tuple[str, bool], Kept] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or scope["method"] != "GET" or not path.startswith((COMPONENTS, ASSETS, WIRING)):
            await self._app(scope, receive, send)
        elif path.startswith(COMPONENTS) and "gzip" in Headers(scope=scope).get("accept-encoding", ""):
            answer = await self._component(scope, receive)
            await answer(scope, receive, send)
        else:
            await self._at_once(scope, receive, _kept_by_browsers(scope, send))

    async def _component(self, scope: Scope, receive: Receive) -> Response:
        """Read and compressed once for all who ask for it."""
        asked = check_fingerprint(scope["path"])
        kept = self._kept.get(asked)
        if kept is None:
            answer = await _whole(self._app, scope, receive)
            if answer.status_code != 200:
                return answer
            kept = self._kept[asked] = await run_in_threadpool(_compressed, answer)
        etag = kept.headers.get("etag")
        if etag is not None and Headers(scope=scope).get("if-none-match") == etag:
            return Response(status_code=304, headers={"etag": etag})
        return Response(kept.body, headers=kept.headers)


async def _whole(app: ASGIApp, scope: Scope, receive: Receive) -> Response:
    """All of what the application answers to whoever has nothing yet."""
    messages: list[Message] = []

    async def collecting(message: Message) -> None:
        messages.append(message)

    headers = [(name, value) for name, value in scope["headers"] if name != b"if-none-match"]
    await app({**scope, "headers": headers}, receive, collecting)
    start = next(message for message in messages if message["type"] == "http.response.start")
    body = b"".join(message.get("body", b"") for message in messages if message["type"] == "http.response.body")
    answer = Response(body, start["status"])
    answer.raw_headers = start["headers"]
    return answer


def _compressed(answer: Response) -> Kept:
    headers = MutableHeaders(raw=list(answer.raw_headers))
    headers["content-encoding"] = "gzip"
    headers["vary"] = "Accept-Encoding"
    if "max-age" in headers.get("cache-control", ""):
        headers["cache-control"] = FOREVER
    del headers["content-length"]
    return Kept(gzip.compress(bytes(answer.body), LEVEL, mtime=0), dict(headers))


def _kept_by_browsers(scope: Scope, send: Send) -> Send:
    """Whatever is asked for with the time of its last change is another file at another time."""
    dated = "m" in parse_qs(scope["query_string"].decode("latin-1"))

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 200 and dated:
            MutableHeaders(scope=message)["cache-control"] = FOREVER
        await send(message)

    return sending
