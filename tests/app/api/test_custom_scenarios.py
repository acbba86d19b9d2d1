"""GET, POST and DELETE scenarios/custom."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.client import ApiProblem, AtlasClient
from app.db.session import system_session
from app.db.tables import Team
from app.errors import NotFound
from app.schemas import MOST_CUSTOM_SCENARIOS, CustomScenarioRequest
from app.services.callers import Caller
from app.services.custom_scenarios import list_custom_scenarios, remove_custom_scenario

pytestmark = pytest.mark.anyio
OURS = CustomScenarioRequest(
    name="  A phone ",
    scenario="resource_constrained",
    weights={"quality": 0.25, "memory": 0.75},
    constraints={"storage_bytes": 4e6},
    quality_floor=0.9,
)


@pytest.fixture
async def client(web: FastAPI) -> AsyncIterator[AtlasClient]:
    client = AtlasClient.in_process(web)
    yield client
    await client.close()


async def test_a_scenario_is_kept_as_it_was_given_and_removed_for_good(client: AtlasClient) -> None:
    kept = await client.keep_scenario(OURS)
    assert (kept.name, kept.created_by) == ("A phone", "local user")
    assert kept.model_dump(include={"scenario", "weights", "constraints", "quality_floor"}) == OURS.model_dump(
        exclude={"name"}
    )
    assert await client.custom_scenarios() == [kept]
    await client.remove_scenario(kept.id)
    assert await client.custom_scenarios() == []
    with pytest.raises(ApiProblem) as refused:
        await client.remove_scenario(kept.id)
    assert refused.value.status == 404


async def test_a_name_is_taken_once(client: AtlasClient) -> None:
    await client.keep_scenario(OURS)
    with pytest.raises(ApiProblem) as refused:
        await client.keep_scenario(OURS)
    assert refused.value.status == 409
    assert refused.value.errors == [{"field": "name", "message": refused.value.detail}]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": " "}, "name"),
        ({"weights": {"quality": 0.0}}, "weights"),
        ({"weights": {"beauty": 1.0}}, "weights.beauty"),
        ({"constraints": {"storage_bytes": -1}}, "constraints.storage_bytes"),
        ({"scenario": "nosuch"}, "scenario"),
    ],
)
async def test_what_is_no_case_is_refused_with_its_field(
    api: httpx.AsyncClient, changes: dict[str, Any], field: str
) -> None:
    answer = await api.post("/api/v1/scenarios/custom", json=OURS.model_dump(mode="json") | changes)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith(field)


async def test_there_is_an_end_to_how_many_are_kept(client: AtlasClient) -> None:
    for place in range(MOST_CUSTOM_SCENARIOS):
        await client.keep_scenario(OURS.model_copy(update={"name": f"case {place}"}))
    with pytest.raises(ApiProblem) as refused:
        await client.keep_scenario(OURS)
    assert refused.value.status == 409


async def test_another_team_neither_sees_nor_removes_it(web: FastAPI, client: AtlasClient) -> None:
    engine = web.state.engine
    with system_session(engine) as session:
        session.add(Team(id=2, slug="others"))
    kept = await client.keep_scenario(OURS)
    others = Caller(team_id=2, user="somebody", role="admin")
    assert list_custom_scenarios(engine, others) == []
    with pytest.raises(NotFound):
        remove_custom_scenario(engine, others, kept.id)
    assert await client.custom_scenarios() == [kept]
