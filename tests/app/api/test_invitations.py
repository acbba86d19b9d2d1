"""An invitation lets one person join, once; whatever is wrong with one gives the same answer."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, update

from app.api.gate import SESSION_COOKIE
from app.db.identity import Invitation
from app.db.session import system_session
from app.errors import NotFound
from app.schemas import InvitationEntry
from app.services.accounts import invitations, teams, users
from app.services.accounts.secrets import now
from app.services.callers import Caller
from tests.app.api.accounts import PASSWORD, client_of, logged_in, with_people
from tests.databases import on_both_databases

pytestmark = pytest.mark.anyio
API = "/api/v1"


@pytest.fixture
async def ada(web: FastAPI) -> httpx.AsyncClient:
    return await logged_in(with_people(web), "ada")


async def invite(ada: httpx.AsyncClient, **entry: object) -> tuple[int, str]:
    answer = await ada.post(f"{API}/invitations", json=entry)
    assert answer.status_code == 201, answer.text
    return answer.json()["invitation"]["id"], answer.json()["path"]


async def test_somebody_new_joins_once(web: FastAPI, ada: httpx.AsyncClient) -> None:
    number, path = await invite(ada, role="viewer", note="for Kim", days=1)
    async with client_of(web) as kim:
        page = await kim.get(path)
        assert page.status_code == 200
        assert "Join the team local" in page.text
        assert page.headers["cache-control"] == "no-store"
        answer = await kim.post(path, data={"name": "Kim", "password": PASSWORD})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        told = (await kim.get(f"{API}/auth/session")).json()
        assert (told["user"], told["role"]) == ("kim", "viewer")
    async with client_of(web) as other:
        again = await other.post(path, data={"name": "lee", "password": PASSWORD})
        assert again.status_code == 404
        assert SESSION_COOKIE not in again.cookies
    listed = (await ada.get(f"{API}/invitations")).json()["items"]
    assert [(one["id"], one["state"], one["used_by"]) for one in listed] == [(number, "used", "kim")]
    assert path.rpartition("/")[2] not in (await ada.get(f"{API}/invitations")).text
    entries = (await ada.get(f"{API}/audit", params={"user": "kim"})).json()["items"]
    assert "accept_invitation" in [entry["action"] for entry in entries]


async def test_what_is_wrong_with_a_link_is_not_told(web: FastAPI, ada: httpx.AsyncClient) -> None:
    (revoked, first), (expired, second), (_, used) = [await invite(ada) for _ in range(3)]
    assert (await ada.delete(f"{API}/invitations/{revoked}")).status_code == 204
    with system_session(web.state.engine) as session:
        session.execute(update(Invitation).where(Invitation.id == expired).values(expires_at=now() - timedelta(1)))
    async with client_of(web) as kim:
        await kim.post(used, data={"name": "kim", "password": PASSWORD})
    told = set()
    async with client_of(web) as other:
        for path in (first, second, used, "/invitations/never-was"):
            shown, sent = await other.get(path), await other.post(path, data={"name": "lee", "password": PASSWORD})
            assert (shown.status_code, sent.status_code) == (404, 404)
            told |= {shown.text, sent.text}
    assert len(told) == 1


@pytest.mark.parametrize(
    ("name", "password", "status"),
    [("max", PASSWORD, 409), ("kim", "short", 422), ("<b>x", PASSWORD, 422), ("k\u202em", PASSWORD, 422)],
)
async def test_a_refusal_leaves_the_invitation_open(
    web: FastAPI, ada: httpx.AsyncClient, name: str, password: str, status: int
) -> None:
    _, path = await invite(ada)
    async with client_of(web) as kim:
        answer = await kim.post(path, data={"name": name, "password": password})
        assert answer.status_code == status
        assert "<b>x" not in answer.text
        assert (await kim.post(path, data={"name": "kim", "password": PASSWORD})).status_code == 303


async def test_with_an_account_one_joins_another_team(web: FastAPI, ada: httpx.AsyncClient) -> None:
    await ada.post(f"{API}/teams", json={"slug": "vision"})
    await ada.put(f"{API}/auth/team", json={"team": "vision"})
    (_, path), (_, second) = await invite(ada, role="member"), await invite(ada)
    vera = await logged_in(web, "vera")
    assert "Join as vera" in (await vera.get(path)).text
    foreign = await vera.post(path, data={"who": "present"}, headers={"origin": ""})
    assert foreign.status_code == 403
    assert (await vera.post(path, data={"who": "present"})).status_code == 303
    told = (await vera.get(f"{API}/auth/session")).json()
    assert (told["team"], told["role"], len(told["teams"])) == ("vision", "member", 2)
    assert (await vera.post(second, data={"who": "present"})).status_code == 409


async def test_who_belongs_nowhere_any_more_joins_with_name_and_password(web: FastAPI, ada: httpx.AsyncClient) -> None:
    await ada.delete(f"{API}/team/members/max")
    _, path = await invite(ada, role="viewer")
    async with client_of(web) as client:
        refused = await client.post(f"{API}/auth/login", json={"name": "max", "password": PASSWORD})
        assert refused.status_code == 403
        wrong = await client.post(path, data={"who": "old", "name": "max", "password": "wrong wooden boats"})
        assert wrong.status_code == 401
        assert (await client.post(path, data={"who": "old", "name": "max", "password": PASSWORD})).status_code == 303
        assert (await client.get(f"{API}/auth/session")).json()["role"] == "viewer"


@pytest.mark.parametrize("entry", [{"days": 31}, {"days": 0}, {"role": "owner"}, {"note": "a\u202eb"}, {"note": "\0"}])
async def test_what_cannot_be_an_invitation_is_refused(ada: httpx.AsyncClient, entry: dict[str, object]) -> None:
    assert (await ada.post(f"{API}/invitations", json=entry)).status_code == 422


async def test_another_teams_invitation_is_as_absent_as_none(ada: httpx.AsyncClient) -> None:
    number, _ = await invite(ada)
    await ada.post(f"{API}/teams", json={"slug": "vision"})
    await ada.put(f"{API}/auth/team", json={"team": "vision"})
    assert (await ada.get(f"{API}/invitations")).json()["items"] == []
    assert (await ada.delete(f"{API}/invitations/{number}")).status_code == 404
    assert (await ada.delete(f"{API}/invitations/99")).status_code == 404


async def test_without_accounts_nobody_is_invited(api: httpx.AsyncClient) -> None:
    assert (await api.post(f"{API}/invitations", json={})).status_code == 403


@on_both_databases
def test_of_two_at_once_one_joins(engine: Engine) -> None:
    users.add_user(engine, "ada", PASSWORD, operator=True, role="admin")
    ada = Caller(1, "ada", "admin", user_id=1)
    secret = invitations.create_invitation(engine, ada, InvitationEntry()).path.rpartition("/")[2]

    def accept(name: str) -> bool:
        try:
            invitations.accept_as_new(engine, secret, name, PASSWORD)
        except NotFound:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(accept, ("kim", "lee", "mia", "noa"))) == [False, False, False, True]
    assert len(teams.members(engine, ada)) == 2
