"""The study page in a real browser: a grid whose best learning rate lies at its edge gets two more points."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI
from sqlalchemy import select

from app.db.session import system_session
from app.db.tables import Run, Study
from app.main import create_app
from app.schemas import MethodEntry, StudyDocument
from app.services import run_queue, studies
from app.services.callers import LOCAL
from app.settings import Settings
from peft_core.spec import Budget, RunResult
from tests.flow.conftest import Serve
from tests.flow.evidence import check_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

RATES = [1e-3, 3e-3, 9e-3]
SCORES = {"lora": {1e-3: 0.7, 3e-3: 0.8, 9e-3: 0.9}, "bitfit": {1e-3: 0.7, 3e-3: 0.9, 9e-3: 0.8}}
DOCUMENT = StudyDocument(
    name="Narrow",
    budget=Budget(steps=5, batch_size=4, max_length=32),
    seeds=1,
    methods=[MethodEntry(method=method, learning_rates=RATES) for method in ("lora", "bitfit")],
    references=[],
)


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    """A study that has run: LoRA's best rate is the largest one, BitFit's lies within."""
    settings = Settings(home=tmp_path)
    app = create_app(settings)
    engine = app.state.engine
    study = studies.create_study(engine, settings, LOCAL, DOCUMENT)
    with system_session(engine) as session:
        session.get_one(Study, study).precision = "fp32"
        worker = run_queue.register_worker(session, "machine:7", "cpu", {})
    while True:
        with system_session(engine) as session:
            found = run_queue.claim_next_run(session, worker, store=tmp_path, lease_seconds=30, alone=True)
        if found is None:
            return app
        score = SCORES[found.spec.method][found.spec.learning_rate or 0.0]
        with system_session(engine) as session:
            done = RunResult(validation_score=score, train_seconds=1.0, artifacts=(), environment={})
            run_queue.finish_run(session, found, done, ())


@pytest.fixture
def page(app: FastAPI, serve: Serve, browser: "Browser") -> "Iterator[Page]":
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    page = context.new_page()
    with serve(app) as address:
        page.goto(f"{address}/studies/1")
        page.locator("#study-view").get_by_text("Tuning").click()
        yield page
        context.close()


def rates_queued(app: FastAPI) -> list[float | None]:
    with system_session(app.state.engine) as session:
        waiting = select(Run.learning_rate).where(Run.purpose == "tune", Run.status == "queued")
        return list(session.scalars(waiting.order_by(Run.id)))


def test_two_points_are_added_beyond_the_edge_and_the_budget_says_so(page: "Page", app: FastAPI) -> None:
    button = page.get_by_role("button", name="Add two points")
    button.wait_for()
    assert button.count() == 1
    lora = page.get_by_role("row").filter(has_text="LoRA")
    assert lora.locator("td").first.inner_text() == "3"
    button.click()
    page.get_by_text("Two points above the grid of LoRA").wait_for()
    assert rates_queued(app) == [2.7e-2, 8.1e-2]
    lora.filter(has_text="not yet").wait_for()
    assert lora.locator("td").first.inner_text() == "5"
    assert button.count() == 0
    assert check_page(page, app.state.engine) == []


def test_a_refusal_says_why_and_adds_nothing(page: "Page", app: FastAPI) -> None:
    page.get_by_role("button", name="Add two points").wait_for()
    with system_session(app.state.engine) as session:
        session.get_one(Study, 1).base_model_sha256 = "0" * 64
    page.get_by_role("button", name="Add two points").click()
    page.get_by_text("The base model's files have changed").wait_for()
    assert rates_queued(app) == []
