"""Every request has an id that its answer, its problem and its log lines share; no secret is logged."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from app.api.observed import HEADER
from app.logs import JsonLines, about
from tests.faults.documents import SMALL

pytestmark = pytest.mark.anyio
DOCUMENT = SMALL.model_dump(mode="json")
CANARY = "canary-4d2f9c"


@pytest.fixture
def said() -> Iterator[io.StringIO]:
    """All that the web process would log, as JSON lines."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines("web"))
    root, product = logging.getLogger(), logging.getLogger("app")
    before = product.level
    product.setLevel(logging.INFO)
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)
    product.setLevel(before)


def lines(said: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.getvalue().splitlines()]


async def test_a_plain_id_of_the_callers_is_kept_and_any_other_replaced(api: httpx.AsyncClient) -> None:
    own = await api.get("/api/v1/healthz", headers={HEADER: "build-4711.a_b:c"})
    assert own.headers[HEADER] == "build-4711.a_b:c"
    for strange in ("short", "x" * 65, "with space and more", "new\\nline-in-it", "<script>alert</script>"):
        answer = await api.get("/api/v1/healthz", headers={HEADER: strange})
        assert len(answer.headers[HEADER]) == 32
    first, second = [(await api.get("/api/v1/healthz")).headers[HEADER] for _ in range(2)]
    assert first != second


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/api/v1/runs/9", {}, 404),
        ("GET", "/api/v1/runs/x", {}, 422),
        ("GET", "/api/nothing", {}, 404),
        ("GET", "/api/v1/runs", {"host": "evil.example"}, 403),
        ("POST", "/api/v1/studies", {"content-type": "text/plain"}, 415),
    ],
)
async def test_every_problem_says_the_id(
    api: httpx.AsyncClient, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    answer = await api.request(method, path, headers=headers, content=b"{}" if method == "POST" else None)
    assert answer.status_code == status
    assert answer.json()["request_id"] == answer.headers[HEADER]


async def test_a_fault_says_the_id_and_its_log_line_too(
    web: FastAPI, api: httpx.AsyncClient, said: io.StringIO
) -> None:
    @web.get("/api/v1/broken/{secret}")
    def broken(secret: str) -> None:
        raise RuntimeError("it broke")

    web.router.routes.insert(0, web.router.routes.pop())
    answer = await api.get(f"/api/v1/broken/{CANARY}")
    assert answer.status_code == 500
    assert answer.json()["request_id"] == answer.headers[HEADER]
    assert answer.headers[HEADER] in answer.json()["detail"]
    told = [line for line in lines(said) if line["level"] == "error"]
    assert told[0]["request_id"] == answer.headers[HEADER]
    assert "it broke" in told[0]["exception"]
    assert CANARY not in said.getvalue()


async def test_writes_and_refusals_are_logged_and_what_is_only_read_is_not(
    api: httpx.AsyncClient, said: io.StringIO
) -> None:
    made = await api.post("/api/v1/studies", json=DOCUMENT)
    await api.get("/api/v1/studies")
    refused = await api.post("/api/v1/runs/99/cancel")
    told = [line for line in lines(said) if line["event"] == "request"]
    assert [line["request_id"] for line in told] == [made.headers[HEADER], refused.headers[HEADER]]
    first, second = told
    assert (first["method"], first["route"], first["status"]) == ("POST", "/api/v1/studies", 201)
    assert (first["user"], first["team_id"]) == ("local user", 1)
    assert first["seconds"] > 0
    assert (second["route"], second["status"], second["run_id"]) == ("/api/v1/runs/{run_id}/cancel", 404, "99")


def test_a_websocket_that_is_refused_is_logged(web: FastAPI, said: io.StringIO) -> None:
    client = TestClient(web, base_url="http://localhost")
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("/_live", headers={"origin": "http://evil.example"}),
    ):
        pass
    (line,) = [line for line in lines(said) if line["event"] == "request"]
    assert (line["method"], line["status"], "request_id" in line) == ("WEBSOCKET", 1008, True)


async def test_what_is_logged_in_a_thread_carries_the_id(
    web: FastAPI, api: httpx.AsyncClient, said: io.StringIO
) -> None:
    @web.get("/api/v1/threaded")
    def threaded() -> None:
        logging.getLogger("app.threaded").info("in a thread", extra=about("threaded"))

    web.router.routes.insert(0, web.router.routes.pop())
    answers = await asyncio.gather(*(api.get("/api/v1/threaded") for _ in range(5)))
    told = [line["request_id"] for line in lines(said) if line["event"] == "threaded"]
    assert sorted(told) == sorted(answer.headers[HEADER] for answer in answers)


async def test_no_secret_is_logged(web: FastAPI, api: httpx.AsyncClient, said: io.StringIO) -> None:
    headers = {"authorization": f"Bearer {CANARY}", "cookie": f"peft_atlas_session={CANARY}", "x-csrf-token": CANARY}
    await api.get(f"/api/v1/runs?cursor={CANARY}", headers=headers)
    await api.get(f"/api/nothing/{CANARY}?key={CANARY}", headers=headers)
    await api.get(f"/shared/{CANARY}", headers=headers)
    await api.post("/api/v1/studies", json={"name": CANARY, "password": CANARY}, headers=headers)
    await api.post("/api/v1/studies", content=f'{{"password": "{CANARY}"', headers=headers)
    with web.state.engine.begin() as connection:
        connection.execute(text("ALTER TABLE studies RENAME TO gone"))
    broken = await api.post("/api/v1/studies", json=DOCUMENT | {"name": CANARY}, headers=headers)
    assert broken.status_code >= 500
    assert {line["event"] for line in lines(said)} >= {"request", "log"}
    assert CANARY not in said.getvalue()
