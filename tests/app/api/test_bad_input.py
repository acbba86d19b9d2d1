"""Bad input gets a 4xx problem with a sentence to act on, and nothing is half-written."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, func, select

from app.db.session import system_session
from app.db.tables import Configuration, Run, Study

pytestmark = pytest.mark.anyio

GOOD: dict[str, Any] = {
    "name": "Good",
    "budget": {"steps": 5, "batch_size": 4, "max_length": 32},
    "seeds": 1,
    "grid_points": 1,
    "methods": [{"method": "lora"}],
}


def rows(engine: Engine) -> list[int]:
    with system_session(engine) as session:
        return [session.scalar(select(func.count()).select_from(table)) or 0 for table in (Study, Configuration, Run)]


def with_method(**entry: Any) -> dict[str, Any]:
    return GOOD | {"methods": [{"method": "lora"} | entry]}


@pytest.mark.parametrize(
    ("document", "field", "said"),
    [
        (with_method(method="lorra"), "methods.0.method", "no method named 'lorra'"),
        (GOOD | {"metrics": ["speed"]}, "metrics.0", "no metric named 'speed'"),
        (with_method(hyperparameters={"rank": 0}), "methods.0.hyperparameters.rank", "greater than or equal to 1"),
        (with_method(hyperparameters={"rank": 385}), "methods.0.hyperparameters.rank", "at most 384"),
        (with_method(hyperparameters={"rank": "8"}), "methods.0.hyperparameters.rank", "valid integer"),
        (with_method(hyperparameters={"rank": True}), "methods.0.hyperparameters.rank", "valid integer"),
        (with_method(hyperparameters={"ranks": 8}), "methods.0.hyperparameters.ranks", "remove it"),
        (with_method(learning_rates=[]), "methods.0.learning_rates", "at least 1"),
        (with_method(learning_rates=[0]), "methods.0.learning_rates.0", "greater than 0"),
        (with_method(learning_rates=[1e-3, 1e-3]), "methods.0.learning_rates", "once"),
        (with_method(method="untuned", learning_rates=[1e-3]), "methods.0.learning_rates", "trains nothing"),
        (GOOD | {"methods": []}, "methods", "at least 1"),
        (GOOD | {"methods": [{"method": "lora"}, {"method": "lora"}]}, "methods.1", "listed twice"),
        (GOOD | {"references": ["nothing"]}, "references.0.method", "no method named 'nothing'"),
        (GOOD | {"seeds": 0}, "seeds", "at least one seed"),
        (GOOD | {"seeds": []}, "seeds", "at least one seed"),
        (GOOD | {"seeds": -3}, "seeds", "at least one seed"),
        (GOOD | {"seeds": 10**6}, "seeds", "At most 100"),
        (GOOD | {"seeds": [1, 1]}, "seeds", "once"),
        (GOOD | {"seeds": [-1]}, "seeds", "between 0"),
        (GOOD | {"seeds": True}, "seeds", "valid integer"),
        (GOOD | {"seeds": [False]}, "seeds", "valid integer"),
        (GOOD | {"seeds": "5"}, "seeds", "valid integer"),
        (GOOD | {"name": ""}, "name", "at least 1"),
        (GOOD | {"name": "x" * 10_000}, "name", "at most 200"),
        (GOOD | {"name": "a\u0000b"}, "name", "control characters"),
        (GOOD | {"name": "   "}, "name", "a name"),
        (GOOD | {"budget": {"epochs": 1, "steps": 5}}, "budget", "either epochs or steps"),
        (GOOD | {"budget": {}}, "budget", "either epochs or steps"),
        (GOOD | {"budget": {"epochs": 0}}, "budget.epochs", "greater than or equal to 1"),
        (GOOD | {"budget": {"steps": 5, "batch_size": 0}}, "budget.batch_size", "greater than or equal to 1"),
        (GOOD | {"base_model": "gpt-9"}, "base_model", "PEFT_ATLAS_MODEL_ROOTS"),
        (GOOD | {"base_model": "../../etc"}, "base_model", "PEFT_ATLAS_MODEL_ROOTS"),
        (GOOD | {"base_model": "/etc"}, "base_model", "PEFT_ATLAS_MODEL_ROOTS"),
        (GOOD | {"base_model": "a\u0000b"}, "base_model", "NUL"),
        (GOOD | {"task": "twets"}, "task", "no task named 'twets'"),
        (GOOD | {"task": {"dataset": "/etc/passwd", "text": "a", "label": "b"}}, "task.dataset", "DATASET_ROOTS"),
        (GOOD | {"task": {"dataset": "none.csv", "text": "a", "label": "b"}}, "task.dataset", "no dataset"),
        (GOOD | {"surprise": 1}, "surprise", "remove it"),
        ({}, "name", "required"),
    ],
)
async def test_a_bad_study_document_is_refused_whole(
    api: httpx.AsyncClient, engine: Engine, document: dict[str, Any], field: str, said: str
) -> None:
    answer = await api.post("/api/v1/studies", json=document)
    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert problem["status"] == 422
    fields = [found["field"] for found in problem["errors"]]
    assert any(found.startswith(field) for found in fields), fields
    assert said in json.dumps(problem)
    assert rows(engine) == [0, 0, 0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("text,label\n", "no data"),
        ("", "is empty"),
        ("text,label\n" + "".join(f"sentence {i},a\n" for i in range(20)), "one class"),
        ("words,label\none,a\n", "no column 'text'"),
    ],
)
async def test_a_dataset_that_makes_no_comparison_is_refused(
    api: httpx.AsyncClient, engine: Engine, home: Path, content: str, said: str
) -> None:
    (home / "datasets").mkdir()
    (home / "datasets" / "own.csv").write_text(content)
    task = {"dataset": "own.csv", "text": "text", "label": "label"}
    answer = await api.post("/api/v1/studies", json=GOOD | {"task": task})
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert rows(engine) == [0, 0, 0]


async def test_a_model_folder_that_is_not_one_is_refused(api: httpx.AsyncClient, home: Path) -> None:
    (home / "models" / "empty").mkdir(parents=True)
    answer = await api.post("/api/v1/studies", json=GOOD | {"base_model": "empty"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "base_model")
    assert "config.json" in answer.json()["detail"]


async def test_a_link_out_of_the_roots_is_not_followed(api: httpx.AsyncClient, home: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_text("text,label\none,a\n")
    (home / "datasets").mkdir()
    (home / "datasets" / "link.csv").symlink_to(outside)
    task = {"dataset": "link.csv", "text": "text", "label": "label"}
    answer = await api.post("/api/v1/studies", json=GOOD | {"task": task})
    assert answer.status_code == 422
    assert "outside the allowed folders" in answer.json()["detail"]


@pytest.mark.parametrize("body", [[], [GOOD], "text", 7, None])
async def test_a_body_that_is_no_object_is_refused(api: httpx.AsyncClient, body: Any) -> None:
    answer = await api.post("/api/v1/studies", content=json.dumps(body), headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b'{"name": "\\ud800"}',
        b'{"name": NaN}',
        b'{"seeds": 1e999}',
        b"[" * 5_000,
        b'{"seeds": ' + b"9" * 5_000 + b"}",
    ],
)
async def test_broken_json_is_never_a_fault_of_the_server(api: httpx.AsyncClient, body: bytes) -> None:
    answer = await api.post("/api/v1/studies", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_hundred_megabytes_are_refused(api: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/json", "content-length": "100000000"}
    answer = await api.post("/api/v1/studies", content=b"{}", headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")


async def test_a_large_body_of_undeclared_length_is_refused(api: httpx.AsyncClient) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b" " * 100_000

    answer = await api.post("/api/v1/recommendations", content=pieces(), headers={"content-type": "application/json"})
    assert answer.status_code == 413


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/v1", "/api/v1/nothing", "/api/v2/studies", "/api/v1/runs/1/nothing"]
)
async def test_an_unknown_api_path_is_a_json_404(api: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await api.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize(
    "path", ["studies/1", "studies/1/comparison", "studies/1/export", "runs/1", "runs/1/series?key=a", "runs/1/log"]
)
async def test_what_is_not_there_is_a_404(api: httpx.AsyncClient, path: str) -> None:
    answer = await api.get(f"/api/v1/{path}")
    assert answer.status_code == 404
    assert "There is no" in answer.json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "studies/abc",
        "studies/99999999999999999999999",
        "studies/1/export?format=exe",
        "studies?cursor=x",
        "runs?cursor=%00",
        "runs?limit=0",
        "runs?purpose=fun",
        "runs?study_id=9999999999999999999999999",
        "runs/1/series",
        "methods?base_model=../..",
        "methods?steps=0",
    ],
)
async def test_bad_parameters_are_told(api: httpx.AsyncClient, path: str) -> None:
    answer = await api.get(f"/api/v1/{path}")
    assert answer.status_code in (404, 422)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("request_body", "said"),
    [
        ({"study": 1}, "scenario"),
        ({"study": 1, "scenario": "nope"}, "no scenario named 'nope'"),
        ({"study": 1, "weights": {"quality": 0}}, "above 0"),
        ({"study": 1, "weights": {"luck": 1}}, "weights"),
        ({"study": 1, "scenario": "production", "constraints": {"peak_memory_bytes": -1}}, "constraints"),
    ],
)
async def test_a_bad_recommendation_request(api: httpx.AsyncClient, request_body: dict[str, Any], said: str) -> None:
    answer = await api.post("/api/v1/recommendations", json=request_body)
    assert answer.status_code == 422
    assert said in json.dumps(answer.json())
