"""GET comparisons and its file."""

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from app.client import AtlasClient
from app.db.session import system_session
from tests.flow.several_studies import insert_several

pytestmark = pytest.mark.anyio


async def test_it_is_asked_by_the_words_of_an_address(web: FastAPI, engine: Engine, api: httpx.AsyncClient) -> None:
    with system_session(engine) as session:
        insert_several(session, 3)
    client = AtlasClient.in_process(web)
    found = await client.compare_studies(studies="1,3", methods="lora,full", a="full", b=None)
    assert (found.chosen, found.chosen_methods) == ([3, 1], ["lora", "full"])
    assert found.pair is not None
    assert (found.pair.a, found.pair.b) == ("full", "lora")
    await client.close()
    answer = await api.get("/api/v1/comparisons/csv", params={"studies": "1", "methods": "lora,full"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.text.splitlines()[0].startswith("study,study_name")
    assert len(answer.text.splitlines()) == 3


@pytest.mark.parametrize("studies", ["one", "1;2", "-1"])
async def test_what_is_no_list_of_numbers_is_refused(api: httpx.AsyncClient, studies: str) -> None:
    answer = await api.get("/api/v1/comparisons", params={"studies": studies})
    assert answer.status_code == 422


async def test_a_number_too_long_for_an_id_names_nothing(api: httpx.AsyncClient) -> None:
    answer = await api.get("/api/v1/comparisons", params={"studies": "9" * 300})
    assert answer.status_code == 200
    assert answer.json()["studies"] == []
