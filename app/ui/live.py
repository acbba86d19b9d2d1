"""How a page follows what changes on the server: told by websocket, never by polling.

A page says once how it is read, puts a mark into its layout, and has a callback that reads on the mark's store:

    live.follow("study", read=_read, ended=lambda reading: reading.view.status not in ("queued", "running"))

    async def layout(study_id: str) -> html.Div:
        reading = await live.read("study", study_id)
        return html.Div([live.following("study", study_id, reading), html.Div(_parts(reading), id="study-parts")])

    @reading(Output("study-parts", "children"), Input("study-live", "data"), State("study-id", "data"),
              prevent_initial_call=True)
    async def refresh(_version: str, study_id: str) -> Any:
        return _parts(await live.latest("study", study_id))

`read(api, what)` asks the API for everything that the page shows, as documents; it raises ApiProblem where the API
refuses, and so do `live.read` and `live.latest`. What it returns is told apart by its JSON: leave out what changes
without being news, such as the age of a heartbeat. `what` is the page's own text: an id, a query.

While the mark stands on a page, static/live.js holds a subscription. Subscriptions to one thing by one caller share a
watcher, which reads it about once a second, longer where reading takes longer, and ends with the last of them, or when
the thing has ended. A browser whose connection was away subscribes again and is told what stands now. The page follows
another thing, or again what had ended, when a callback gives the mark, here "study-mark", another "data-what" or
"data-seen".
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from dash import dcc, html
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from pydantic_core import to_json

from app.client import ApiProblem, AtlasClient
from app.language import language
from app.ui import session

Read = Callable[[AtlasClient, str], Awaitable[Any]]
PATH = "/_live"
REST_SECONDS = 0.8
"""Between two readings, or as long as the reading took: a busy machine is asked less often."""
MOST_SUBSCRIPTIONS = 20
"""Of one page: itself, the frame around it, and room for its parts."""


@dataclass(frozen=True)
class Subject:
    """What a page follows: how it is read, and when it can change no more."""

    read: Read
    ended: Callable[[Any], bool]


@dataclass(frozen=True)
class Thing:
    """One subject's thing as one caller sees it in one language."""

    subject: str
    what: str
    language: str
    cookies: frozenset[tuple[str, str]]


@dataclass
class Watcher:
    """Reads a thing for as long as somebody listens."""

    thing: Thing
    version: str = ""
    ended: bool = False
    outcome: Any = None
    listeners: set[Callable[["Watcher"], None]] = field(default_factory=set)
    task: "asyncio.Task[None] | None" = None

    def result(self) -> Any:
        """The last reading, or the refusal in its place."""
        if isinstance(self.outcome, ApiProblem):
            raise self.outcome
        return self.outcome

    async def watch(self) -> None:
        """Read until the thing has ended; whoever listens is told when the reading is another."""
        clock = asyncio.get_running_loop().time
        api = session.client_with(dict(self.thing.cookies))
        try:
            while not self.ended:
                began = clock()
                await self._look(api)
                await asyncio.sleep(max(REST_SECONDS, clock() - began))
        finally:
            await api.close()

    async def _look(self, api: AtlasClient) -> None:
        subject = _subjects[self.thing.subject]
        try:
            self.outcome = await subject.read(api, self.thing.what)
            self.ended = subject.ended(self.outcome)
        except ApiProblem as problem:
            self.outcome = problem
        version = version_of(self.outcome)
        if version != self.version or self.ended:
            self.version = version
            for tell in list(self.listeners):
                tell(self)


_subjects: dict[str, Subject] = {}
_watchers: dict[Thing, Watcher] = {}


def follow(subject: str, read: Read, ended: Callable[[Any], bool] = lambda _: False) -> None:
    """Say how a subject is read. Called when the page's module is imported."""
    _subjects[subject] = Subject(read, ended)


def following(subject: str, what: str = "", reading: Any = None) -> html.Div:
    """The mark that a page follows something, with the store `{subject}-live` that changes when it does.

    `reading`: what the page shows already; without it the store is set at once.
    """
    marks = {"data-follow": subject, "data-what": what, "data-seen": "" if reading is None else version_of(reading)}
    return html.Div(dcc.Store(id=f"{subject}-live"), id=f"{subject}-mark", hidden=True, **marks)


async def read(subject: str, what: str = "") -> Any:
    """A new reading for the request at hand."""
    return await _subjects[subject].read(session.client(), what)


async def latest(subject: str, what: str = "") -> Any:
    """What the watcher has just read, once for all who follow; a new reading where nobody does."""
    watcher = _watchers.get(_thing(subject, what, session.cookies()))
    if watcher is not None and watcher.version:
        return watcher.result()
    return await read(subject, what)


def watching() -> list[Thing]:
    """What is being watched now."""
    return list(_watchers)


def version_of(reading: Any) -> str:
    """A name that two readings share exactly when they say the same."""
    said = [reading.title, reading.detail] if isinstance(reading, ApiProblem) else reading
    return hashlib.blake2b(to_json(said), digest_size=8).hexdigest()


def serve(app: FastAPI) -> None:
    """Take subscriptions at PATH. The guard has checked where a browser's page comes from."""
    app.add_api_websocket_route(PATH, _subscriptions)


async def _subscriptions(socket: WebSocket) -> None:
    """One browser page: {follow, subject, what, seen} or {leave} comes, {changed, version} or {ended} goes."""
    await socket.accept()
    told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    held: dict[int, tuple[Watcher, Callable[[Watcher], None]]] = {}
    sending = asyncio.create_task(_send(socket, told))
    try:
        while True:
            asked = await socket.receive_json()
            match asked:
                case {"follow": int(number), "subject": str(subject), "what": str(what)} if (
                    subject in _subjects and number not in held and len(held) < MOST_SUBSCRIPTIONS
                ):
                    thing = _thing(subject, what, session.own(socket.cookies))
                    held[number] = _listen(thing, number, asked.get("seen"), told)
                case {"leave": int(number)} if number in held:
                    _leave(*held.pop(number))
    except (WebSocketDisconnect, ValueError, KeyError, RecursionError):
        # Closed, or not a message of ours: either way nobody is there to tell.
        pass
    finally:
        for watcher, listener in held.values():
            _leave(watcher, listener)
        sending.cancel()


async def _send(socket: WebSocket, told: asyncio.Queue[dict[str, Any]]) -> None:
    with suppress(WebSocketDisconnect, RuntimeError):
        while True:
            await socket.send_json(await told.get())


def _thing(subject: str, what: str, cookies: dict[str, str]) -> Thing:
    return Thing(subject, what, language(), frozenset(cookies.items()))


def _listen(
    thing: Thing, number: int, seen: str | None, told: asyncio.Queue[dict[str, Any]]
) -> tuple[Watcher, Callable[[Watcher], None]]:
    """Join the watcher of a thing, or begin one; what stands already is told at once where it is not the one seen."""
    shown = seen

    def tell(watcher: Watcher) -> None:
        nonlocal shown
        if watcher.version != shown:
            shown = watcher.version
            told.put_nowait({"changed": number, "version": watcher.version})
        if watcher.ended:
            told.put_nowait({"ended": number})

    watcher = _watchers.get(thing)
    if watcher is None:
        watcher = _watchers[thing] = Watcher(thing)
        watcher.task = asyncio.create_task(watcher.watch())
        watcher.task.add_done_callback(lambda _: _forget(watcher))
    watcher.listeners.add(tell)
    if watcher.version:
        tell(watcher)
    return watcher, tell


def _leave(watcher: Watcher, listener: Callable[[Watcher], None]) -> None:
    watcher.listeners.discard(listener)
    if not watcher.listeners and watcher.task is not None:
        watcher.task.cancel()
        _forget(watcher)


def _forget(watcher: Watcher) -> None:
    if _watchers.get(watcher.thing) is watcher:
        del _watchers[watcher.thing]
