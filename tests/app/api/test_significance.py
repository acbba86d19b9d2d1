"""GET studies/{id}/significance and POST recommendations over HTTP, and their methods of the typed client."""

import httpx
import pytest
from fastapi import FastAPI

from app.client import AtlasClient
from app.db.session import system_session
from app.schemas import RecommendationRequest, StudyDocument
from tests.flow.finished_study import QUICKSTART, insert

pytestmark = pytest.mark.anyio


@pytest.fixture
def study(web: FastAPI) -> int:
    with system_session(web.state.engine) as session:
        return insert(session, team_id=1).id


async def test_the_client_reads_what_the_route_sends(web: FastAPI, study: int) -> None:
    client = AtlasClient.in_process(web)
    found = await client.significance(study)
    assert found.study == study
    assert len(found.rows) == len(QUICKSTART) - 1
    assert found.across_studies.needed == 8
    await client.close()


@pytest.mark.parametrize(
    ("path", "status"), [("999/significance", 404), ("0/significance", 422), ("x/significance", 422)]
)
async def test_a_study_that_is_not_there_is_told(api: httpx.AsyncClient, path: str, status: int) -> None:
    answer = await api.get(f"/api/v1/studies/{path}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_what_to_run_next_can_be_sent_as_a_study(web: FastAPI) -> None:
    with system_session(web.state.engine) as session:
        study = insert(session, team_id=1, rows=tuple(row for row in QUICKSTART if row.method != "untuned")).id
    client = AtlasClient.in_process(web)
    found = await client.recommend(RecommendationRequest(study=study, scenario="production"))
    assert found.verdict == "not enough evidence"
    assert isinstance(found.next_study, StudyDocument)
    launched = await client.create_study(found.next_study)
    assert launched.counts.queued > 0
    await client.close()


async def test_a_limit_on_switching_is_a_constraint_like_others(api: httpx.AsyncClient, study: int) -> None:
    body = {"study": study, "scenario": "multi_task", "constraints": {"switch_seconds": 0.5}}
    answer = await api.post("/api/v1/recommendations", json=body)
    assert answer.status_code == 200
    reasons = ["".join(part["text"] or "" for part in veto["reason"]) for veto in answer.json()["vetoed"]]
    assert "no adapter switch time is measured to hold against the limit" in reasons
