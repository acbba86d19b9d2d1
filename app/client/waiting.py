"""Waiting for a study, which may take hours, in which a server is started again or a connection breaks."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import httpx

from app.client.problem import ApiProblem
from app.schemas import StudyView

UNFINISHED = ("queued", "running")
RESTART_SECONDS = 60.0
"""How long a server may be away on the way."""


async def finished_study(read: Callable[[], Awaitable[StudyView]], every_seconds: float) -> StudyView:
    """The study that `read` reads, once nothing of it waits or runs."""
    while True:
        view = await _read_patiently(read, every_seconds)
        if view.status not in UNFINISHED:
            return view
        await asyncio.sleep(every_seconds)


async def _read_patiently(read: Callable[[], Awaitable[StudyView]], every_seconds: float) -> StudyView:
    deadline = time.monotonic() + RESTART_SECONDS
    while True:
        try:
            return await read()
        except (httpx.TransportError, ApiProblem) as error:
            passing = not isinstance(error, ApiProblem) or error.status == httpx.codes.SERVICE_UNAVAILABLE
            if not passing or time.monotonic() > deadline:
                raise
        await asyncio.sleep(every_seconds)
