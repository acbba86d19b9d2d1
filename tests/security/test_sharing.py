"""Share links and publications: they open one report to whoever has them, and nothing once they have ended."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select, text, update

from app.client import AtlasClient
from app.db.identity import AuditEntry, ShareLink
from app.db.session import system_session
from app.db.tables import MeasurementRow, Run
from app.services.accounts import users
from app.services.accounts.secrets import now
from tests.app.api.test_gate import ORIGIN, PASSWORD, client_of, log_in
from tests.databases import on_both_databases
from tests.flow.finished_study import insert

pytestmark = [pytest.mark.anyio, on_both_databases]


@pytest.fixture
def study(web: FastAPI) -> int:
    with system_session(web.state.engine) as session:
        return insert(session, team_id=1).id


@pytest.fixture
async def local(web: FastAPI) -> AsyncIterator[AtlasClient]:
    client = AtlasClient.in_process(web)
    yield client
    await client.close()


@pytest.fixture
async def stranger(web: FastAPI, local: AtlasClient, study: int) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without an account, where others have one."""
    users.add_user(web.state.engine, "ada", PASSWORD, operator=True, role="admin")
    users.add_user(web.state.engine, "max", PASSWORD, role="member")
    users.add_user(web.state.engine, "vera", PASSWORD, role="viewer")
    async with client_of(web, accept="text/html") as client:
        yield client


async def share(web: FastAPI, study: int, days: int = 14) -> tuple[int, str]:
    """A link of max's: its id and its path."""
    async with client_of(web) as client:
        await log_in(client, "max")
        answer = await client.post(f"/api/v1/studies/{study}/shares", json={"days": days}, headers=ORIGIN)
        assert answer.status_code == 201, answer.text
        return answer.json()["share"]["id"], answer.json()["path"]


async def test_a_link_shows_the_report_as_it_is_now_and_nothing_else(
    web: FastAPI, stranger: httpx.AsyncClient, study: int
) -> None:
    _, path = await share(web, study)
    answer = await stranger.get(path)
    assert answer.status_code == 200
    assert "<h1>Quickstart</h1>" in answer.text
    assert "<script" not in answer.text
    headers = answer.headers
    assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert "script-src" not in headers["content-security-policy"]
    assert (headers["referrer-policy"], headers["cache-control"]) == ("no-referrer", "no-store")
    assert headers["x-robots-tag"] == "noindex, nofollow"
    with system_session(web.state.engine) as session:
        session.execute(text("UPDATE studies SET name = 'Renamed since'"))
    assert "Renamed since" in (await stranger.get(path)).text
    for other in (f"/api/v1/studies/{study}", f"/studies/{study}", f"{path}/x", path.removesuffix(path[-8:])):
        assert (await stranger.get(other)).status_code in (303, 401, 404)


async def test_an_ended_link_looks_as_one_that_never_was(web: FastAPI, stranger: httpx.AsyncClient, study: int) -> None:
    (revoked_id, revoked), (_, expired), (_, orphaned) = [await share(web, study) for _ in range(3)]
    assert (await stranger.get(revoked)).status_code == 200
    async with client_of(web) as client:
        await log_in(client, "max")
        ended = await client.delete(f"/api/v1/studies/{study}/shares/{revoked_id}", headers=ORIGIN)
        assert ended.status_code == 204
    answers = [await stranger.get(revoked), await stranger.get("/shared/x"), await stranger.get(f"/shared/{'x' * 900}")]
    with system_session(web.state.engine) as session:
        session.execute(update(ShareLink).where(ShareLink.id == 2).values(expires_at=now() - timedelta(seconds=1)))
    answers.append(await stranger.get(expired))
    assert (await stranger.get(orphaned)).status_code == 200
    with system_session(web.state.engine) as session:
        session.execute(text("DELETE FROM studies"))
    answers.append(await stranger.get(orphaned))
    assert {(answer.status_code, answer.text, tuple(sorted(answer.headers))) for answer in answers} == {
        (404, answers[0].text, tuple(sorted(answers[0].headers)))
    }


async def test_what_opens_a_link_is_kept_nowhere(web: FastAPI, stranger: httpx.AsyncClient, study: int) -> None:
    _, path = await share(web, study)
    await stranger.get(path)
    async with client_of(web) as client:
        await log_in(client, "vera")
        listed = await client.get(f"/api/v1/studies/{study}/shares")
    (shown,) = listed.json()["items"]
    assert (shown["created_by"], shown["works"], shown["last_used_at"] is not None) == ("max", True, True)
    token = path.rsplit("/", 1)[-1]
    assert token not in listed.text
    with system_session(web.state.engine) as session:
        rows = [vars(row) for table in (ShareLink, AuditEntry) for row in session.scalars(select(table))]
    assert any(row.get("action") == "create_share" for row in rows)
    assert token not in str(rows)


@pytest.mark.parametrize(("name", "sharing", "publishing"), [("vera", 403, 403), ("max", 201, 403), ("ada", 201, 201)])
async def test_members_share_and_administrators_publish(
    web: FastAPI, stranger: httpx.AsyncClient, study: int, name: str, sharing: int, publishing: int
) -> None:
    async with client_of(web, **ORIGIN) as client:
        await log_in(client, name)
        for what, status in (("shares", sharing), ("publications", publishing)):
            answer = await client.post(f"/api/v1/studies/{study}/{what}", json={})
            assert answer.status_code == status, answer.text
            assert (await client.get(f"/api/v1/studies/{study}/{what}")).status_code == 200


@pytest.mark.parametrize("body", [{"days": 0}, {"days": 91}, {"note": "x" * 201}, {"note": "a\nb"}, {"until": "x"}])
async def test_a_link_is_bounded(api: httpx.AsyncClient, study: int, body: dict[str, object]) -> None:
    assert (await api.post(f"/api/v1/studies/{study}/shares", json=body)).status_code == 422


async def test_a_publication_stays_as_it_was_and_says_when_results_changed(
    web: FastAPI, local: AtlasClient, api: httpx.AsyncClient, study: int
) -> None:
    published = await local.publish(study)
    assert re.fullmatch(r"/published/quickstart-[\w-]{10}", published.path)
    before = await api.get(published.path)
    assert before.status_code == 200
    assert not re.search(r"(?:src|href|action)\s*=|url\(|@import|https?://(?!www\.w3\.org/)", before.text)
    with system_session(web.state.engine) as session:
        run = session.scalars(select(Run.id).where(Run.status == "succeeded")).first()
        session.execute(update(MeasurementRow).where(MeasurementRow.run_id == run).values(value=0.125))
    (told,) = await local.publications(study)
    assert (told.published_by, told.changed_since, told.withdrawn_at) == ("local user", True, None)
    assert (await api.get(published.path)).text == before.text
    assert (await local.withdraw(study, published.id)).withdrawn_at is not None
    gone, never = await api.get(published.path), await api.get("/published/quickstart-x")
    assert (gone.status_code, gone.text) == (never.status_code, never.text) == (404, never.text)
    again = await local.publish(study)
    assert not again.changed_since
    assert again.path != published.path
