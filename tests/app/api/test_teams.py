"""Teams and their members: roles count at once, one administrator stays, other teams' members are nobody."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from app.errors import Conflict
from app.services.accounts import teams, users
from app.services.callers import Caller
from tests.app.api.accounts import PASSWORD, logged_in, with_people
from tests.databases import on_both_databases

pytestmark = pytest.mark.anyio
API = "/api/v1"


@pytest.fixture
async def ada(web: FastAPI) -> httpx.AsyncClient:
    return await logged_in(with_people(web), "ada")


async def test_an_operator_makes_a_team_and_brings_somebody_in(web: FastAPI, ada: httpx.AsyncClient) -> None:
    assert (await ada.post(f"{API}/teams", json={"slug": "Vision "})).json()["slug"] == "vision"
    assert (await ada.post(f"{API}/teams", json={"slug": "vision"})).status_code == 409
    added = await ada.post(f"{API}/teams/vision/members", json={"user": "vera", "role": "member"})
    assert (added.status_code, added.json()["role"]) == (201, "member")
    listed = (await ada.get(f"{API}/teams")).json()["items"]
    assert listed == [{"slug": "local", "members": 3, "admins": 1}, {"slug": "vision", "members": 2, "admins": 1}]
    vera = await logged_in(web, "vera")
    chosen = await vera.put(f"{API}/auth/team", json={"team": "vision"})
    assert (chosen.json()["team"], chosen.json()["role"]) == ("vision", "member")
    assert {member["user"] for member in (await vera.get(f"{API}/team/members")).json()["items"]} == {"ada", "vera"}


@pytest.mark.parametrize("slug", ["", "a", "Ünïcode", "a b", "-a", "a\0b", "a\u202eb", "a" * 64])
async def test_what_cannot_name_a_team_is_refused(ada: httpx.AsyncClient, slug: str) -> None:
    assert (await ada.post(f"{API}/teams", json={"slug": slug})).status_code == 422


async def test_a_role_counts_at_once(web: FastAPI, ada: httpx.AsyncClient) -> None:
    vera = await logged_in(web, "vera")
    assert (await vera.post(f"{API}/studies", json={})).status_code == 403
    assert (await ada.patch(f"{API}/team/members/Vera", json={"role": "member"})).json()["role"] == "member"
    assert (await vera.post(f"{API}/studies", json={})).status_code == 422
    await ada.patch(f"{API}/team/members/vera", json={"role": "viewer"})
    assert (await vera.post(f"{API}/studies", json={})).status_code == 403


async def test_who_is_removed_is_out_at_once(web: FastAPI, ada: httpx.AsyncClient) -> None:
    maximilian = await logged_in(web, "max")
    secret = (await maximilian.post(f"{API}/tokens", json={"name": "ci", "scope": "write"})).json()["secret"]
    bearer = {"authorization": f"Bearer {secret}"}
    assert (await httpx_get(web, bearer)).status_code == 200
    assert (await ada.delete(f"{API}/team/members/max")).status_code == 204
    assert (await maximilian.get(f"{API}/studies")).status_code == 401
    assert (await httpx_get(web, bearer)).status_code == 401


async def httpx_get(web: FastAPI, headers: dict[str, str]) -> httpx.Response:
    transport = httpx.ASGITransport(app=web)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as program:
        return await program.get(f"{API}/studies")


async def test_one_administrator_always_stays(ada: httpx.AsyncClient) -> None:
    assert (await ada.patch(f"{API}/team/members/ada", json={"role": "member"})).status_code == 409
    assert (await ada.delete(f"{API}/team/members/ada")).status_code == 409
    demoted = await ada.post(f"{API}/teams/local/members", json={"user": "ada", "role": "viewer"})
    assert demoted.status_code == 409


async def test_members_of_another_team_are_as_absent_as_nobody(ada: httpx.AsyncClient) -> None:
    await ada.post(f"{API}/teams", json={"slug": "vision"})
    await ada.put(f"{API}/auth/team", json={"team": "vision"})
    for name in ("max", "nobody"):
        for answer in (
            await ada.patch(f"{API}/team/members/{name}", json={"role": "viewer"}),
            await ada.delete(f"{API}/team/members/{name}"),
        ):
            assert (answer.status_code, answer.json()["detail"]) == (404, f"Your team has no member {name!r}.")


@pytest.mark.parametrize("name", ["max", "vera"])
async def test_who_administers_nothing_looks_only(web: FastAPI, ada: httpx.AsyncClient, name: str) -> None:
    other = await logged_in(web, name)
    assert len((await other.get(f"{API}/team/members")).json()["items"]) == 3
    assert (await other.patch(f"{API}/team/members/{name}", json={"role": "admin"})).status_code == 403
    assert (await other.delete(f"{API}/team/members/ada")).status_code == 403
    for path in ("invitations", "audit"):
        assert (await other.get(f"{API}/{path}")).status_code == 403


@on_both_databases
def test_of_two_administrators_who_step_down_at_once_one_stays(engine: Engine) -> None:
    users.add_user(engine, "ada", PASSWORD, operator=True, role="admin")
    users.add_user(engine, "bob", PASSWORD, operator=True, role="admin")
    ada = Caller(1, "ada", "admin", user_id=1)

    def step_down(name: str) -> bool:
        try:
            teams.set_role(engine, ada, name, "viewer")
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(step_down, ("ada", "bob"))) == [False, True]
    assert [member.role for member in teams.members(engine, ada)].count("admin") == 1
