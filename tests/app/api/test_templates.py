"""Study documents kept to start from, and as YAML that a person writes."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from app.services.studies import quickstart_document

pytestmark = pytest.mark.anyio

DOCUMENT: dict[str, Any] = {
    "name": "Tweets & mood",
    "task": {"dataset": "mood.csv", "kind": "classification", "text": "tweet", "label": "mood"},
    "budget": {"steps": 40, "batch_size": 16, "max_length": 32},
    "seeds": [3, 5],
    "methods": [{"method": "lora", "hyperparameters": {"rank": 4}, "learning_rates": [0.001, 0.003, 0.01]}],
    "references": ["full"],
}


async def test_a_template_is_kept_listed_and_deleted(api: httpx.AsyncClient) -> None:
    made = await api.post("/api/v1/templates", json={"name": "Mood", "document": DOCUMENT})
    assert made.status_code == 201
    told = made.json()
    assert (told["name"], told["created_by"]) == ("Mood", "local user")
    assert told["document"]["seeds"] == [3, 5]
    assert (await api.get("/api/v1/templates")).json()["items"] == [told]
    again = await api.post("/api/v1/templates", json={"name": "Mood", "document": DOCUMENT})
    assert again.status_code == 409
    assert (await api.delete(f"/api/v1/templates/{told['id']}")).status_code == 204
    assert (await api.delete(f"/api/v1/templates/{told['id']}")).status_code == 404
    assert (await api.get("/api/v1/templates")).json()["items"] == []


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"name": "", "document": DOCUMENT}, "name"),
        ({"name": " ", "document": DOCUMENT}, "name"),
        ({"name": "x", "document": DOCUMENT | {"methods": []}}, "document.methods"),
        ({"name": "x", "document": DOCUMENT | {"colour": 1}}, "document.colour"),
        ({"name": "x"}, "document"),
    ],
)
async def test_what_is_no_template_is_refused_by_field(
    api: httpx.AsyncClient, entry: dict[str, Any], field: str
) -> None:
    answer = await api.post("/api/v1/templates", json=entry)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


async def test_a_document_is_the_same_after_yaml(api: httpx.AsyncClient) -> None:
    for document in (DOCUMENT, quickstart_document().model_dump(mode="json")):
        text = (await api.post("/api/v1/study-documents/write", json=document)).json()["yaml"]
        read = await api.post("/api/v1/study-documents/read", json={"yaml": text})
        assert read.status_code == 200, read.json()
        kept = (await api.post("/api/v1/templates", json={"name": document["name"], "document": document})).json()
        assert read.json() == kept["document"]


async def test_the_document_of_the_architecture_is_read_as_written(api: httpx.AsyncClient) -> None:
    """YAML 1.2: 1e-3 is a number."""
    text = """\
name: Quickstart
base_model: minilm            # registered name, local folder or hub id
task: tweets
budget: {epochs: 3, batch_size: 8, max_length: 64}
seeds: 3
methods:
  - {method: lora, hyperparameters: {rank: 8}, learning_rates: [1e-3, 3e-3, 1e-2]}
  - {method: prefix_tuning}
references: [untuned, head_only, full]
"""
    read = (await api.post("/api/v1/study-documents/read", json={"yaml": text})).json()
    assert read["methods"][0]["learning_rates"] == [0.001, 0.003, 0.01]


@pytest.mark.parametrize(
    ("text", "said", "field"),
    [
        ("", "Line 1: this is no study document", "yaml"),
        ("- a\n- b", "Line 1: this is no study document", "yaml"),
        ("name: [unclosed", "Line 1, column", "yaml"),
        ("name: x\n\tmethods: []", "Line 2, column 1", "yaml"),
        ("name: x\nname: y\nmethods: []", "Line 2", "yaml"),
        ("name: x\nmethods:\n  - {method: lora}\n  - {methd: lora}", "Line 4, methods.1.method", "methods.1.method"),
        ("name: x\nmethods:\n  - method: lora\nbudget:\n  epochs: 0", "Line 5, budget.epochs", "budget.epochs"),
        ("name: x\nmethods:\n  - method: lora\nbudget:\n  epochs: three", "Line 5, budget.epochs", "budget.epochs"),
        ("name: x\nmethods:\n  - method: lora\ncolour: red", "Line 4, colour: there is no such field", "colour"),
        ("name: x", "Line 1, methods", "methods"),
        ("name: x\nmethods:\n  - method: lora\ntask: {dataset: a.csv}", "Line 4, task.text", "task.text"),
        ("a: &a [x]\nb: *a", "Line 1: anchors, aliases and tags are not read", "yaml"),
        ("a: !!python/object:os.system x", "Line 1: anchors, aliases and tags are not read", "yaml"),
        ("a: " + "[" * 60 + "]" * 60, "nested too deeply", "yaml"),
        ("name: \ud83d\x00", "", "yaml"),
    ],
)
async def test_yaml_that_is_wrong_is_told_by_line_and_field(
    api: httpx.AsyncClient, text: str, said: str, field: str
) -> None:
    body = text.encode("utf-8", "replace").decode()
    answer = await api.post("/api/v1/study-documents/read", json={"yaml": body})
    assert answer.status_code == 422
    problem = answer.json()
    assert said in problem["detail"]
    assert problem["errors"][0]["field"] == field


async def test_too_much_yaml_is_refused(api: httpx.AsyncClient) -> None:
    answer = await api.post("/api/v1/study-documents/read", json={"yaml": "a" * 200_001})
    assert answer.status_code == 422


async def test_nested_brackets_end_soon(api: httpx.AsyncClient, home: Path) -> None:
    answer = await api.post("/api/v1/study-documents/read", json={"yaml": "a: " + "[" * 50_000})
    assert answer.status_code == 422
    assert not (home / "datasets").exists()
