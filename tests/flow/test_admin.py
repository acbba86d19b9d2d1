"""The Admin page in a real browser: a worker is paused, leftovers are freed, nothing secret is shown."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from fastapi import FastAPI
from sqlalchemy import select

from app.db.session import system_session
from app.db.tables import ArtifactRow, Run, Worker
from app.main import create_app
from app.services import run_queue
from app.settings import Settings
from tests.flow.conftest import Serve
from tests.flow.finished_study import insert

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, serve: Serve) -> Iterator[tuple[FastAPI, str]]:
    """A living worker, and a study of which one run keeps a file."""
    settings = Settings(home=Path(tmp_path_factory.mktemp("home")), hub_token="hunter2")
    app = create_app(settings)
    with system_session(app.state.engine) as session:
        study = insert(session, team_id=1)
        run = session.scalars(select(Run).where(Run.study_id == study.id)).first()
        assert run is not None
        session.add(ArtifactRow(team_id=1, run_id=run.id, path="a", size_bytes=2_500_000, sha256="a" * 64))
    with serve(app) as address:
        yield app, address


@pytest.fixture
def page(browser: "Browser", served: tuple[FastAPI, str]) -> "Iterator[Page]":
    """A page that must not write an error or a warning to the console, beside a worker that is alive."""
    with system_session(served[0].state.engine) as session:
        session.query(Worker).delete()
        run_queue.register_worker(session, "host:7", "cpu", {"name": "a processor", "memory_bytes": 8 * 2**30})
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"{served[1]}/admin")
    page.wait_for_selector("#admin-workers table")
    yield page
    context.close()
    assert said == []


def test_a_worker_is_paused_and_resumed(page: "Page", served: tuple[FastAPI, str]) -> None:
    page.get_by_role("button", name="Pause worker host:7").click()
    page.get_by_role("button", name="Resume worker host:7").wait_for()
    page.get_by_text("Every worker is paused, so nothing is trained.").wait_for()
    with system_session(served[0].state.engine) as session:
        assert session.query(Worker).one().paused_at is not None
    page.get_by_role("button", name="Resume worker host:7").click()
    page.get_by_role("button", name="Pause worker host:7").wait_for()
    page.get_by_text("Nothing needs you").wait_for()


def test_a_worker_that_stops_is_told_without_a_reload(page: "Page", served: tuple[FastAPI, str]) -> None:
    page.wait_for_timeout(1_500)
    with system_session(served[0].state.engine) as session:
        worker = session.query(Worker).one()
        worker.stopped_at = worker.heartbeat_at
    page.get_by_text("No worker is running, so nothing is trained.").wait_for()
    assert "not running" in page.inner_text("#admin-workers")


def test_room_is_told_and_leftovers_freed(page: "Page", served: tuple[FastAPI, str]) -> None:
    assert "2.50\u202fMB" in page.inner_text("#admin-storage table")
    left = served[0].state.settings.store_folder / "runs" / "999"
    left.mkdir(parents=True)
    page.get_by_role("button", name="Free leftovers").click()
    page.get_by_text("Leftovers are gone.").wait_for()
    assert not left.exists()
    said = page.inner_text("#system")
    assert "set, not shown" in said
    assert "hunter2" not in page.content()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_is_readable_by_everyone_and_on_a_phone(browser: "Browser", served: tuple[FastAPI, str], theme: Any) -> None:
    width = 1280 if theme == "light" else 390
    context = browser.new_context(viewport={"width": width, "height": 860}, color_scheme=theme)
    page = context.new_page()
    page.goto(f"{served[1]}/admin")
    page.wait_for_selector("#people")
    found = Axe().run(page).response["violations"]
    grave = [
        (rule["id"], node) for rule in found if rule["impact"] in ("serious", "critical") for node in rule["nodes"]
    ]
    assert [f"{name}: {node['target']} {node['failureSummary'][:300]}" for name, node in grave] == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    context.close()
