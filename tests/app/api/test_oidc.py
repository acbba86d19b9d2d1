"""Logging in at an identity provider on loopback, and what must not let anybody in."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from app.api.gate import SESSION_COOKIE
from app.api.oidc import STATE_COOKIE
from app.db.identity import User
from app.db.session import system_session
from app.main import create_app
from app.services.accounts import users
from app.settings import Settings
from tests.app.api.accounts import client_of, logged_in, with_people
from tests.oidc_provider import CLIENT, SECRET, Provider

pytestmark = pytest.mark.anyio
API = "/api/v1"


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider().running() as running:
        yield running


def settings_for(settings: Settings, provider: Provider, **more: Any) -> Settings:
    client = {"oidc_issuer": provider.url, "oidc_client_id": CLIENT, "oidc_client_secret": SECRET}
    return Settings(home=settings.home, database_url=settings.database_url, **(client | {"oidc_role": "member"} | more))


@pytest.fixture
def app(settings: Settings, provider: Provider) -> Iterator[FastAPI]:
    made = with_people(create_app(settings_for(settings, provider)))
    yield made
    made.state.engine.dispose()


async def begin(browser: httpx.AsyncClient, **asked: str) -> str:
    """Where the provider sends the browser back to."""
    answer = await browser.get("/auth/oidc/login", params=asked)
    assert answer.status_code == 303, answer.text
    async with httpx.AsyncClient() as outside:
        return str((await outside.get(answer.headers["location"])).headers["location"])


async def log_in(browser: httpx.AsyncClient, **asked: str) -> httpx.Response:
    return await browser.get(await begin(browser, **asked))


async def test_the_door_leads_to_the_provider_and_back(app: FastAPI, provider: Provider) -> None:
    async with client_of(app) as browser:
        assert "/auth/oidc/login?next=%2Fstudies%2F3" in (await browser.get("/login?next=/studies/3")).text
        answer = await log_in(browser, next="/studies/3")
        assert (answer.status_code, answer.headers["location"]) == (303, "/studies/3")
        told = (await browser.get(f"{API}/auth/session")).json()
        assert (told["user"], told["role"], told["operator"]) == ("kim", "member", False)
    async with client_of(app) as later:
        await log_in(later)
        assert (await later.get(f"{API}/auth/session")).json()["user"] == "kim"


async def test_what_is_asked_of_the_provider_is_bound_to_the_browser(app: FastAPI, provider: Provider) -> None:
    async with client_of(app) as browser:
        answer = await browser.get("/auth/oidc/login")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}
    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == "http://localhost/auth/oidc/callback"
    assert len(asked["state"]) >= 32
    assert len(asked["nonce"]) >= 32
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith(STATE_COOKIE)
    for mark in ("httponly", "samesite=lax", "max-age=600", "path=/auth/oidc"):
        assert mark in cookie
    assert SECRET not in answer.headers["location"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"claims": {"nonce": "another"}},
        {"claims": {"nonce": None}},
        {"claims": {"aud": "another client"}},
        {"claims": {"aud": [CLIENT, "another client"]}},
        {"claims": {"aud": [CLIENT], "azp": "another client"}},
        {"claims": {"iss": "http://127.0.0.1:1"}},
        {"claims": {"exp": 1_000_000_000}},
        {"claims": {"exp": None}},
        {"claims": {"iat": 4_000_000_000}},
        {"claims": {"sub": None}},
        {"claims": {"sub": ""}},
        {"claims": {"sub": "a\u0000b"}},
        {"foreign_key": True},
        {"algorithm": "none"},
        {"algorithm": "HS256"},
        {"issuer_told": "http://127.0.0.1:1"},
        {"token_endpoint": "http://192.0.2.1/token"},
    ],
    ids=str,
)
async def test_an_answer_that_is_not_to_be_trusted_opens_nothing(
    app: FastAPI, provider: Provider, wrong: dict[str, Any]
) -> None:
    async with client_of(app) as browser:
        address = await begin(browser)
        for name, value in wrong.items():
            setattr(provider, name, value)
        answer = await browser.get(address)
        assert answer.status_code in (403, 503)
        assert SESSION_COOKIE not in answer.cookies
        assert (await browser.get(f"{API}/studies")).status_code == 401
    with system_session(app.state.engine) as session:
        assert session.scalar(select(User).where(User.oidc_subject.is_not(None))) is None


async def test_a_redirect_of_the_provider_is_not_followed(app: FastAPI, provider: Provider) -> None:
    async with client_of(app) as browser:
        address = await begin(browser)
        provider.token_endpoint = f"{provider.url}/moved"
        assert (await browser.get(address)).status_code in (403, 503)
    assert "/elsewhere" not in provider.requests


async def test_another_browser_cannot_finish_what_one_began(app: FastAPI, provider: Provider) -> None:
    async with client_of(app) as victim, client_of(app) as attacker:
        address = await begin(attacker)
        assert (await victim.get(address)).status_code == 403
        await begin(victim)
        assert (await victim.get(address)).status_code == 403
        assert (await victim.get(f"{API}/studies")).status_code == 401


async def test_the_same_answer_opens_once(app: FastAPI, provider: Provider) -> None:
    async with client_of(app) as browser:
        address = await begin(browser)
        kept = browser.cookies[STATE_COOKIE]
        assert (await browser.get(address)).status_code == 303
        assert STATE_COOKIE not in browser.cookies
    async with client_of(app) as again:
        assert (await again.get(address)).status_code == 403
        again.cookies.set(STATE_COOKIE, kept)
        assert (await again.get(address)).status_code == 403
        assert (await again.get(f"{API}/studies")).status_code == 401


@pytest.mark.parametrize("forged", ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.eyJzdGF0ZSI6IngifQ."])
async def test_a_forged_cookie_finishes_nothing(app: FastAPI, provider: Provider, forged: str) -> None:
    async with client_of(app) as browser:
        browser.cookies.set(STATE_COOKIE, forged)
        assert (await browser.get("/auth/oidc/callback?code=x&state=x")).status_code == 403


async def test_a_name_or_mail_takes_no_account_over(app: FastAPI, provider: Provider) -> None:
    provider.person = {"sub": "1", "preferred_username": "ADA", "email": "ada"}
    async with client_of(app) as browser:
        await log_in(browser)
        told = (await browser.get(f"{API}/auth/session")).json()
    assert (told["user"], told["operator"], told["role"]) == ("ada-2", False, "member")


@pytest.mark.parametrize(
    ("wish", "name"), [("Kim@Example.org", "kim@example.org"), ("\u202e<b>", "b"), ("", "user"), ("李", "user")]
)
async def test_a_strange_name_becomes_a_plain_one(app: FastAPI, provider: Provider, wish: str, name: str) -> None:
    provider.person = {"sub": "1", "preferred_username": wish}
    async with client_of(app) as browser:
        await log_in(browser)
        told = (await browser.get(f"{API}/auth/session")).json()["user"]
    assert told == (name if len(name) > 1 else "user")


@pytest.mark.parametrize("next", ["//evil.example", "https://evil.example", "/\\evil.example"])
async def test_it_leads_nowhere_else(app: FastAPI, provider: Provider, next: str) -> None:
    async with client_of(app) as browser:
        assert (await log_in(browser, next=next)).headers["location"] == "/"


async def test_a_disabled_user_stays_out(app: FastAPI, provider: Provider) -> None:
    async with client_of(app) as browser:
        await log_in(browser)
        users.disable_user(app.state.engine, "kim")
        assert (await log_in(browser)).status_code == 403


async def test_without_a_role_for_everybody_an_invitation_is_needed(settings: Settings, provider: Provider) -> None:
    app = with_people(create_app(settings_for(settings, provider, oidc_role=None)))
    ada = await logged_in(app, "ada")
    path = (await ada.post(f"{API}/invitations", json={"role": "viewer"})).json()["path"]
    async with client_of(app) as browser:
        assert (await log_in(browser)).status_code == 403
        assert "/auth/oidc/login?invitation=" in (await browser.get(path)).text
        assert (await log_in(browser, invitation="never-was")).status_code == 404
        assert (await log_in(browser, invitation=path.rpartition("/")[2])).status_code == 303
        told = (await browser.get(f"{API}/auth/session")).json()
        assert (told["user"], told["role"]) == ("kim", "viewer")
        assert (await log_in(browser)).status_code == 303
    assert (await ada.get(f"{API}/invitations")).json()["items"][0]["used_by"] == "kim"
    app.state.engine.dispose()


async def test_nobody_becomes_the_first_user_that_way(settings: Settings, provider: Provider) -> None:
    app = create_app(settings_for(settings, provider))
    async with client_of(app) as browser:
        assert (await log_in(browser)).status_code == 403
        assert (await browser.get(f"{API}/auth/session")).json()["accounts"] is False
    app.state.engine.dispose()


async def test_where_no_provider_is_named_there_is_none(web: FastAPI) -> None:
    with_people(web)
    async with client_of(web) as browser:
        assert "oidc" not in (await browser.get("/login")).text
        for path in ("login", "callback"):
            assert (await browser.get(f"/auth/oidc/{path}")).status_code == 404


async def test_a_provider_that_is_away_is_told(settings: Settings, provider: Provider) -> None:
    app = with_people(create_app(settings_for(settings, provider, oidc_issuer="http://127.0.0.1:9")))
    async with client_of(app) as browser:
        assert (await browser.get("/auth/oidc/login")).status_code == 503
    app.state.engine.dispose()
