"""Following what changes: told by websocket, one reading for all who look, nothing read when nobody does."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketTestSession

from app.client import AtlasClient
from app.db.session import system_session
from app.db.tables import Study
from app.main import create_app
from app.settings import Settings
from app.ui import live
from tests.flow.finished_study import insert

ADDRESS = f"ws://localhost{live.PATH}"
NAME = "Renamed by another process"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    app = create_app(Settings(home=Path(tmp_path_factory.mktemp("home"))))
    with system_session(app.state.engine) as session:
        insert(session, team_id=1)
    return app


@pytest.fixture
def browser(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, base_url="http://localhost") as browser:
        browser.get("/api/v1/studies/1")
        yield browser


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A subject of this test, and every reading of it: ended where its study is called so."""
    made: list[str] = []

    async def read(api: AtlasClient, what: str) -> Any:
        made.append(what)
        return (await api.study(int(what))).name

    live.follow("test", read, ended=lambda name: name == "Ended")
    return made


def rename(app: FastAPI, name: str) -> None:
    with system_session(app.state.engine) as session:
        session.get_one(Study, 1).name = name


def subscribe(socket: WebSocketTestSession, number: int = 1, seen: str = "") -> None:
    socket.send_json({"follow": number, "subject": "test", "what": "1", "seen": seen})


def wait_until_nothing_is_watched() -> None:
    deadline = time.monotonic() + 5
    while live.watching():
        assert time.monotonic() < deadline, live.watching()
        time.sleep(0.02)


def test_a_change_by_another_process_is_told_within_two_seconds(
    app: FastAPI, browser: TestClient, readings: list[str]
) -> None:
    with browser.websocket_connect(ADDRESS) as socket:
        subscribe(socket)
        first = socket.receive_json()
        rename(app, NAME)
        began = time.monotonic()
        told = socket.receive_json()
        assert time.monotonic() - began < 2
    assert told == {"changed": 1, "version": live.version_of(NAME)} != first


def test_who_has_seen_what_stands_is_told_only_of_what_comes(
    app: FastAPI, browser: TestClient, readings: list[str]
) -> None:
    rename(app, "Before")
    with browser.websocket_connect(ADDRESS) as socket:
        subscribe(socket, seen=live.version_of("Before"))
        time.sleep(0.3)
        rename(app, "After")
        assert socket.receive_json()["version"] == live.version_of("After")


def test_many_pages_share_one_reading_and_nothing_is_read_when_the_last_has_gone(
    app: FastAPI, browser: TestClient, readings: list[str]
) -> None:
    with browser.websocket_connect(ADDRESS) as one, browser.websocket_connect(ADDRESS) as other:
        subscribe(one)
        subscribe(other)
        assert one.receive_json() == other.receive_json()
        assert len(readings) == len(live.watching()) == 1
        one.send_json({"leave": 1})
        rename(app, "Heard by the other")
        assert other.receive_json()["version"] == live.version_of("Heard by the other")
    wait_until_nothing_is_watched()
    made = len(readings)
    time.sleep(1.3)
    assert len(readings) == made


def test_a_thing_that_has_ended_is_watched_no_more(app: FastAPI, browser: TestClient, readings: list[str]) -> None:
    rename(app, "Ended")
    with browser.websocket_connect(ADDRESS) as socket:
        subscribe(socket)
        assert "changed" in socket.receive_json()
        assert socket.receive_json() == {"ended": 1}
        wait_until_nothing_is_watched()
        assert len(readings) == 1


def test_a_refusal_is_told_like_a_change(browser: TestClient, readings: list[str]) -> None:
    with browser.websocket_connect(ADDRESS) as socket:
        socket.send_json({"follow": 7, "subject": "test", "what": "404", "seen": ""})
        assert socket.receive_json()["changed"] == 7


@pytest.mark.parametrize(
    "message", [{"follow": 1, "subject": "nothing", "what": "1"}, {"follow": "1"}, {"leave": 3}, [1, 2]]
)
def test_what_nobody_understands_does_no_harm(browser: TestClient, readings: list[str], message: Any) -> None:
    with browser.websocket_connect(ADDRESS) as socket:
        socket.send_json(message)
        subscribe(socket, 2)
        assert socket.receive_json()["changed"] == 2
