"""Operators make, disable and let in users; one operator always stays."""

import httpx
import pytest
from fastapi import FastAPI

from tests.app.api.accounts import PASSWORD, client_of, logged_in, with_people

pytestmark = pytest.mark.anyio
API = "/api/v1"


@pytest.fixture
async def ada(web: FastAPI) -> httpx.AsyncClient:
    return await logged_in(with_people(web), "ada")


async def test_an_operator_makes_a_user_who_logs_in(web: FastAPI, ada: httpx.AsyncClient) -> None:
    made = await ada.post(f"{API}/users", json={"name": "Kim", "password": PASSWORD, "role": "viewer"})
    assert made.status_code == 201, made.text
    assert made.json()["name"] == "kim"
    assert made.json()["teams"] == [{"name": "local", "role": "viewer"}]
    assert [user["name"] for user in (await ada.get(f"{API}/users")).json()["items"]] == ["ada", "kim", "max", "vera"]
    kim = await logged_in(web, "KIM")
    assert (await kim.get(f"{API}/auth/session")).json()["role"] == "viewer"
    assert "password" not in made.text


@pytest.mark.parametrize(
    ("entry", "status"),
    [
        ({"name": "MAX", "password": PASSWORD}, 409),
        ({"name": "a\0b", "password": PASSWORD}, 422),
        ({"name": "a\u202eb", "password": PASSWORD}, 422),
        ({"name": "a\nb", "password": PASSWORD}, 422),
        ({"name": "kim", "password": "short"}, 422),
        ({"name": "kim", "password": "kim kim kim kim kim"}, 422),
        ({"name": "kim", "password": PASSWORD, "team": "nowhere"}, 404),
    ],
)
async def test_what_cannot_be_a_user_is_refused(ada: httpx.AsyncClient, entry: dict[str, str], status: int) -> None:
    answer = await ada.post(f"{API}/users", json=entry)
    assert answer.status_code == status
    assert len((await ada.get(f"{API}/users")).json()["items"]) == 3


async def test_a_disabled_user_is_out_at_once_and_comes_back(web: FastAPI, ada: httpx.AsyncClient) -> None:
    vera = await logged_in(web, "vera")
    assert (await vera.get(f"{API}/studies")).status_code == 200
    told = await ada.patch(f"{API}/users/vera", json={"disabled": True})
    assert told.json()["disabled"]
    assert (await vera.get(f"{API}/studies")).status_code == 401
    refused = await client_of(web).post(f"{API}/auth/login", json={"name": "vera", "password": PASSWORD})
    assert (refused.status_code, refused.json()["detail"]) == (401, "The name or the password is wrong.")
    await ada.patch(f"{API}/users/vera", json={"disabled": False})
    assert (await vera.get(f"{API}/studies")).status_code == 401
    await logged_in(web, "vera")


async def test_one_operator_always_stays(web: FastAPI, ada: httpx.AsyncClient) -> None:
    for change in ({"disabled": True}, {"operator": False}):
        assert (await ada.patch(f"{API}/users/ada", json=change)).status_code == 409
    assert (await ada.patch(f"{API}/users/max", json={"operator": True})).json()["operator"]
    assert (await ada.patch(f"{API}/users/ada", json={"operator": False})).status_code == 200
    assert (await ada.get(f"{API}/users")).status_code == 403


@pytest.mark.parametrize("name", ["max", "vera"])
async def test_nobody_else_may(web: FastAPI, ada: httpx.AsyncClient, name: str) -> None:
    other = await logged_in(web, name)
    for path in ("users", "teams", "audit/installation"):
        assert (await other.get(f"{API}/{path}")).status_code == 403
    assert (await other.post(f"{API}/users", json={"name": "kim", "password": PASSWORD})).status_code == 403
    assert (await other.patch(f"{API}/users/{name}", json={"operator": True})).status_code == 403
    assert (await other.post(f"{API}/teams", json={"slug": "other"})).status_code == 403


async def test_an_absent_user(ada: httpx.AsyncClient) -> None:
    assert (await ada.patch(f"{API}/users/nobody", json={"disabled": True})).status_code == 404
    assert (await ada.patch(f"{API}/users/nobody", json={})).status_code == 404


async def test_without_accounts_the_first_is_made_by_command(api: httpx.AsyncClient) -> None:
    answer = await api.post(f"{API}/users", json={"name": "kim", "password": PASSWORD})
    assert answer.status_code == 403
    assert "peft-atlas user add NAME --operator" in answer.json()["detail"]
    assert (await api.get(f"{API}/auth/session")).json()["accounts"] is False
