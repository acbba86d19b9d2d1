"""The audit log by pages, one's own team's for administrators, all of it for operators."""

import httpx
import pytest
from fastapi import FastAPI

from app.services import audit
from app.services.callers import Caller
from tests.app.api.accounts import PASSWORD, client_of, logged_in, with_people

pytestmark = pytest.mark.anyio
API = "/api/v1"


@pytest.fixture
async def ada(web: FastAPI) -> httpx.AsyncClient:
    return await logged_in(with_people(web), "ada")


async def actions(client: httpx.AsyncClient, path: str = "audit", **filters: object) -> list[str]:
    answer = await client.get(f"{API}/{path}", params={name: str(value) for name, value in filters.items()})
    assert answer.status_code == 200, answer.text
    return [entry["action"] for entry in answer.json()["items"]]


async def test_entries_come_by_pages_newest_first(web: FastAPI, ada: httpx.AsyncClient) -> None:
    for number in range(5):
        audit.record(web.state.engine, Caller(1, "max", "member"), f"step_{number}")
    first = (await ada.get(f"{API}/audit", params={"limit": 3})).json()
    assert [entry["action"] for entry in first["items"]] == ["step_4", "step_3", "step_2"]
    rest = (await ada.get(f"{API}/audit", params={"cursor": first["next_cursor"]})).json()
    assert [entry["action"] for entry in rest["items"]] == ["step_1", "step_0", "log_in"]
    assert rest["next_cursor"] is None
    assert await actions(ada, user="max", action="step_2") == ["step_2"]
    assert (await ada.get(f"{API}/audit", params={"cursor": "x"})).status_code == 422


async def test_a_team_sees_its_own_and_an_operator_everything(web: FastAPI, ada: httpx.AsyncClient) -> None:
    async with client_of(web) as nobody:
        await nobody.post(f"{API}/auth/login", json={"name": "ada", "password": "wrong wooden boats"})
    await ada.post(f"{API}/teams", json={"slug": "vision"})
    audit.record(web.state.engine, Caller(2, "max", "member"), "elsewhere")
    assert await actions(ada) == ["create_team", "log_in"]
    assert await actions(ada, "audit/installation") == ["elsewhere", "create_team", "log_in_refused", "log_in"]
    refused = (await ada.get(f"{API}/audit/installation", params={"action": "log_in_refused"})).json()["items"][0]
    assert (refused["user"], refused["team"]) == (None, None)
    await ada.put(f"{API}/auth/team", json={"team": "vision"})
    assert await actions(ada) == ["elsewhere"]


async def test_changes_of_accounts_are_in_it(ada: httpx.AsyncClient) -> None:
    await ada.patch(f"{API}/team/members/vera", json={"role": "member"})
    await ada.patch(f"{API}/users/max", json={"disabled": True})
    await ada.post(f"{API}/tokens", json={"name": "ci"})
    assert await actions(ada) == ["create_token", "change_user", "change_role", "log_in"]
    entry = (await ada.get(f"{API}/audit", params={"action": "change_role"})).json()["items"][0]
    assert (entry["user"], entry["means"], entry["target"]) == ("ada", "session", "user vera")
    assert entry["detail"]["role"] == "member"


async def test_what_was_made_is_named_and_no_secret_is(ada: httpx.AsyncClient) -> None:
    await ada.post(f"{API}/users", json={"name": "kim", "password": PASSWORD, "role": "viewer"})
    await ada.post(f"{API}/teams", json={"slug": "vision"})
    await ada.post(f"{API}/teams/vision/members", json={"user": "kim", "role": "admin"})
    path = (await ada.post(f"{API}/invitations", json={"note": "for Lee"})).json()["path"]
    read = await ada.get(f"{API}/audit")
    told = [(entry["action"], entry["target"]) for entry in read.json()["items"]]
    assert told[:4] == [
        ("create_invitation", "invitations/1"),
        ("add_member", "team vision"),
        ("create_team", "teams/vision"),
        ("add_user", "users/kim"),
    ]
    assert read.json()["items"][1]["detail"] | {"user": "kim", "role": "admin"} == read.json()["items"][1]["detail"]
    assert path.rpartition("/")[2] not in read.text
    assert PASSWORD not in read.text
