"""Few requests are worked on at a time, so that many at once do not slow one another down.

SQLite's driver lets go of the interpreter at every row. Among sixteen threads that want it, each row of each waits for
all the others, and together they answer a third less than a few do that let the rest wait where waiting costs nothing.
"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.context import SAFE_METHODS

AT_ONCE = 3
"""Of reads, and of writes: those may wait for one another's lock."""
LONGEST_WAIT_SECONDS = 0.25
"""Nobody waits longer for those before: some may wait themselves, for a hub that is slow or a database that hangs."""
API = "/api/"
HEALTH = ("/api/v1/healthz", "/api/v1/readyz")
"""Asked by what would restart a server that is slow to answer."""
DONE_ELSEWHERE = ("/predict", "/merge")
"""How addresses end that wait for a worker: long, and without doing anything."""


class InTurn:
    """Pure ASGI middleware. A request has its place from when all of it is there until its answer begins: neither a
    slow upload holds one nor a stream."""

    def __init__(self, app: ASGIApp) -> None:
        self._app, self._reads, self._writes = app, asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _takes_a_place(scope["path"]):
            await self._app(scope, receive, send)
            return
        reads = scope["method"] in SAFE_METHODS
        place, uploads = _Place(self._reads if reads else self._writes), not reads and _has_body(scope)

        async def receiving() -> Message:
            message = await receive()
            if uploads and not message.get("more_body", False):
                await place.take()
            return message

        async def sending(message: Message) -> None:
            place.leave()
            await send(message)

        try:
            if not uploads:
                await place.take()
            await self._app(scope, receiving, sending)
        finally:
            place.leave()


def _takes_a_place(path: str) -> bool:
    return path.startswith(API) and path not in HEALTH and not path.endswith(DONE_ELSEWHERE)


def _has_body(scope: Scope) -> bool:
    """Whether something follows the head of a request: without it, nobody may ever ask for it."""
    headers = dict(scope["headers"])
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"


class _Place:
    """One request's, while it has it."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places, self._wanted, self._held = places, True, False

    async def take(self) -> None:
        """Wait for it, not for ever, and only once."""
        if not self._wanted:
            return
        self._wanted = False
        try:
            async with asyncio.timeout(LONGEST_WAIT_SECONDS):
                self._held = await self._places.acquire()
        except TimeoutError:
            # It goes on without.
            pass

    def leave(self) -> None:
        """Let the next one have it, if it was held."""
        self._wanted = False
        if self._held:
            self._held = False
            self._places.release()
