"""S6: a hundred megabytes on every route that writes, with their length told or not, and over the websockets: refused,
and the server grows by little."""

import itertools
import json
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from app.schemas import LARGEST_DATASET_BYTES
from tests.security.installation import MEGABYTE, Installation
from tests.security.raw import PIECE, Answer, chunks, exchange, head
from tests.security.watch import watching

BODY_BYTES = 100 * MEGABYTE
MOST_GROWTH_BYTES = 100 * MEGABYTE
WRITES = ("post", "put", "patch")


def body() -> list[bytes]:
    return list(itertools.repeat(PIECE, BODY_BYTES // len(PIECE) + 1))


def routes_with_a_body(installed: Installation) -> list[tuple[str, str, str]]:
    """Method, path and content type of every route that reads a body, those that are in no document too."""
    with installed.client("root") as client:
        paths = client.get("/api/openapi.json").json()["paths"]
    documented = [
        (method.upper(), path.replace("{", "").replace("}", ""), next(iter(operation["requestBody"]["content"])))
        for path, operations in paths.items()
        for method, operation in operations.items()
        if "requestBody" in operation
    ]
    form = "application/x-www-form-urlencoded"
    own = [("POST", "/login", form), ("POST", "/logout", form), ("POST", "/_dash-update-component", "application/json")]
    return [*((method, with_ids(path), kind) for method, path, kind in documented), *own, ("POST", "/nowhere", form)]


def with_ids(path: str) -> str:
    return "/".join("1" if part.endswith("_id") else part for part in path.split("/"))


def send(installed: Installation, method: str, path: str, kind: str, *, chunked: bool, who: str = "root") -> Answer:
    own = [("host", installed.address), ("authorization", f"Bearer {installed.tokens[who]}")]
    kind = f"{kind}; boundary=b" if kind.startswith("multipart") else kind
    length = ("transfer-encoding", "chunked") if chunked else ("content-length", str(BODY_BYTES))
    start = head(method, path, [*own, ("content-type", kind), length])
    first = (
        b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
        if "multi" in kind
        else b'{"x":"'
    )
    pieces = [first, *body()]
    return exchange(installed.address, start, chunks(pieces) if chunked else pieces)


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
def test_every_route_with_a_body_refuses_a_hundred_megabytes(installed: Installation, chunked: bool) -> None:
    routes = routes_with_a_body(installed)
    assert len(routes) > 25
    with watching(installed) as cost:
        answers = {
            (method, path): send(installed, method, path, kind, chunked=chunked) for method, path, kind in routes
        }
    slowest = max(answers.values(), key=lambda answer: answer.seconds)
    most = max(answers.values(), key=lambda answer: answer.sent_bytes)
    print(
        f"{len(answers)} routes, slowest {slowest.seconds:.2f} s, most sent {most.sent_bytes / MEGABYTE:.0f} MB,"
        f" {cost.told()}"
    )
    assert {route: answer.status for route, answer in answers.items() if answer.status != 413} == {}
    assert cost.memory_bytes < MOST_GROWTH_BYTES
    assert most.sent_bytes < LARGEST_DATASET_BYTES + 10 * len(PIECE)


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
def test_nobody_has_to_be_known_to_be_refused(installed: Installation, chunked: bool) -> None:
    length = ("transfer-encoding", "chunked") if chunked else ("content-length", str(BODY_BYTES))
    with watching(installed) as cost:
        for path, kind in (
            ("/api/v1/auth/login", "application/json"),
            ("/login", "application/x-www-form-urlencoded"),
            ("/api/v1/studies", "application/json"),
            ("/_dash-update-component", "application/json"),
        ):
            start = head("POST", path, [("host", installed.address), ("content-type", kind), length])
            answer = exchange(installed.address, start, chunks(body()) if chunked else body())
            assert answer.status in (401, 413), path
            assert answer.sent_bytes < 10 * MEGABYTE
    print(cost.told())
    assert cost.memory_bytes < MOST_GROWTH_BYTES


def test_the_header_of_a_request_is_limited(installed: Installation) -> None:
    own = [("host", installed.address), ("x-long", "x" * 10_000_000)]
    assert exchange(installed.address, head("GET", "/api/v1/healthz", own)).status in (0, 400, 431)
    long = head("GET", "/api/v1/healthz?" + "x" * 10_000_000, [("host", installed.address)])
    assert exchange(installed.address, long).status in (0, 400, 414, 431)
    many = [("host", installed.address), *((f"x-{place}", "x") for place in range(100_000))]
    assert exchange(installed.address, head("GET", "/api/v1/healthz", many)).status in (0, 200, 400, 431)
    with installed.client() as anybody:
        assert anybody.get("/api/v1/healthz").status_code == 200


@pytest.mark.parametrize("path", ["/_live", "/_dash-ws-callback"])
def test_a_message_of_a_hundred_megabytes_closes_the_websocket(installed: Installation, path: str) -> None:
    cookie = installed.cookie_header("viewer")
    with (
        watching(installed) as cost,
        connect(
            f"ws://{installed.address}{path}",
            origin=Origin(installed.url),
            additional_headers={"cookie": cookie},
            compression=None,
        ) as socket,
        pytest.raises(ConnectionClosed),
    ):
        converse(socket, "x" * BODY_BYTES)
    print(cost.told())
    assert cost.memory_bytes < MOST_GROWTH_BYTES


def converse(socket: ClientConnection, message: str) -> None:
    """Send it, and listen for as long as the other side does."""
    socket.send(message)
    while True:
        socket.recv(timeout=20)


@pytest.mark.parametrize("path", ["/_live", "/_dash-ws-callback"])
@pytest.mark.parametrize(
    "message",
    [
        *("", "null", "[]", "7", "{", '"x"', "[" * 100_000, '{"a":' * 50_000, json.dumps({"follow": "x"})),
        *(json.dumps({"follow": 10**400}), json.dumps({"follow": 1, "subject": "nothing", "what": "x"})),
        *(json.dumps({"follow": 1, "subject": "shell", "what": "\ud800", "seen": {"a": []}}), "\x00"),
        *(json.dumps({"type": "callback_request", "payload": {}}), json.dumps({"type": "callback_request"})),
    ],
)
def test_a_message_that_is_none_ends_at_most_its_own_websocket(
    installed: Installation, path: str, message: str
) -> None:
    cookie = installed.cookie_header("viewer")
    with connect(
        f"ws://{installed.address}{path}", origin=Origin(installed.url), additional_headers={"cookie": cookie}
    ) as socket:
        socket.send(message)
        with suppress(TimeoutError, ConnectionClosed):
            socket.recv(timeout=0.1)
    with installed.client() as anybody:
        assert anybody.get("/api/v1/healthz").status_code == 200
