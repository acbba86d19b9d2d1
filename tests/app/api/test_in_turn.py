"""Few requests are worked on at a time, and none waits for those before it for ever."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from starlette.types import Message, Receive, Scope, Send

from app.api.in_turn import AT_ONCE, LONGEST_WAIT_SECONDS, InTurn

MANY = 5 * AT_ONCE


class Desk:
    """An application that counts how many requests it works on whose answers have not begun; `work` is what it does.
    looks: whether it asks for the request's body."""

    def __init__(self, work: Callable[[Receive, Send], Awaitable[None]], *, looks: bool = True) -> None:
        self._work, self._looks = work, looks
        self.now = self.most = self.done = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while self._looks and (await receive()).get("more_body"):
            pass
        self.now += 1
        self.most = max(self.most, self.now)
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            self.now -= not begun
            begun = True
            await send(message)

        try:
            await self._work(receive, sending)
        finally:
            self.now -= not begun
            self.done += 1


async def answer(_receive: Receive, send: Send) -> None:
    await asyncio.sleep(0.001)
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body"})


async def ask(app: InTurn, method: str = "GET", path: str = "/api/v1/runs", body: asyncio.Event | None = None) -> None:
    """One request. body: comes in two parts, the second one then."""
    headers = [] if body is None else [(b"content-length", b"2")]
    parts: list[Message] = [{"type": "http.request", "more_body": False}]
    if body is not None:
        parts.insert(0, {"type": "http.request", "more_body": True})

    async def receive() -> Message:
        if body is not None and len(parts) == 1:
            await body.wait()
        return parts.pop(0)

    async def send(_message: Message) -> None:
        await asyncio.sleep(0)

    await app({"type": "http", "method": method, "path": path, "headers": headers}, receive, send)


def test_of_many_reads_and_writes_few_are_worked_on_at_once_and_all_are_answered() -> None:
    for method in ("GET", "POST"):
        desk = Desk(answer)

        async def asked(desk: Desk = desk, method: str = method) -> None:
            app = InTurn(desk)
            await asyncio.gather(*(ask(app, method) for _ in range(MANY)))

        asyncio.run(asked())
        assert desk.most == AT_ONCE
        assert desk.done == MANY


def test_a_write_without_a_body_takes_its_place_though_nobody_asks_for_one() -> None:
    desk = Desk(answer, looks=False)

    async def asked() -> None:
        app = InTurn(desk)
        await asyncio.gather(*(ask(app, "DELETE") for _ in range(MANY)))

    asyncio.run(asked())
    assert (desk.most, desk.done) == (AT_ONCE, MANY)


def test_writes_that_wait_keep_no_reader_waiting() -> None:
    released = []

    async def asked() -> None:
        freed = asyncio.Event()

        async def work(_receive: Receive, send: Send) -> None:
            await freed.wait()
            await answer(_receive, send)

        writes, reads = Desk(work), Desk(answer)
        app = InTurn(writes)
        waiting = [asyncio.create_task(ask(app, "POST")) for _ in range(AT_ONCE)]
        await asyncio.sleep(0.01)
        app._app = reads
        began = time.perf_counter()
        await ask(app)
        released.append(time.perf_counter() - began)
        freed.set()
        await asyncio.gather(*waiting)

    asyncio.run(asked())
    assert released[0] < LONGEST_WAIT_SECONDS / 2


def test_nobody_waits_for_ever_for_those_before() -> None:
    freed = asyncio.Event()

    async def work(_receive: Receive, send: Send) -> None:
        await freed.wait()
        await answer(_receive, send)

    desk = Desk(work)

    async def asked() -> None:
        app = InTurn(desk)
        waiting = [asyncio.create_task(ask(app)) for _ in range(AT_ONCE + 1)]
        await asyncio.sleep(LONGEST_WAIT_SECONDS / 2)
        assert desk.now == AT_ONCE
        await asyncio.sleep(LONGEST_WAIT_SECONDS)
        assert desk.now == AT_ONCE + 1
        freed.set()
        await asyncio.gather(*waiting)

    asyncio.run(asked())


def test_what_is_streamed_and_what_is_uploaded_slowly_hold_no_place() -> None:
    ended = asyncio.Event()

    async def stream(_receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await ended.wait()

    streams, uploads = Desk(stream), Desk(answer)

    async def asked() -> None:
        app, arrived = InTurn(streams), asyncio.Event()
        open_ones = [asyncio.create_task(ask(app)) for _ in range(AT_ONCE)]
        await asyncio.sleep(0.01)
        app._app = uploads
        open_ones += [asyncio.create_task(ask(app, "POST", body=arrived)) for _ in range(AT_ONCE)]
        await asyncio.sleep(0.01)
        began = time.perf_counter()
        await asyncio.gather(ask(app), ask(app, "POST"))
        assert time.perf_counter() - began < LONGEST_WAIT_SECONDS / 2
        ended.set()
        arrived.set()
        await asyncio.gather(*open_ones)

    asyncio.run(asked())


def test_a_place_is_free_again_where_an_answer_fails_and_where_a_client_goes_away() -> None:
    async def fail(_receive: Receive, _send: Send) -> None:
        raise RuntimeError("expected the unexpected")

    async def hang(_receive: Receive, _send: Send) -> None:
        await asyncio.Event().wait()

    async def asked() -> None:
        app = InTurn(Desk(fail))
        failed = await asyncio.gather(*(ask(app) for _ in range(MANY)), return_exceptions=True)
        assert [type(error) for error in failed] == [RuntimeError] * MANY
        app._app = Desk(hang)
        gone = [asyncio.create_task(ask(app)) for _ in range(AT_ONCE)]
        await asyncio.sleep(0.01)
        for task in gone:
            task.cancel()
        await asyncio.gather(*gone, return_exceptions=True)
        app._app = desk = Desk(answer)
        began = time.perf_counter()
        await asyncio.gather(*(ask(app) for _ in range(AT_ONCE)))
        assert time.perf_counter() - began < LONGEST_WAIT_SECONDS / 2
        assert desk.most == AT_ONCE

    asyncio.run(asked())


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/queue"),
        ("GET", "/api/v1/healthz"),
        ("GET", "/api/v1/readyz"),
        ("POST", "/api/v1/runs/3/predict"),
        ("POST", "/api/v1/runs/3/merge"),
    ],
)
def test_pages_health_and_what_a_worker_does_are_none_of_its_business(method: str, path: str) -> None:
    desk = Desk(answer)

    async def asked() -> None:
        app = InTurn(desk)
        await asyncio.gather(*(ask(app, method, path) for _ in range(MANY)))

    asyncio.run(asked())
    assert desk.most == MANY
