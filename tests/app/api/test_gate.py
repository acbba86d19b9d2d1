"""Nobody unknown gets in: local mode with and without a key, accounts, tokens, cookies and what a page may do."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, select
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from app.api.gate import LOGGED_OUT, SESSION_COOKIE
from app.client import ApiProblem, AtlasClient
from app.db.identity import AuditEntry
from app.db.session import system_session
from app.main import create_app
from app.services.accounts import first_visit, tokens, users
from app.services.callers import Caller
from app.settings import Settings

pytestmark = pytest.mark.anyio

PASSWORD = "three old wooden boats"
ORIGIN = {"origin": "http://localhost"}


def client_of(app: FastAPI, **headers: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers)


@pytest.fixture
def accounts(web: FastAPI) -> FastAPI:
    """The application with an operator and a viewer."""
    engine: Engine = web.state.engine
    users.add_user(engine, "ada", PASSWORD, operator=True, role="admin")
    users.add_user(engine, "vera", PASSWORD, role="viewer")
    return web


@pytest.fixture
async def anonymous(accounts: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(accounts) as client:
        yield client


async def log_in(client: httpx.AsyncClient, name: str) -> dict[str, object]:
    answer = await client.post("/api/v1/auth/login", json={"name": name, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    told: dict[str, object] = answer.json()
    return told


async def test_without_accounts_and_key_whoever_is_here_is_the_local_user(api: httpx.AsyncClient) -> None:
    told = (await api.get("/api/v1/auth/session")).json()
    assert (told["accounts"], told["user"], told["operator"]) == (False, "local user", True)


async def test_the_first_account_closes_the_door(web: FastAPI) -> None:
    async with client_of(web) as client:
        assert (await client.get("/api/v1/studies")).status_code == 200
        users.add_user(web.state.engine, "ada", PASSWORD, operator=True, role="admin")
        async with client_of(web) as later:
            later.headers["authorization"] = "Bearer x"
            assert (await later.get("/api/v1/studies")).status_code == 401


@pytest.mark.parametrize(
    "path",
    ["/api/v1/studies", "/api/v1/nothing", "/api/openapi.json", "/api/docs", "/_dash-layout", "/_dash-dependencies"],
)
async def test_nobody_is_told_anything(anonymous: httpx.AsyncClient, path: str) -> None:
    answer = await anonymous.get(path)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/", "/studies/1", "/nowhere?x=1"])
async def test_a_browser_is_led_to_the_door(anonymous: httpx.AsyncClient, path: str) -> None:
    answer = await anonymous.get(path, headers={"accept": "text/html"})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login?next=%2F")


async def test_what_is_open_needs_nobody(anonymous: httpx.AsyncClient) -> None:
    for path in ("/api/v1/healthz", "/api/v1/readyz", "/login", "/assets/door.css", "/assets/favicon.svg"):
        assert (await anonymous.get(path)).status_code == 200, path


async def test_a_session_opens_api_and_pages_until_its_end(anonymous: httpx.AsyncClient) -> None:
    told = await log_in(anonymous, "ada")
    assert (told["user"], told["role"], told["operator"], told["team"]) == ("ada", "admin", True, "local")
    assert (await anonymous.get("/api/v1/studies")).status_code == 200
    assert (await anonymous.get("/", headers={"accept": "text/html"})).status_code == 200
    kept = dict(anonymous.cookies)
    assert (await anonymous.post("/api/v1/auth/logout", headers=ORIGIN)).status_code == 204
    anonymous.cookies.update(kept)
    assert (await anonymous.get("/api/v1/studies")).status_code == 401


async def test_the_cookie_is_hidden_from_scripts_and_other_sites(anonymous: httpx.AsyncClient) -> None:
    answer = await anonymous.post("/api/v1/auth/login", json={"name": "ADA ", "password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith(SESSION_COOKIE)
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


@pytest.mark.parametrize(("name", "password"), [("ada", "wrong wooden boats"), ("nobody", PASSWORD), ("nobody", "x")])
async def test_what_is_wrong_is_not_told(anonymous: httpx.AsyncClient, name: str, password: str) -> None:
    answer = await anonymous.post("/api/v1/auth/login", json={"name": name, "password": password})
    assert answer.status_code == 401
    assert answer.json()["detail"] == "The name or the password is wrong."
    assert "set-cookie" not in answer.headers


async def test_a_write_with_a_cookie_must_come_from_our_page(anonymous: httpx.AsyncClient) -> None:
    csrf = str((await log_in(anonymous, "ada"))["csrf_token"])
    body = {"name": "x", "document": {}}
    assert (await anonymous.post("/api/v1/templates", json=body)).status_code == 403
    assert (await anonymous.post("/api/v1/templates", json=body, headers={"x-csrf-token": "x"})).status_code == 403
    assert (await anonymous.post("/api/v1/templates", json=body, headers={"x-csrf-token": csrf})).status_code == 422
    assert (await anonymous.post("/api/v1/templates", json=body, headers=ORIGIN)).status_code == 422


async def test_a_viewer_looks_and_changes_nothing(anonymous: httpx.AsyncClient) -> None:
    await log_in(anonymous, "vera")
    assert (await anonymous.get("/api/v1/studies")).status_code == 200
    assert (await anonymous.post("/api/v1/studies", json={}, headers=ORIGIN)).status_code == 403
    assert (await anonymous.get("/api/v1/system")).status_code == 403


@pytest.mark.parametrize(
    ("scope", "reading", "writing", "operating"),
    [("read", 200, 403, 200), ("write", 200, 422, 403), ("admin", 200, 422, 200)],
)
async def test_a_tokens_scope_caps_its_user(
    accounts: FastAPI, scope: tokens.Scope, reading: int, writing: int, operating: int
) -> None:
    ada = Caller(1, "ada", "admin", operator=True, user_id=1)
    _, secret = tokens.create_token(accounts.state.engine, ada, "ci", scope, None)
    async with client_of(accounts, authorization=f"Bearer {secret}") as client:
        assert (await client.get("/api/v1/studies")).status_code == reading
        assert (await client.post("/api/v1/studies", json={})).status_code == writing
        assert (await client.get("/api/v1/system")).status_code == operating


async def test_a_revoked_token_opens_nothing(accounts: FastAPI) -> None:
    ada = Caller(1, "ada", "admin", operator=True, user_id=1)
    token_id, secret = tokens.create_token(accounts.state.engine, ada, "ci", "read", None)
    tokens.revoke_token(accounts.state.engine, ada, token_id)
    async with client_of(accounts, authorization=f"Bearer {secret}") as client:
        assert (await client.get("/api/v1/studies")).status_code == 401


async def test_a_page_that_only_shows_cannot_write(accounts: FastAPI) -> None:
    async with client_of(accounts) as client:
        await log_in(client, "ada")
        cookies = dict(client.cookies)
    shows, acts = (AtlasClient.in_process(accounts, cookies, may_write=may) for may in (False, True))
    assert (await shows.who_am_i()).read_only
    with pytest.raises(ApiProblem) as refusal:
        await shows.keep_template(
            "x", {"base_model": "minilm", "name": "x", "task": "tweets", "methods": [{"method": "lora"}]}
        )
    assert refusal.value.status == 403
    await acts.keep_template(
        "x", {"base_model": "minilm", "name": "x", "task": "tweets", "methods": [{"method": "lora"}]}
    )


async def test_writes_are_in_the_audit_log(accounts: FastAPI) -> None:
    async with client_of(accounts) as client:
        await log_in(client, "ada")
        await client.delete("/api/v1/templates/7", headers=ORIGIN)
        document = {"base_model": "minilm", "name": "x", "task": "tweets", "methods": [{"method": "lora"}]}
        kept = await client.post("/api/v1/templates", json={"name": "x", "document": document}, headers=ORIGIN)
        assert kept.status_code == 201, kept.text
    with system_session(accounts.state.engine) as session:
        told = [(entry.user, entry.means, entry.action) for entry in session.scalars(select(AuditEntry))]
    assert told == [("ada", "session", "log_in"), ("ada", "session", "keep_template")]


def test_a_websocket_needs_a_session_and_ends_with_it(accounts: FastAPI) -> None:
    client = TestClient(accounts, base_url="http://localhost")
    socket = {"origin": "http://localhost", "host": "localhost"}
    for path in ("/_live", "/_dash-ws-callback"):
        with pytest.raises(WebSocketDisconnect), client.websocket_connect(path, headers=socket):
            pass
    client.post("/api/v1/auth/login", json={"name": "ada", "password": PASSWORD})
    socket["cookie"] = f"{SESSION_COOKIE}={client.cookies[SESSION_COOKIE]}"
    with client.websocket_connect("/_live", headers=socket) as live:
        users.disable_user(accounts.state.engine, "vera")
        users.set_password(accounts.state.engine, "ada", "four new wooden boats")
        with pytest.raises(WebSocketDisconnect) as closed:
            live.receive_json()
    assert closed.value.code == LOGGED_OUT


@pytest.fixture
def keyed(settings: Settings) -> Iterator[tuple[FastAPI, str]]:
    app = create_app(settings.model_copy(update={"require_key": True}))
    yield app, first_visit.first_visit_key(settings.home_folder)
    app.state.engine.dispose()


async def test_the_first_visit_key_opens_a_shared_machine(keyed: tuple[FastAPI, str], settings: Settings) -> None:
    app, key = keyed
    file = Path(settings.home_folder / first_visit.FILE)
    assert file.stat().st_mode & 0o777 == 0o600
    async with client_of(app) as client:
        assert (await client.get("/api/v1/studies")).status_code == 401
        assert (await client.get("/api/v1/healthz")).status_code == 200
        assert (await client.get("/login", params={"key": "x" * 43})).status_code == 401
        answer = await client.get("/login", params={"key": key, "next": "/studies/3"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/studies/3")
        assert "httponly" in answer.headers["set-cookie"].lower()
        assert key not in answer.headers["set-cookie"]
        assert (await client.get("/api/v1/studies")).status_code == 200
        assert (await client.post("/api/v1/studies", json={})).status_code == 403
        assert (await client.post("/api/v1/studies", json={}, headers=ORIGIN)).status_code == 422
    async with client_of(app, authorization=f"Bearer {key}") as program:
        assert (await program.post("/api/v1/studies", json={})).status_code == 422


@pytest.mark.parametrize(
    "next", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/\r\nx"]
)
async def test_the_door_leads_nowhere_else(keyed: tuple[FastAPI, str], next: str) -> None:
    app, key = keyed
    async with client_of(app) as client:
        answer = await client.get("/login", params={"key": key, "next": next})
    assert answer.headers["location"] == "/"
