"""Quotas: what a team may queue and keep, refused with figure, limit and what to do, and held when requests race."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select, update

from app.db.session import system_session
from app.db.tables import Dataset, Run
from app.errors import Conflict
from app.schemas import StudyDocument, TeamLimits
from app.services import quotas, studies
from app.services.callers import LOCAL
from tests.databases import on_both_databases

pytestmark = [pytest.mark.anyio, on_both_databases]

SMALL: dict[str, Any] = {
    **{"name": "x", "base_model": "minilm", "task": "tweets", "methods": [{"method": "lora"}]},
    **{"seeds": 1, "grid_points": 1, "references": []},
}
RUNS = 2
"""Of such a study: it reports and it probes."""
ROWS = b"text,label\n" + b"".join(f"sentence {place},{'ab'[place % 2]}\n".encode() for place in range(400))


def limit(web: FastAPI, runs: int | None = None, disk: int | None = None) -> None:
    quotas.set_limits(web.state.engine, 1, TeamLimits(most_queued_runs=runs, most_disk_bytes=disk))


async def test_more_runs_than_may_wait_are_refused_by_every_way_in(web: FastAPI, api: httpx.AsyncClient) -> None:
    limit(web, runs=RUNS)
    study = (await api.post("/api/v1/studies", json=SMALL)).json()["id"]
    refused = await api.post("/api/v1/studies", json=SMALL)
    assert refused.status_code == 409
    assert "With these, 4 runs of your team would wait, and at most 2 may" in refused.json()["detail"]
    assert (await api.post(f"/api/v1/studies/{study}/extend", json={"seeds": 2})).status_code == 409
    first = (await api.get("/api/v1/runs")).json()["items"][0]["id"]
    with system_session(web.state.engine) as session:
        session.execute(update(Run).where(Run.id == first).values(status="failed"))
    limit(web, runs=1)
    assert (await api.post(f"/api/v1/runs/{first}/retry")).status_code == 409
    assert (await api.get("/api/v1/studies")).json()["items"][0]["counts"]["queued"] == 1
    limit(web)
    assert (await api.post(f"/api/v1/runs/{first}/retry")).status_code == 200


async def test_requests_at_once_do_not_get_past_the_limit(web: FastAPI) -> None:
    limit(web, runs=3 * RUNS)
    document = StudyDocument.model_validate(SMALL)

    def create(_: int) -> bool:
        try:
            return studies.create_study(web.state.engine, web.state.settings, LOCAL, document) > 0
        except Conflict:
            return False

    with ThreadPoolExecutor(8) as pool:
        made = await asyncio.to_thread(lambda: list(pool.map(create, range(8))))
    assert sum(made) == 3
    with system_session(web.state.engine) as session:
        assert session.scalar(select(func.count()).where(Run.status == "queued")) == 3 * RUNS


async def test_what_would_not_fit_is_not_kept(web: FastAPI, api: httpx.AsyncClient) -> None:
    limit(web, disk=2 * len(ROWS) - 1)
    kept = [await api.post("/api/v1/datasets", files={"file": (f"{name}.csv", ROWS)}) for name in "ab"]
    assert [answer.status_code for answer in kept] == [201, 507]
    assert "Your team keeps 0.0 MB and this needs about 0.0 MB; at most 0.0 MB" in kept[1].json()["detail"]
    folder = web.state.settings.home_folder / "datasets" / "teams" / "1"
    assert len([file for file in folder.rglob("*") if file.is_file()]) == 1
    with system_session(web.state.engine) as session:
        assert session.scalar(select(func.count()).select_from(Dataset)) == 1
    refused = await api.post("/api/v1/studies", json=SMALL)
    assert refused.status_code == 507
    assert "Delete studies or datasets" in refused.json()["detail"]
    told = (await api.get("/api/v1/team/limits")).json()
    assert (told["team"], told["disk_bytes"], told["queued_runs"]) == ("local", len(ROWS), 0)


async def test_operators_set_limits(api: httpx.AsyncClient) -> None:
    wanted = {"most_queued_runs": 5, "most_disk_bytes": None}
    told = (await api.put("/api/v1/teams/1/limits", json=wanted)).json()
    assert (told["most_queued_runs"], told["most_disk_bytes"]) == (5, None)
    assert (await api.get("/api/v1/teams/limits")).json()["items"] == [told]
    assert (await api.put("/api/v1/teams/77/limits", json=wanted)).status_code == 404
    assert (await api.put("/api/v1/teams/1/limits", json=wanted | {"most_queued_runs": -1})).status_code == 422
