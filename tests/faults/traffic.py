"""Clients that write and read through a real web process, and remember what they were answered."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np

from app.main import create_app
from app.settings import Settings
from tests.faults.documents import SMALL

API = "/api/v1"
PATIENCE_SECONDS = 60.0
BETWEEN_SECONDS = 0.05
AGAIN_SECONDS = 0.5
"""After a request that was not answered well."""


@dataclass(frozen=True)
class Answer:
    """What one request was answered. `began`: by the clock that time.monotonic() reads."""

    method: str
    path: str
    status: int
    began: float
    seconds: float
    headers: httpx.Headers
    body: Any


@dataclass
class Traffic:
    """All answers to some clients, and the requests that no server answered at all."""

    answers: list[Answer] = field(default_factory=list)
    unanswered: int = 0

    def ask(self, client: httpx.Client, method: str, path: str, **request: Any) -> Answer | None:
        began = time.monotonic()
        try:
            response = client.request(method, f"{API}{path}", **request)
        except httpx.TransportError:
            self.unanswered += 1
            return None
        seconds = time.monotonic() - began
        body = response.json() if response.content else None
        answer = Answer(method, path, response.status_code, began, seconds, response.headers, body)
        self.answers.append(answer)
        return answer

    def begun(self, first: float, last: float = float("inf")) -> list[Answer]:
        """The answers to requests that were sent in this time."""
        return [answer for answer in self.answers if first <= answer.began <= last]


def percentile_95(answers: Sequence[Answer]) -> float:
    """Seconds."""
    return float(np.percentile([answer.seconds for answer in answers], 95))


def read_again_and_again(url: str, paths: Sequence[str], traffic: Traffic, stop: threading.Event) -> None:
    """GET the paths in turn until told to stop."""
    with httpx.Client(base_url=url, timeout=PATIENCE_SECONDS) as client:
        while not stop.is_set():
            for path in paths:
                traffic.ask(client, "GET", path)
                time.sleep(BETWEEN_SECONDS)


def make_studies(url: str, writer: str, traffic: Traffic, stop: threading.Event) -> None:
    """POST one study after the other until told to stop; each again under its key until it is acknowledged."""
    number = 0
    while not stop.is_set():
        number += 1
        document = SMALL.model_copy(update={"name": f"{writer} {number}"}).model_dump(mode="json")
        with httpx.Client(base_url=url, timeout=PATIENCE_SECONDS) as client:
            while not _acknowledged(traffic.ask(client, "POST", "/studies", json=document, headers=_key(document))):
                time.sleep(AGAIN_SECONDS)


def _key(document: dict[str, Any]) -> dict[str, str]:
    return {"Idempotency-Key": document["name"]}


def _acknowledged(answer: Answer | None) -> bool:
    return answer is not None and answer.status == 201


def asked_in_process(settings: Settings, paths: Sequence[str], token: str = "") -> list[httpx.Response]:
    """What a web process on this home and database would answer to each, without one. token: of the API, where people
    have accounts."""
    app = create_app(settings)

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        headers = {"authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
            return [await client.get(f"{API}{path}") for path in paths]

    found = asyncio.run(ask())
    app.state.engine.dispose()
    return found


@contextmanager
def clients(*asking: Callable[[threading.Event], None]) -> Iterator[None]:
    """Each in a thread of its own, until the end of the block."""
    stop = threading.Event()
    threads = [threading.Thread(target=ask, args=(stop,)) for ask in asking]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive()
