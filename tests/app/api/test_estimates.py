"""What a run will cost, asked over HTTP: right answers, and refusals that name what is wrong."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from app.client import ApiProblem, AtlasClient
from app.db.session import database_now, team_session
from app.db.tables import Configuration, MeasurementRow, Run, Study
from app.schemas import EstimateRequest
from app.services.callers import LOCAL
from app.services.cost_errors import cost_errors
from peft_core import assets
from peft_core.data import inspect_dataset
from peft_core.spec import Budget, RunSpec, Splits, TaskSpec
from peft_core.tasks.classification import Classification

pytestmark = pytest.mark.anyio

BUDGET = {"steps": 30, "batch_size": 8, "max_length": 64}
LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 3072,
    "intermediate_size": 8192,
    "num_hidden_layers": 28,
    "num_attention_heads": 24,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 128_256,
    "max_position_embeddings": 131_072,
    "tie_word_embeddings": True,
}
ON_MINILM: dict[str, Any] = {"base_model": "minilm", "method": "lora", "budget": BUDGET}
ON_A_CONFIG: dict[str, Any] = {"model_config": LLAMA, "method": "lora", "budget": BUDGET, "task_kind": "causal_lm"}


async def test_a_registered_base_model(api: httpx.AsyncClient) -> None:
    answer = await api.post("/api/v1/estimates", json=ON_MINILM | {"hyperparameters": {"rank": 8}, "labels": 3})
    assert answer.status_code == 200
    told = answer.json()
    assert told["trainable_parameters"] == told["stored_parameters"] == 6 * 2 * 8 * 768
    assert told["head_parameters"] == 3 * 384 + 3
    assert told["peak_memory_bytes"] > 4 * 22_713_216 > told["load_peak_memory_bytes"] > 0
    assert told["total_steps"] == 30
    # Nothing has been measured in this installation, and no device was named.
    assert (told["train_seconds"], told["fits"], told["verdict"]) == (None, None, None)
    assert "no speed has been measured" in told["how"]["train_seconds"]


async def test_a_config_needs_no_weights(api: httpx.AsyncClient) -> None:
    answer = await api.post(
        "/api/v1/estimates", json=ON_A_CONFIG | {"hyperparameters": {"rank": 32}, "device_memory_bytes": 10**13}
    )
    told = answer.json()
    assert told["trainable_parameters"] == 9_175_040
    assert told["fits"] is True
    assert "10000 GB" in told["verdict"] or "1e+04 GB" in told["verdict"]


async def test_what_does_not_fit_says_what_would(api: httpx.AsyncClient) -> None:
    large = ON_A_CONFIG | {"budget": BUDGET | {"max_length": 1024}, "device": "cuda", "device_memory_bytes": 24 * 10**9}
    told = (await api.post("/api/v1/estimates", json=large)).json()
    assert told["fits"] is False
    needed, _, others = told["verdict"].partition("What would fit: ")
    assert "needs about" in needed
    assert "GB" in others


async def test_epochs_are_steps_where_the_items_are_counted(api: httpx.AsyncClient) -> None:
    epochs = ON_MINILM | {"budget": {"epochs": 3, "batch_size": 8, "max_length": 64}}
    told = (await api.post("/api/v1/estimates", json=epochs)).json()
    assert told["total_steps"] is None
    assert "epochs" in told["how"]["train_seconds"] or "no speed" in told["how"]["train_seconds"]
    told = (await api.post("/api/v1/estimates", json=epochs | {"train_items": 401})).json()
    assert told["total_steps"] == 3 * 51


async def test_the_python_client_asks_the_same(web: FastAPI) -> None:
    client = AtlasClient.in_process(web)
    told = await client.estimate(EstimateRequest.model_validate(ON_A_CONFIG))
    assert told.trainable_parameters == 16 * 28 * (3072 + 3072 + 3072 + 1024)
    with pytest.raises(ApiProblem) as refused:
        await client.estimate(EstimateRequest(base_model="nowhere", method="lora"))
    assert refused.value.status == 422
    await client.close()


@pytest.mark.parametrize(
    ("document", "field", "said"),
    [
        ({"method": "lora"}, "", "either base_model or model_config"),
        (ON_A_CONFIG | {"base_model": "minilm"}, "", "either base_model or model_config"),
        (ON_MINILM | {"base_model": "../../etc"}, "base_model", "PEFT_ATLAS_MODEL_ROOTS"),
        (ON_MINILM | {"method": "lorra"}, "method", "no method named 'lorra'"),
        (ON_MINILM | {"hyperparameters": {"rank": 0}}, "hyperparameters.rank", "greater than or equal to 1"),
        (ON_MINILM | {"hyperparameters": {"rank": 10**30}}, "hyperparameters.rank", "at most 384"),
        (ON_MINILM | {"hyperparameters": {"ranks": 8}}, "hyperparameters.ranks", "remove it"),
        (ON_MINILM | {"task_kind": "fun"}, "task_kind", "no kind of task named 'fun'"),
        (ON_MINILM | {"task_kind": "causal_lm"}, "task_kind", "needs a decoder"),
        (ON_MINILM | {"labels": 0}, "labels", "greater than or equal to 1"),
        (ON_MINILM | {"labels": 10**20}, "labels", "less than or equal to"),
        (ON_MINILM | {"train_items": -1}, "train_items", "greater than or equal to 1"),
        (ON_MINILM | {"device_memory_bytes": -1}, "device_memory_bytes", "greater than or equal to 1"),
        (ON_MINILM | {"device_memory_bytes": 10**40}, "device_memory_bytes", "less than or equal to"),
        (ON_MINILM | {"device": "tpu"}, "device", "cpu"),
        (ON_MINILM | {"precision": "fp8"}, "precision", "fp32"),
        (ON_MINILM | {"budget": {"steps": 5, "batch_size": 10**9}}, "budget.batch_size", "less than or equal to"),
        (ON_MINILM | {"budget": {"steps": 5, "max_length": 1024}}, "method", "512 tokens at most"),
        (
            ON_MINILM | {"method": "prefix_tuning"} | {"budget": BUDGET | {"gradient_checkpointing": True}},
            "method",
            "ch",
        ),
        (ON_MINILM | {"surprise": 1}, "surprise", "remove it"),
        (ON_A_CONFIG | {"model_config": []}, "model_config", "dictionary"),
        (ON_A_CONFIG | {"model_config": {}}, "model_config.model_type", "not known"),
        (ON_A_CONFIG | {"model_config": {"model_type": "evil"}}, "model_config.model_type", "not known"),
        (
            ON_A_CONFIG | {"model_config": LLAMA | {"auto_map": {"AutoModel": "a.B"}}},
            "model_config.auto_map",
            "auto_map",
        ),
        (ON_A_CONFIG | {"model_config": LLAMA | {"hidden_size": -1}}, "model_config.hidden_size", "whole number"),
        (ON_A_CONFIG | {"model_config": LLAMA | {"hidden_size": 10**30}}, "model_config.hidden_size", "whole number"),
        (
            ON_A_CONFIG | {"model_config": LLAMA | {"num_hidden_layers": 10**6}},
            "model_config.num_hidden_layers",
            "1000",
        ),
        (ON_A_CONFIG | {"model_config": LLAMA | {"vocab_size": "many"}}, "model_config.vocab_size", "whole number"),
        (ON_A_CONFIG | {"model_config": LLAMA | {"hidden_act": ["silu"] * 99}}, "model_config.hidden_act", "one of"),
        ([], "", "JSON object"),
        ({}, "method", "required"),
    ],
)
async def test_what_cannot_be_estimated_is_refused_by_name(
    api: httpx.AsyncClient, document: Any, field: str, said: str
) -> None:
    answer = await api.post("/api/v1/estimates", json=document)
    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), problem
    assert said in json.dumps(problem)
    if field:
        assert any(found["field"].startswith(field) for found in problem["errors"]), problem["errors"]
    assert len(json.dumps(problem)) < 10_000


@pytest.mark.parametrize(
    "body",
    [
        b'{"model_config": ' + b'{"a": ' * 3_000 + b"1" + b"}" * 3_001,
        b'{"method": "lora", "model_config": ' + b"[" * 400 + b"]" * 400 + b"}",
        b'{"method": "lora", "model_config": {"model_type": "llama", "hidden_size": ' + b"9" * 5_000 + b"}}",
        b'{"method": "lora", "model_config": {"model_type": "llama", "hidden_size": NaN}}',
        b'{"method": "lora", "model_config": {"model_type": "\\ud800"}}',
        b"{",
    ],
)
async def test_a_body_made_to_break_is_refused(api: httpx.AsyncClient, body: bytes) -> None:
    answer = await api.post("/api/v1/estimates", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


async def test_the_largest_config_is_answered_soon(api: httpx.AsyncClient) -> None:
    config = LLAMA | {"num_hidden_layers": 1_000, "vocab_size": 10**8}
    asked = ON_A_CONFIG | {"model_config": config, "method": "full", "device_memory_bytes": 1}
    answer = await api.post("/api/v1/estimates", json=asked, timeout=30)
    assert answer.status_code == 200
    assert "Nothing would" in answer.json()["verdict"]


def a_finished_probe(engine: Engine, tmp_path: Path, method: str = "lora") -> int:
    """A study of one configuration whose probe says what MiniLM's probes say on tweets; returns the study's id."""
    asset = assets.tasks()["tweets"]
    splits = Splits(train=64, validation=32, test=48)
    summary = inspect_dataset(asset.dataset, kind=Classification, columns=asset.columns, splits=splits)
    task = TaskSpec(
        name="tweets",
        kind=asset.kind,
        dataset=asset.dataset,
        dataset_sha256=summary.sha256,
        **asset.columns.model_dump(),
        labels=summary.labels,
        splits=splits,
    )
    folder = assets.base_models()["minilm"].folder
    spec = RunSpec(
        run_id=1,
        purpose="probe",
        base_model=folder,
        base_model_sha256="0" * 64,
        task=task,
        method=method,
        learning_rate=1e-3,
        seed=0,
        budget=Budget(steps=40, batch_size=8, max_length=64),
        precision="fp32",
        metrics=("training_speed",),
        folder=tmp_path,
    )
    with team_session(engine, LOCAL.team_id) as session:
        now = database_now(session)
        study = Study(
            name="A study",
            document={"metrics": ["peak_memory", "training_speed"]},
            base_model_path=str(folder),
            base_model_sha256="0" * 64,
            task=task.model_dump(mode="json"),
            created_at=now,
            created_by="local",
        )
        session.add(study)
        session.flush()
        row = Configuration(
            study_id=study.id,
            position=0,
            method=method,
            label="LoRA r16",
            family="lora",
            reference=False,
            hyperparameters={},
            learning_rates=[1e-3],
            learning_rate=1e-3,
        )
        session.add(row)
        session.flush()
        run = Run(
            study_id=study.id,
            configuration_id=row.id,
            purpose="probe",
            seed=0,
            learning_rate=1e-3,
            position=0,
            status="succeeded",
            spec=spec.model_dump(mode="json"),
            environment={"device": "cpu", "precision": "fp32"},
            created_at=now,
            updated_at=now,
        )
        session.add(run)
        session.flush()
        session.add(
            MeasurementRow(run_id=run.id, metric="training_speed", value=1_000.0, detail={"median_step_seconds": 0.2})
        )
        session.add(MeasurementRow(run_id=run.id, metric="peak_memory", value=250_000_000.0, detail={}))
        return study.id


async def test_a_measured_speed_gives_seconds(api: httpx.AsyncClient, engine: Engine, tmp_path: Path) -> None:
    a_finished_probe(engine, tmp_path)
    told = (await api.post("/api/v1/estimates", json=ON_MINILM)).json()
    # The probe's steps had 200 real tokens, 25 for each of 8 texts, and took 0.2 s; asked are texts of 64.
    assert told["train_seconds"] == pytest.approx(30 * 0.2 * 64 / 25, rel=0.05)
    assert "1 probe on cpu" in told["how"]["train_seconds"]
    on_cuda = (await api.post("/api/v1/estimates", json=ON_MINILM | {"device": "cuda"})).json()
    assert on_cuda["train_seconds"] is None


def test_errors_against_what_a_study_measured(engine: Engine, tmp_path: Path) -> None:
    study = a_finished_probe(engine, tmp_path)
    ((label, compared),) = cost_errors(engine, LOCAL, study).items()
    assert label == "LoRA r16"
    (memory,) = compared
    assert (memory.figure, memory.measured, memory.target) == ("peak_memory", 250_000_000, 0.30)
    assert 100_000_000 < memory.predicted < 400_000_000
    assert memory.error == pytest.approx(memory.predicted / 250_000_000 - 1)
