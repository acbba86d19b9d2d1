"""Clients in processes of their own, which share no interpreter with a server and keep their connections open.

Each client is a thread with one connection (http.client: no Nagle delay, headers and body in one write), half of them
in each of two processes. What they cost is measured too, so that a figure can be told from the clients' own limit.
"""

import http.client
import json
import multiprocessing
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle
from multiprocessing.connection import Connection
from urllib.parse import urlsplit

PROCESSES = 2
PATIENCE_SECONDS = 60.0
MADE = b"{made}"


@dataclass(frozen=True)
class Request:
    """What to ask, and what then of the thing that was made: its id takes the place of MADE in bodies and paths."""

    method: str
    path: str
    body: bytes | None = None
    kind: str = "read"
    made_at: tuple[str, ...] = ()
    """Where the answer has the id."""
    then: "tuple[Request, ...]" = ()


@dataclass
class Answers:
    """How long each request took, what went wrong, and what asking cost the clients."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    """By the request's kind."""
    failures: list[str] = field(default_factory=list)
    answered_bytes: int = 0
    wall_seconds: float = 0.0
    client_cpu_seconds: float = 0.0

    @property
    def count(self) -> int:
        return sum(map(len, self.seconds.values()))

    @property
    def per_second(self) -> float:
        return self.count / self.wall_seconds if self.wall_seconds else 0.0

    def percentile(self, percent: float, kind: str = "read") -> float | None:
        """Seconds within which so many of the requests were answered; None where there were none."""
        ordered = sorted(self.seconds.get(kind, []))
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else None

    def add(self, other: "Answers") -> None:
        for kind, seconds in other.seconds.items():
            self.seconds.setdefault(kind, []).extend(seconds)
        self.failures += other.failures
        self.answered_bytes += other.answered_bytes


@dataclass(frozen=True)
class Client:
    """One connection and what it asks in turn. every: seconds between two requests, 0: at once; then a request's time
    counts from when it was due, whether or not the one before was answered by then. first: seconds before the first."""

    requests: Sequence[Request]
    every: float = 0.0
    first: float = 0.0
    repeat: bool = False
    """Whether it begins again when all is asked."""


def ask(url: str, headers: Mapping[str, str], clients: Sequence[Client], *, at_most_seconds: float) -> Answers:
    """What all clients were answered until each has asked all, or the time is over."""
    context = multiprocessing.get_context("spawn")
    parts = [list(clients[place::PROCESSES]) for place in range(min(PROCESSES, len(clients)))]
    pipes = [context.Pipe() for _ in parts]
    processes = [
        context.Process(target=_ask_beside, args=(url, dict(headers), part, at_most_seconds, end))
        for part, (_, end) in zip(parts, pipes, strict=True)
    ]
    for process in processes:
        process.start()
    for here, _ in pipes:
        here.recv()
    for here, _ in pipes:
        here.send("begin")
    whole = Answers()
    for here, _ in pipes:
        answers: Answers = here.recv()
        whole.add(answers)
        whole.wall_seconds = max(whole.wall_seconds, answers.wall_seconds)
        whole.client_cpu_seconds += answers.client_cpu_seconds
    for process in processes:
        process.join()
    return whole


def _ask_beside(url: str, headers: dict[str, str], clients: list[Client], seconds: float, end: Connection) -> None:
    """In a process of its own: it says when it is ready, and begins when all others are."""
    end.send("ready")
    end.recv()
    began, cpu = time.perf_counter(), time.process_time()
    found = [Answers() for _ in clients]
    threads = [
        threading.Thread(target=_ask_in_turn, args=(url, headers, client, began + seconds, answers))
        for client, answers in zip(clients, found, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = Answers()
    for answers in found:
        whole.add(answers)
    whole.wall_seconds, whole.client_cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
    end.send(whole)


def _ask_in_turn(url: str, headers: dict[str, str], client: Client, until: float, answers: Answers) -> None:
    connection = connect(url)
    due = time.perf_counter() + client.first
    for request in cycle(client.requests) if client.repeat else client.requests:
        time.sleep(max(0.0, due - time.perf_counter()))
        began = due if client.every else time.perf_counter()
        if began >= until:
            break
        due = began + client.every if client.every else 0.0
        try:
            status, body, size = _follow(connection, headers, request)
        except (OSError, http.client.HTTPException) as error:
            answers.failures.append(repr(error))
            connection.close()
            continue
        answers.seconds.setdefault(request.kind, []).append(time.perf_counter() - began)
        answers.answered_bytes += size
        if status >= 400:
            answers.failures.append(f"{request.method} {request.path[:80]}: {status} {body[:200]!r}")
    connection.close()


def _follow(
    connection: http.client.HTTPConnection, headers: Mapping[str, str], request: Request
) -> tuple[int, bytes, int]:
    """The request and those that come with it; the last status and body, and the size of all bodies."""
    status, body = send(connection, headers, request)
    size = len(body)
    if request.then and status < 400:
        found = json.loads(body)
        for name in request.made_at:
            found = found[name]
        for following in request.then:
            given = None if following.body is None else following.body.replace(MADE, str(found).encode())
            path = following.path.replace(MADE.decode(), str(found))
            status, body = send(connection, headers, replace(following, body=given, path=path))
            size += len(body)
            if status >= 400:
                break
    return status, body, size


def connect(url: str) -> http.client.HTTPConnection:
    """A connection that is opened with the first request."""
    parts = urlsplit(url)
    return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE_SECONDS)


def send(connection: http.client.HTTPConnection, headers: Mapping[str, str], request: Request) -> tuple[int, bytes]:
    """One request and its answer: the status and the body."""
    typed = {**headers, "content-type": "application/json"} if request.body is not None else dict(headers)
    connection.request(request.method, request.path, body=request.body, headers=typed)
    response = connection.getresponse()
    return response.status, response.read()


def serially(url: str, headers: Mapping[str, str], requests: Sequence[Request], *, at_most_seconds: float) -> Answers:
    """One client that asks one thing after the other."""
    return ask(url, headers, [Client(requests)], at_most_seconds=at_most_seconds)


def together(
    url: str, headers: Mapping[str, str], requests: Sequence[Request], *, clients: int, at_most_seconds: float
) -> Answers:
    """So many clients at once, each with its share of the requests."""
    shares = [Client(requests[place::clients]) for place in range(clients)]
    return ask(url, headers, shares, at_most_seconds=at_most_seconds)
