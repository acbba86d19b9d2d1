"""API tokens are made and revoked by people, shown once, and never do more than their user."""

import httpx
import pytest
from fastapi import FastAPI

from tests.app.api.accounts import client_of, logged_in, with_people

pytestmark = pytest.mark.anyio
API = "/api/v1"


@pytest.fixture
async def max_(web: FastAPI) -> httpx.AsyncClient:
    return await logged_in(with_people(web), "max")


async def make(client: httpx.AsyncClient, **entry: object) -> dict[str, object]:
    answer = await client.post(f"{API}/tokens", json={"name": "ci"} | entry)
    assert answer.status_code == 201, answer.text
    told: dict[str, object] = answer.json()
    return told


async def test_a_token_is_shown_once_and_opens_until_it_is_revoked(web: FastAPI, max_: httpx.AsyncClient) -> None:
    made = await make(max_, scope="write", days=1)
    secret, token = str(made["secret"]), made["token"]
    assert isinstance(token, dict)
    listed = await max_.get(f"{API}/tokens")
    assert listed.json()["items"] == [token]
    assert secret not in listed.text
    async with client_of(web, authorization=f"Bearer {secret}") as program:
        assert (await program.post(f"{API}/studies", json={})).status_code == 422
        assert (await max_.delete(f"{API}/tokens/{token['id']}")).status_code == 204
        assert (await program.get(f"{API}/studies")).status_code == 401
    assert (await max_.get(f"{API}/tokens")).json()["items"][0]["state"] == "revoked"


async def test_a_viewers_token_writes_nothing(web: FastAPI, max_: httpx.AsyncClient) -> None:
    vera = await logged_in(web, "vera")
    made = await make(vera, scope="admin")
    async with client_of(web, authorization=f"Bearer {made['secret']}") as program:
        assert (await program.get(f"{API}/studies")).status_code == 200
        assert (await program.post(f"{API}/studies", json={})).status_code == 403


async def test_a_token_makes_revokes_and_logs_out_nothing(web: FastAPI, max_: httpx.AsyncClient) -> None:
    for scope in ("read", "write", "admin"):
        made = await make(max_, scope=scope)
        async with client_of(web, authorization=f"Bearer {made['secret']}") as program:
            assert (await program.post(f"{API}/tokens", json={"name": "more"})).status_code == 403
            assert (await program.delete(f"{API}/tokens/1")).status_code == 403
            assert (await program.post(f"{API}/auth/logout-everywhere")).status_code == 403
            changed = await program.post(f"{API}/auth/password", json={"present": "x", "new": "y"})
            assert changed.status_code == 403


async def test_an_administrator_sees_the_teams_tokens_and_others_their_own(
    web: FastAPI, max_: httpx.AsyncClient
) -> None:
    await make(max_)
    ada, vera = await logged_in(web, "ada"), await logged_in(web, "vera")
    assert [one["user"] for one in (await ada.get(f"{API}/tokens")).json()["items"]] == ["max"]
    assert (await vera.get(f"{API}/tokens")).json()["items"] == []
    theirs, absent = await vera.delete(f"{API}/tokens/1"), await vera.delete(f"{API}/tokens/9")
    assert (theirs.status_code, absent.status_code) == (404, 404)
    assert (await ada.delete(f"{API}/tokens/1")).status_code == 204


@pytest.mark.parametrize("entry", [{"name": ""}, {"name": " "}, {"name": "a\0"}, {"scope": "root"}, {"days": 0}])
async def test_what_cannot_be_a_token_is_refused(max_: httpx.AsyncClient, entry: dict[str, object]) -> None:
    assert (await max_.post(f"{API}/tokens", json={"name": "ci"} | entry)).status_code == 422


async def test_without_accounts_there_are_no_tokens(api: httpx.AsyncClient) -> None:
    assert (await api.post(f"{API}/tokens", json={"name": "ci"})).status_code == 403
    assert (await api.get(f"{API}/tokens")).json()["items"] == []


async def test_logging_out_everywhere_ends_every_session_and_no_token(web: FastAPI, max_: httpx.AsyncClient) -> None:
    made, other = await make(max_), await logged_in(web, "max")
    assert (await other.post(f"{API}/auth/logout-everywhere")).status_code == 204
    for client in (max_, other):
        assert (await client.get(f"{API}/studies")).status_code == 401
    async with client_of(web, authorization=f"Bearer {made['secret']}") as program:
        assert (await program.get(f"{API}/studies")).status_code == 200
