"""POST studies/{id}/extend and the client's way to it."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.client import ApiProblem, AtlasClient
from app.schemas import MethodEntry, StudyDocument, StudyExtension
from peft_core.spec import Budget

pytestmark = pytest.mark.anyio

DOCUMENT = StudyDocument(
    name="Grows",
    budget=Budget(steps=5, batch_size=4, max_length=32),
    seeds=1,
    methods=[MethodEntry(method="lora", learning_rates=[1e-3, 3e-3])],
    references=[],
)


async def test_the_client_extends_a_study(web: FastAPI) -> None:
    client = AtlasClient.in_process(web)
    study = (await client.create_study(DOCUMENT)).id
    row = (await client.comparison(study)).configurations[0].id
    asked = StudyExtension(methods=[MethodEntry(method="untuned")], seeds=2, learning_rates={row: [3e-3, 1e-2]})
    added = await client.extend_study(study, asked, key="once")
    queued = {run.id: run.purpose for run in (await client.runs(study_id=study, status="queued")).items}
    assert sorted(queued[run_id] for run_id in added.run_ids) == ["probe", "report", "report", "report", "tune"]
    assert (added.study.counts.queued, added.study.document.seeds) == (9, [0, 1])
    assert [reused.what for reused in added.reused] == ["learning_rates", "seeds"]
    again = await client.extend_study(study, asked, key="once")
    assert again == added
    with pytest.raises(ApiProblem) as refused:
        await client.extend_study(study, {"seeds": 3}, key="once")
    assert refused.value.status == 409
    await client.close()


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"learning_rates": {"a": [1e-3]}}, "learning_rates.a"),
        ({"learning_rates": {"1": []}}, "learning_rates.1"),
        ({"learning_rates": {"1": [0]}}, "learning_rates.1.0"),
        ({"learning_rates": {str(10**30): [1e-2]}}, f"learning_rates.{10**30}"),
        ({"methods": [{"method": "lora", "hyperparameters": {"rank": 0}}]}, "methods.0.hyperparameters.rank"),
        ({"seeds": "two"}, "seeds"),
        ({"epochs": 3}, "epochs"),
    ],
)
async def test_a_bad_extension_names_its_field(api: httpx.AsyncClient, asked: dict[str, Any], field: str) -> None:
    made = await api.post("/api/v1/studies", json=DOCUMENT.model_dump(mode="json"))
    answer = await api.post(f"/api/v1/studies/{made.json()['id']}/extend", json=asked)
    assert answer.status_code == 422
    assert any(error["field"].startswith(field) for error in answer.json()["errors"]), answer.json()


async def test_a_study_that_is_not_there_is_not_found(api: httpx.AsyncClient) -> None:
    assert (await api.post("/api/v1/studies/7/extend", json={"seeds": 3})).status_code == 404
    assert (await api.post(f"/api/v1/studies/{2**63}/extend", json={"seeds": 3})).status_code == 422
