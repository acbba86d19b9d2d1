"""The queue's page in a real browser: what is chosen stays in its address, and what is asked for is done."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI
from playwright.sync_api import expect
from sqlalchemy import select

from app.db.session import system_session
from app.db.tables import Run, Study, Worker
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
        for run in [run for run in study.runs if run.status == "succeeded"][-2:]:
            run.status = "queued"
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


def test_what_is_chosen_is_in_the_address_and_there_again_after_a_reload(page: "Page") -> None:
    page.get_by_role("textbox", name="State").click()
    page.get_by_role("option", name="Failed", exact=True).click()
    page.get_by_role("textbox", name="Purpose").click()
    page.get_by_role("option", name="Reporting").click()
    expect(page.locator("#queue-rows tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"/runs\?status=failed&purpose=report$"))
    page.reload()
    expect(page.get_by_role("textbox", name="Purpose")).to_have_value("Reporting")
    expect(page.locator("#queue-rows tbody tr")).to_have_count(1)


def test_a_study_is_put_first_and_a_waiting_run_is_cancelled(page: "Page", app: FastAPI) -> None:
    page.get_by_role("button", name="First: Quickstart").click()
    expect(page.get_by_role("button", name="First: Quickstart")).to_have_attribute("aria-pressed", "true")
    with system_session(app.state.engine) as session:
        assert session.get_one(Study, 1).priority > 0
    row = page.locator("#queue-rows tbody tr").first
    run = row.get_by_role("link").first.get_attribute("href")
    row.get_by_role("button", name=re.compile("^Cancel ")).click()
    expect(page.locator(f'#queue-rows a[href="{run}"]')).to_have_count(0)


def test_a_running_run_is_stopped_only_after_a_second_word(page: "Page", app: FastAPI) -> None:
    with system_session(app.state.engine) as session:
        run = session.scalars(select(Run).where(Run.status == "queued").limit(1)).one()
        run.status, run.worker_id, run.phase = "running", 1, "training"
    page.get_by_role("button", name=re.compile("^Stop ")).click()
    dialog = page.get_by_role("dialog", name="Stop this run?")
    dialog.get_by_role("button", name="Keep running").click()
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name=re.compile("^Stop ")).click()
    dialog.get_by_role("button", name="Stop the run").click()
    expect(page.get_by_role("button", name="Stopping")).to_be_disabled()
