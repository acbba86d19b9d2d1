"""GET studies/{id}/export and POST imports/study, and the client's way to both."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from app.api.guard import LARGEST_BODY_BYTES
from app.client import ApiProblem, AtlasClient
from app.schemas import LARGEST_ARCHIVE_BYTES
from tests.app.services import exported

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(web: FastAPI) -> AsyncIterator[AtlasClient]:
    client = AtlasClient.in_process(web)
    yield client
    await client.close()


@pytest.fixture
def study(web: FastAPI) -> int:
    return exported.finished(web.state.engine)


@pytest.mark.parametrize(
    ("format", "media_type", "begins"),
    [
        ("json", "application/json", "{\n"),
        ("yaml", "application/yaml", "# Study 1, written by PEFT Atlas"),
        ("csv", "text/csv", "method,configuration,"),
        ("md", "text/markdown", "# Quickstart"),
        ("html", "text/html", "<!doctype html>"),
    ],
)
async def test_every_format_is_a_file_with_a_name(
    api: httpx.AsyncClient, study: int, format: str, media_type: str, begins: str
) -> None:
    answer = await api.get(f"/api/v1/studies/{study}/export", params={"format": format})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == f"{media_type}; charset=utf-8" or format in ("json", "yaml")
    assert answer.headers["content-type"].startswith(media_type)
    assert answer.headers["content-disposition"] == f'attachment; filename="study-{study}.{format}"'
    assert answer.text.startswith(begins)


async def test_the_default_is_strict_json(api: httpx.AsyncClient, study: int) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    answer = await api.get(f"/api/v1/studies/{study}/export")
    told = json.loads(answer.content, parse_constant=refuse)
    assert told["results"]["format"] == "peft-atlas-study/1"


async def test_importing_answers_the_study_and_the_same_one_again(client: AtlasClient, study: int) -> None:
    content = (await client.export_study(study)).encode()
    made = await client.import_study(content)
    again = await client.import_study(content)
    assert made.id == again.id != study
    assert (made.status, made.failures) == ("succeeded", 1)
    first, second = await client.comparison(study), await client.comparison(made.id)
    assert [cell.values for cell in first.cells] == [cell.values for cell in second.cells]


async def test_new_is_201_and_known_is_200(api: httpx.AsyncClient, study: int) -> None:
    content = (await api.get(f"/api/v1/studies/{study}/export")).content
    headers = {"content-type": "application/json"}
    answers = [await api.post("/api/v1/imports/study", content=content, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[0].headers["location"] == f"/api/v1/studies/{answers[0].json()['id']}"


async def test_a_damaged_file_is_a_problem_with_its_field(client: AtlasClient, study: int) -> None:
    told = json.loads(await client.export_study(study))
    told["results"]["runs"][4]["configuration"] = 77
    with pytest.raises(ApiProblem) as refused:
        await client.import_study(json.dumps(told).encode())
    assert (refused.value.status, refused.value.errors[0]["field"]) == (422, "results.runs.4.configuration")
    assert len((await client.studies()).items) == 1


@pytest.mark.parametrize("path", ["studies", "imports/study"])
async def test_a_large_export_is_read_and_a_hundred_megabytes_are_not(api: httpx.AsyncClient, path: str) -> None:
    headers = {"content-type": "application/json"}
    large = b"[" + b" " * (2 * LARGEST_BODY_BYTES) + b"]"
    assert (await api.post(f"/api/v1/{path}", content=large, headers=headers)).status_code == 422
    too_large = headers | {"content-length": "100000000"}
    assert (await api.post(f"/api/v1/{path}", content=b"{}", headers=too_large)).status_code == 413


@pytest.mark.parametrize("path", ["studies", "imports/study"])
async def test_so_is_one_of_undeclared_length(api: httpx.AsyncClient, path: str) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(LARGEST_ARCHIVE_BYTES // 1_000_000 + 2):
            yield b" " * 1_000_000

    answer = await api.post(f"/api/v1/{path}", content=pieces(), headers={"content-type": "application/json"})
    assert answer.status_code == 413


async def test_other_routes_read_no_more_than_before(api: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/json", "content-length": str(LARGEST_BODY_BYTES + 1)}
    assert (await api.post("/api/v1/recommendations", content=b"{}", headers=headers)).status_code == 413


async def test_an_exported_file_is_launched_as_a_new_study(api: httpx.AsyncClient, study: int) -> None:
    content = (await api.get(f"/api/v1/studies/{study}/export")).content
    answer = await api.post("/api/v1/studies", content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 201
    assert answer.json()["status"] == "queued"
    assert answer.json()["document"]["results"] is None
