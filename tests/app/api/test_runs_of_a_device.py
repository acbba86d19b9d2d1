"""GET runs?device: those that were claimed on one, and those that wait for one."""

import httpx
import pytest
from fastapi import FastAPI

from app.db.session import system_session
from app.db.tables import Run
from app.services import run_queue
from tests.flow.finished_study import insert

pytestmark = pytest.mark.anyio


async def ids(api: httpx.AsyncClient, **filters: str) -> set[int]:
    answer = await api.get("/api/v1/runs", params={"limit": "500", **filters})
    return {run["id"] for run in answer.json()["items"]}


async def test_runs_are_found_by_the_device_they_were_claimed_on_or_wait_for(
    web: FastAPI, api: httpx.AsyncClient
) -> None:
    with system_session(web.state.engine) as session:
        anywhere, on_cuda = insert(session, team_id=1), insert(session, team_id=1)
        on_cuda.device = "cuda"
        session.flush()
        claimed, waits = anywhere.runs[0].id, {run.id for run in on_cuda.runs}
        worker = run_queue.register_worker(session, "machine:7", "cuda:1", {})
        session.get_one(Run, claimed).worker_id = worker
    assert await ids(api, device="cuda") == {claimed} | waits
    assert await ids(api, device="cpu") == set()
    assert (await api.get("/api/v1/runs", params={"device": "tpu"})).status_code == 422
