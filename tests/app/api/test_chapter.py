"""The routes of the guide to the chapter: costs by formula on any base, published sizes, claims and sightings."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.db.session import system_session
from app.db.tables import Run
from app.services.chapter_case import STEPS
from peft_core.analysis.cost_model.estimate import estimate
from peft_core.analysis.cost_model.setting import Setting
from peft_core.method import build_method
from peft_core.model_config import read_config
from peft_core.model_config.published import PUBLISHED_MODELS
from peft_core.spec import Budget
from tests.app.api.test_estimates import a_finished_probe
from tests.flow.finished_study import insert

pytestmark = pytest.mark.anyio
CASE = {"published": "llama_7b", "rank": 16, "batch_size": 4, "length": 512, "tasks": 100}


async def ask(api: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    answer = await api.post("/api/v1/guide/costs", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def row(found: dict[str, Any], method: str) -> dict[str, Any]:
    return next(one for one in found["methods"] if one["method"] == method)


def value(found: dict[str, Any], method: str, figure: str) -> float:
    told: float = row(found, method)["numbers"][figure]["value"]
    return told


async def test_costs_are_those_of_the_cost_model(api: httpx.AsyncClient) -> None:
    found = await ask(api, CASE)
    base, anatomy = read_config(PUBLISHED_MODELS["llama_7b"].config)
    for method, hyperparameters in (("full", {}), ("lora", {"rank": 16, "alpha": 32.0})):
        expected = estimate(
            Setting(
                base=base,
                anatomy=anatomy,
                method=build_method(method, dict(hyperparameters)),
                task_kind="causal_lm",
                labels=2,
                budget=Budget(steps=STEPS, batch_size=4, max_length=512),
                precision="bf16",
                device="cuda",
            )
        )
        assert value(found, method, "trainable_parameters") == expected.trainable_parameters
        assert value(found, method, "peak") == pytest.approx(expected.peak_memory_bytes)
        assert value(found, method, "training_flops") == pytest.approx(expected.flops_per_token)
        assert value(found, method, "storage_bytes") == expected.storage_bytes


async def test_full_fine_tuning_takes_sixteen_bytes_a_parameter_beside_its_activations(api: httpx.AsyncClient) -> None:
    found = await ask(api, CASE)
    parameters = found["figures"]["parameters"]["value"]
    held = sum(value(found, "full", part) for part in ("weights", "gradients", "optimizer"))
    assert held == pytest.approx(16 * parameters, rel=0.03)
    # A language model's table of tokens has its gradient twice for a moment; LoRA holds the weights and little else.
    assert value(found, "lora", "weights") + value(found, "lora", "optimizer") == pytest.approx(
        4 * parameters, rel=0.03
    )


async def test_many_tasks_need_the_base_once_beside_their_adapters(api: httpx.AsyncClient) -> None:
    found = await ask(api, CASE)
    full, lora = (value(found, method, "storage_bytes") for method in ("full", "lora"))
    assert value(found, "full", "storage_of_tasks") == 100 * full
    assert value(found, "lora", "storage_of_tasks") == full + 100 * lora


async def test_sizes_of_ones_own_and_a_registered_base_are_taken(api: httpx.AsyncClient) -> None:
    plain = await ask(api, {"sizes": {"width": 768, "layers": 12}})
    assert plain["figures"]["width"]["value"] == 768
    assert value(plain, "lora", "trainable_parameters") == 2 * 12 * 2 * 768 * 8
    given = await ask(api, {"model_config": dict(PUBLISHED_MODELS["bert_base"].config)})
    assert value(given, "adapter", "trainable_parameters") == 12 * (2 * 768 * 96 + 96 + 768)
    registered = await ask(api, {"base_model": "minilm"})
    assert registered["figures"]["layers"]["value"] == 6


async def test_a_method_that_the_base_cannot_have_says_why(api: httpx.AsyncClient) -> None:
    found = await ask(api, {"sizes": {"width": 64, "layers": 2}, "rank": 100})
    assert "rank" in row(found, "lora")["not_offered"]
    assert row(found, "lora")["numbers"] == {}
    assert row(found, "full")["numbers"]


async def test_time_is_told_from_measured_speed_alone(api: httpx.AsyncClient) -> None:
    found = row(await ask(api, {"sizes": {"width": 64, "layers": 2}}), "full")
    assert "train_seconds" not in found["numbers"]
    assert found["missing"]["train_seconds"]


async def test_a_measured_speed_gives_a_time(api: httpx.AsyncClient, web: FastAPI, tmp_path: Path) -> None:
    a_finished_probe(web.state.engine, tmp_path)
    found = await ask(api, {"base_model": "minilm", "batch_size": 8, "length": 25, "device": "cpu", "rank": 16})
    # The probe was of LoRA with rank 16 on 8 texts of 25 tokens, and took 0.2 s a step.
    assert value(found, "lora", "train_seconds") == pytest.approx(STEPS * 0.2, rel=0.02)
    assert value(found, "full", "train_seconds") > value(found, "lora", "train_seconds")
    assert row(found, "lora")["missing"] == {}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "published"),
        ({"published": "gpt2", "base_model": "minilm"}, "published"),
        ({"published": "gpt9"}, "published"),
        ({"sizes": {"width": 100, "layers": 2}}, "width"),
        ({"model_config": {"model_type": "x"}}, "model_config.model_type"),
        ({"base_model": "nothing-here"}, "base_model"),
        ({"published": "gpt2", "rank": 0}, "rank"),
    ],
)
async def test_what_no_model_can_have_is_refused(api: httpx.AsyncClient, body: dict[str, Any], field: str) -> None:
    answer = await api.post("/api/v1/guide/costs", json=body)
    assert answer.status_code == 422
    assert field in answer.text


async def test_published_models_name_their_source(api: httpx.AsyncClient) -> None:
    items = (await api.get("/api/v1/guide/models")).json()["items"]
    assert [item["key"] for item in items] == list(PUBLISHED_MODELS)
    assert all(item["source"] and item["url"].startswith("https://") for item in items)


async def test_claims_and_sightings_of_a_study(api: httpx.AsyncClient, web: FastAPI) -> None:
    with system_session(web.state.engine) as session:
        insert(session, team_id=1)
        run = session.query(Run).filter(Run.status == "failed").first()
        assert run is not None
        run.reason = "The device ran out of memory at step 61."
        run_id = run.id
    claims = (await api.get("/api/v1/guide/claims")).json()
    assert claims["studies"] == 1
    assert next(item for item in claims["items"] if item["key"] == "training_memory")["verdict"] == "holds"
    seen = (await api.get("/api/v1/guide/sightings")).json()["items"]
    assert [one["run_id"] for one in seen["out_of_memory"]] == [run_id]
