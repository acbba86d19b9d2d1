"""What scripts and notebooks use of the client: tokens, waiting, cells as rows, no `await`, and what is said of it."""

import ast
import csv
import inspect
import io
import re
import textwrap
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from app.client import ApiProblem, AtlasClient, connect
from app.db.session import system_session
from app.db.tables import Run
from app.main import create_app
from app.schemas import StudyDocument
from app.settings import Settings
from tests.app.services import exported
from tests.dependencies import ROOT
from tests.flow.conftest import free_port, serving

pytestmark = pytest.mark.anyio

SMALL = StudyDocument.model_validate(
    {
        "name": "Small",
        "budget": {"steps": 2, "batch_size": 4, "max_length": 16},
        "seeds": 1,
        "methods": [{"method": "bitfit", "learning_rates": [1e-3]}],
        "references": [],
    }
)

SHARED = ("method", "configuration", "metric", "unit", "better", "mean", "lo", "hi", "n", "failures")


@pytest.fixture
def server(settings: Settings) -> Iterator[tuple[str, FastAPI]]:
    web = create_app(settings)
    with serving(web) as url:
        yield url, web


def end_runs(engine: Engine, status: str) -> None:
    with system_session(engine) as session:
        session.query(Run).update({"status": status})


async def test_a_token_is_sent_as_bearer() -> None:
    async with AtlasClient.at("http://127.0.0.1", token="t-1") as atlas:
        assert atlas._http.headers["authorization"] == "Bearer t-1"
    assert atlas._http.is_closed
    async with AtlasClient.at("http://127.0.0.1") as atlas:
        assert "authorization" not in atlas._http.headers


@pytest.mark.parametrize("status", ["succeeded", "failed", "cancelled"])
async def test_a_study_is_waited_for_however_it_ends(server: tuple[str, FastAPI], status: str) -> None:
    url, web = server
    async with AtlasClient.at(url) as atlas:
        study = await atlas.create_study(SMALL)
        ending = threading.Timer(0.3, end_runs, (web.state.engine, status))
        ending.start()
        ended = await atlas.wait_for_study(study.id, timeout_seconds=10, every_seconds=0.05)
        ending.join()
    assert (ended.id, ended.status) == (study.id, status)


async def test_waiting_has_an_end(server: tuple[str, FastAPI]) -> None:
    async with AtlasClient.at(server[0]) as atlas:
        study = await atlas.create_study(SMALL)
        began = time.monotonic()
        with pytest.raises(TimeoutError, match=r"Study 1 has not ended within 0\.2 seconds\."):
            await atlas.wait_for_study(study.id, timeout_seconds=0.2, every_seconds=0.05)
        assert time.monotonic() - began < 2
        with pytest.raises(ApiProblem, match="study 99"):
            await atlas.wait_for_study(99)


def test_a_server_that_is_started_again_is_waited_for(settings: Settings) -> None:
    port = free_port()
    web = create_app(settings)
    with connect(f"http://127.0.0.1:{port}") as atlas:
        with serving(web, port=port):
            study = atlas.create_study(SMALL)
            found: list[str] = []
            waiting = threading.Thread(
                target=lambda: found.append(atlas.wait_for_study(study.id, every_seconds=0.05).status)
            )
            waiting.start()
            time.sleep(0.2)
        end_runs(web.state.engine, "succeeded")
        time.sleep(0.3)
        assert waiting.is_alive()
        with serving(web, port=port):
            waiting.join(10)
    assert found == ["succeeded"]


async def test_a_server_that_stays_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.client.waiting.RESTART_SECONDS", 0.1)
    async with AtlasClient.at(f"http://127.0.0.1:{free_port()}") as atlas:
        with pytest.raises(httpx.ConnectError):
            await atlas.wait_for_study(1, every_seconds=0.05)


async def test_cells_are_rows_with_the_numbers_of_the_exported_table(server: tuple[str, FastAPI]) -> None:
    url, web = server
    study = exported.finished(web.state.engine)
    async with AtlasClient.at(url) as atlas:
        rows = await atlas.cells_table(study)
        lines = list(csv.DictReader(io.StringIO(await atlas.export_study(study, "csv"))))
    assert len(rows) == len(lines) > 50
    for row, line in zip(rows, lines, strict=True):
        told = {name: "" if value is None else str(value) for name, value in row.items() if name in SHARED}
        assert told == {name: line[name] for name in SHARED}
        assert line["run_ids"] == " ".join(map(str, row["run_ids"]))
        assert (row["mean"] is None) == (row["missing"] is not None)


def test_a_script_needs_no_await(server: tuple[str, FastAPI]) -> None:
    with connect(server[0]) as atlas:
        study = atlas.create_study(SMALL, key="once")
        assert atlas.create_study(SMALL, key="once").id == study.id
        assert [view.name for view in atlas.studies().items] == ["Small"]
        with pytest.raises(ApiProblem) as refused:
            atlas.study(99)
        assert refused.value.status == 404
        assert not hasattr(atlas, "in_process")


async def test_it_works_where_a_loop_is_running_already(server: tuple[str, FastAPI]) -> None:
    with connect(server[0]) as atlas:
        assert atlas.tasks()


DOCUMENT = (ROOT / "docs" / "sdk.md").read_text(encoding="utf-8")


def calls() -> Iterator[ast.Call]:
    """What the examples of docs/sdk.md ask of a client."""
    for example in re.findall(r"^```python\n(.*?)^```", DOCUMENT, flags=re.MULTILINE | re.DOTALL):
        # In a function of its own, where awaiting is allowed.
        tree = ast.parse(f"async def example():\n{textwrap.indent(example, '    ')}")
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("atlas."):
                yield node


def test_the_examples_of_the_document_call_what_there_is() -> None:
    named = set()
    for call in calls():
        assert isinstance(call.func, ast.Attribute)
        method = getattr(AtlasClient, call.func.attr)
        keywords = {str(given.arg): None for given in call.keywords}
        inspect.signature(method).bind(None, *call.args, **keywords)
        named.add(call.func.attr)
    assert {"create_study", "wait_for_study", "cells_table", "export_study", "runs"} <= named


def test_the_methods_of_the_document_are_those_of_the_client() -> None:
    table = "".join(line for line in DOCUMENT.splitlines() if line.startswith("| "))
    named = set(re.findall(r"`([a-z_]+)`", table))
    assert len(named) > 40
    assert [name for name in named if not inspect.iscoroutinefunction(getattr(AtlasClient, name, None))] == []


async def test_the_columns_of_the_document_are_those_of_the_rows(server: tuple[str, FastAPI]) -> None:
    study = exported.finished(server[1].state.engine)
    async with AtlasClient.at(server[0]) as atlas:
        (first, *_) = await atlas.cells_table(study)
    (listed,) = re.findall(r"takes: (.*?)\. The names", DOCUMENT, flags=re.DOTALL)
    assert re.findall(r"`(\w+)`", listed) == list(first)


def test_every_method_says_what_it_gives() -> None:
    methods = inspect.getmembers(AtlasClient, inspect.iscoroutinefunction)
    assert [name for name, method in methods if not name.startswith("_") and not method.__doc__] == []
