"""A web page elsewhere cannot reach the job launcher: Host, Origin and content type, on requests and websockets."""

import httpx
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from app.api.guard import host_name, same_origin

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("host", ["localhost", "localhost:8050", "127.0.0.1:9", "[::1]:8050", "[::1]", "LOCALHOST:1"])
async def test_loopback_names_are_answered_with_any_port(api: httpx.AsyncClient, host: str) -> None:
    assert (await api.get("/api/v1/healthz", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "", "a@localhost", "localhost/x"],
)
async def test_other_hosts_are_refused(api: httpx.AsyncClient, host: str) -> None:
    answer = await api.get("/api/v1/healthz", headers={"host": host})
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")


FOREIGN = ["http://evil.example", "null", "https://localhost.evil.example", "http://localhost:1", "file://", "http://["]


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_writes_from_other_origins_are_refused(api: httpx.AsyncClient, origin: str, method: str) -> None:
    for path in ("/api/v1/studies", "/api/v1/studies/1", "/_dash-update-component", "/api/v1/runs/1/cancel"):
        answer = await api.request(method, path, json={}, headers={"origin": origin})
        assert answer.status_code == 403, path


async def test_reads_and_writes_of_its_own_origin_are_answered(api: httpx.AsyncClient) -> None:
    own = {"origin": "http://localhost"}
    assert (await api.get("/api/v1/healthz", headers=own)).status_code == 200
    assert (await api.post("/api/v1/studies", json={}, headers=own)).status_code == 422


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
async def test_only_json_is_read(api: httpx.AsyncClient, kind: str) -> None:
    answer = await api.post("/api/v1/studies", content=b"{}", headers={"content-type": kind})
    assert answer.status_code == 415


@pytest.mark.parametrize("origin", FOREIGN)
def test_websocket_handshakes_from_other_origins_are_refused(web: FastAPI, origin: str) -> None:
    client = TestClient(web, base_url="http://localhost")
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("/_dash-ws-callback", headers={"origin": origin, "host": "localhost"}),
    ):
        pass


def test_a_websocket_of_its_own_origin_is_accepted(web: FastAPI) -> None:
    client = TestClient(web, base_url="http://localhost")
    with client.websocket_connect("/_dash-ws-callback", headers={"origin": "http://localhost", "host": "localhost"}):
        pass


def test_a_websocket_under_another_host_is_refused(web: FastAPI) -> None:
    client = TestClient(web, base_url="http://localhost")
    headers = {"origin": "http://evil.example", "host": "evil.example"}
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/_dash-ws-callback", headers=headers):
        pass


async def test_every_answer_forbids_framing_and_other_hosts(api: httpx.AsyncClient) -> None:
    policy = (await api.get("/")).headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy.replace("https:", "")


def test_host_and_origin_readings() -> None:
    assert host_name("[::1]:8050") == "::1"
    assert host_name("localhost:notaport") == ""
    assert same_origin("http://localhost:8050", "localhost:8050")
    assert not same_origin("http://localhost:8051", "localhost:8050")
