"""The queue's page in a real browser: a worker is paused and resumed beside its name."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI

from app.db.session import system_session
from app.db.tables import Worker
from app.main import create_app
from app.services import run_queue
from app.settings import Settings
from tests.flow.conftest import Serve
from tests.flow.finished_study import insert

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    """One worker that lives, and a run that waits."""
    app = create_app(Settings(home=tmp_path))
    with system_session(app.state.engine) as session:
        study = insert(session, team_id=1)
        study.runs[-1].status = "queued"
        run_queue.register_worker(session, "machine:7", "cpu", {"name": "a processor"})
    return app


@pytest.fixture
def page(app: FastAPI, serve: Serve, browser: "Browser") -> "Iterator[Page]":
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    page = context.new_page()
    with serve(app) as address:
        page.goto(f"{address}/runs")
        yield page
        context.close()


def is_paused(app: FastAPI) -> bool:
    with system_session(app.state.engine) as session:
        return session.get_one(Worker, 1).paused_at is not None


def test_a_worker_is_paused_and_resumed_beside_its_name(page: "Page", app: FastAPI) -> None:
    page.get_by_role("button", name="Pause worker machine:7").click()
    page.get_by_role("button", name="Resume worker machine:7").wait_for()
    assert is_paused(app)
    assert "takes no run" in page.inner_text("#queue-workers")
    assert "Every worker is paused" in page.inner_text("#queue-note")
    page.get_by_role("button", name="Resume worker machine:7").click()
    page.get_by_role("button", name="Pause worker machine:7").wait_for()
    assert not is_paused(app)
    assert page.inner_text("#queue-note") == ""
