"""POST imports/hf-peft, studies/{id}/runs and runs/{id}/points, and the client's way to them."""

import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.api.guard import LARGEST_UPLOAD_BYTES
from app.client import ApiProblem, AtlasClient
from app.schemas import MethodEntry, StudyDocument
from peft_core.spec import Budget
from tests.app.services.imports.result_files import image_result, result
from tests.databases import on_both_databases

pytestmark = [pytest.mark.anyio, on_both_databases]

IMPORT = "/api/v1/imports/hf-peft"
DOCUMENT = StudyDocument(
    name="Mine",
    budget=Budget(steps=5, batch_size=4, max_length=32),
    seeds=1,
    grid_points=1,
    methods=[MethodEntry(method="lora")],
    references=[],
)
RUN = {"method": "lora", "hyperparameters": {"rank": 4}, "seed": 0, "metrics": {"task_performance": 0.9}}


def encoded(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()


async def test_the_client_imports_files_by_their_paths(web: FastAPI) -> None:
    client = AtlasClient.in_process(web)
    files = {
        "MetaMathQA/results/a.json": encoded(result("lora/a")),
        "image-gen/results/b.json": encoded(image_result("lora/b")),
        "image-gen/results/bad.json": b"[]",
    }
    report = await client.import_hf_peft(files)
    assert (report.imported, report.unchanged) == (2, 0)
    assert [(refused.file, refused.reason) for refused in report.refused] == [
        (
            "image-gen/results/bad.json",
            "It holds a list where an object with run_info and train_info is expected.",
        )
    ]
    assert (await client.import_hf_peft(files)).unchanged == 2
    for study_id in report.study_ids:
        study = await client.study(study_id)
        assert study.origin is not None
        comparison = await client.comparison(study_id)
        assert {cell.source for cell in comparison.cells} == {"imported"}
        with pytest.raises(ApiProblem) as cancelled:
            await client.cancel_study(study_id)
        assert (cancelled.value.status, "were imported" in str(cancelled.value)) == (409, True)
    assert {view.name for view in (await client.studies()).items} == {"MetaMathQA", "image-gen"}
    run = (await client.runs(study_id=report.study_ids[0])).items[0]
    assert (await client.run(run.id)).origin is not None
    await client.close()


async def test_answers_are_strict_json(api: httpx.AsyncClient) -> None:
    text = json.dumps(image_result("lora/a")).replace("0.27", "NaN").encode()
    made = await api.post(IMPORT, files=[("files", ("image-gen/results/a.json", text))])
    study = made.json()["study_ids"][0]
    for path in (f"studies/{study}", f"studies/{study}/comparison", f"runs?study_id={study}", "runs/1"):
        answer = await api.get(f"/api/v1/{path}")
        assert answer.status_code == 200
        json.loads(answer.text, parse_constant=pytest.fail)


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{}", "application/json", 415),
        (b"", "multipart/form-data; boundary=x", 422),
        (b"nothing of a form", "multipart/form-data; boundary=x", 422),
        (b"--x\r\n\r\n", "multipart/form-data", 422),
    ],
)
async def test_what_is_no_form_of_files_is_refused(
    api: httpx.AsyncClient, content: bytes, kind: str, status: int
) -> None:
    answer = await api.post(IMPORT, content=content, headers={"content-type": kind})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_too_much_is_refused_before_it_is_read(api: httpx.AsyncClient) -> None:
    answer = await api.post(IMPORT, files=[("files", ("a.json", bytes(LARGEST_UPLOAD_BYTES + 1)))])
    assert answer.status_code == 413


async def test_more_files_than_a_form_may_have_are_refused_in_a_sentence(api: httpx.AsyncClient) -> None:
    answer = await api.post(IMPORT, files=[("files", (f"{place}.json", b"{}")) for place in range(1_001)])
    assert (answer.status_code, "at most 1,000 files" in answer.json()["detail"]) == (422, True)


async def test_a_page_of_another_site_cannot_send_a_form(api: httpx.AsyncClient) -> None:
    files = [("files", ("MetaMathQA/a.json", encoded(result())))]
    answer = await api.post(IMPORT, files=files, headers={"origin": "https://elsewhere.example"})
    assert answer.status_code == 403


async def test_a_file_is_refused_alone_where_it_is_too_large(api: httpx.AsyncClient) -> None:
    files = [("files", ("MetaMathQA/a.json", encoded(result()))), ("files", ("MetaMathQA/b.json", bytes(3_000_000)))]
    report = (await api.post(IMPORT, files=files)).json()
    assert report["imported"] == 1
    assert "larger than" in report["refused"][0]["reason"]


async def test_runs_and_points_from_elsewhere(web: FastAPI) -> None:
    client = AtlasClient.in_process(web)
    study = (await client.create_study(DOCUMENT)).id
    made = await client.add_runs(study, {"items": [RUN, RUN | {"seed": 1}]}, key="once")
    again = await client.add_runs(study, {"items": [RUN, RUN | {"seed": 1}]}, key="once")
    assert [run.id for run in made.items] == [run.id for run in again.items]
    assert {run.source for run in made.items} == {"imported"}
    points = {"items": [{"key": "train_loss", "step": step, "value": 1.0 / step} for step in (1, 2)]}
    assert (await client.add_points(made.items[0].id, points)).written == 2
    assert [point.value for point in (await client.series(made.items[0].id, "train_loss")).points] == [1.0, 0.5]
    with pytest.raises(ApiProblem) as refused:
        await client.add_points(1, points)
    assert refused.value.status == 409
    await client.close()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"items": []}, "items"),
        ({"items": [RUN | {"seed": -1}]}, "items.0.seed"),
        ({"items": [RUN | {"seed": 2**40}]}, "items.0.seed"),
        ({"items": [RUN | {"surprise": 1}]}, "items.0.surprise"),
        ({"items": [RUN | {"metrics": {"task_performance": "high"}}]}, "items.0.metrics.task_performance"),
        ({"items": [RUN | {"metrics": {"no_such": 1}}]}, "items.0.metrics.no_such"),
        ({"items": [RUN, RUN]}, "items.1.seed"),
        ([RUN], ""),
    ],
    ids=range(8),
)
async def test_a_bad_batch_names_its_field(api: httpx.AsyncClient, body: Any, field: str) -> None:
    made = (await api.post("/api/v1/studies", json=DOCUMENT.model_dump(mode="json"))).json()
    answer = await api.post(f"/api/v1/studies/{made['id']}/runs", json=body)
    assert answer.status_code in (409, 422)
    assert answer.json()["errors"][0]["field"] == field


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
async def test_numbers_that_are_not_finite_are_refused(api: httpx.AsyncClient, number: str) -> None:
    made = (await api.post("/api/v1/studies", json=DOCUMENT.model_dump(mode="json"))).json()
    text = json.dumps({"items": [RUN]}).replace("0.9", number)
    answer = await api.post(
        f"/api/v1/studies/{made['id']}/runs", content=text, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 422


async def test_an_unknown_study_or_run_is_a_404(api: httpx.AsyncClient) -> None:
    assert (await api.post("/api/v1/studies/99/runs", json={"items": [RUN]})).status_code == 404
    points = {"items": [{"key": "a", "step": 0, "value": None}]}
    assert (await api.post("/api/v1/runs/99/points", json=points)).status_code == 404
