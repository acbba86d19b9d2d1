"""GET runs?metric=: the best or the worst runs, with their values."""

import httpx
import pytest
from fastapi import FastAPI

from app.db.session import system_session
from tests.flow.finished_study import insert

pytestmark = pytest.mark.anyio

RUNS = "/api/v1/runs"


async def test_the_best_runs_come_first_with_their_values(web: FastAPI, api: httpx.AsyncClient) -> None:
    with system_session(web.state.engine) as session:
        insert(session, team_id=1)
    asked = {"metric": "task_performance", "order": "highest", "limit": "4"}
    first = (await api.get(RUNS, params=asked)).json()
    assert [run["method"] for run in first["items"]] == ["full", "full", "lora", "adapter"]
    assert [round(run["value"], 3) for run in first["items"]] == [0.945, 0.942, 0.94, 0.937]
    following = (await api.get(RUNS, params=asked | {"cursor": first["next_cursor"]})).json()
    assert not {run["id"] for run in first["items"]} & {run["id"] for run in following["items"]}
    worst = (await api.get(RUNS, params=asked | {"order": "lowest"})).json()
    assert {run["method"] for run in worst["items"]} == {"untuned", "head_only"}
    assert (await api.get(RUNS)).json()["items"][0]["value"] is None


@pytest.mark.parametrize(
    "asked",
    [
        {"order": "highest"},
        {"metric": "task_performance"},
        {"metric": "task_performance", "order": "newest"},
        {"metric": "speed", "order": "lowest"},
        {"metric": "task_performance", "order": "highest", "cursor": "7"},
    ],
)
async def test_what_has_no_order_is_refused(api: httpx.AsyncClient, asked: dict[str, str]) -> None:
    answer = await api.get(RUNS, params=asked)
    assert answer.status_code == 422
    assert answer.json()["detail"]
