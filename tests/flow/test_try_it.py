"""Try it with a real worker: a run of MiniLM is trained, asked on its page, and merged."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, update

from app.db.session import system_session
from app.db.tables import Run
from app.main import create_app
from app.schemas import MethodEntry, StudyDocument, TaskEntry
from app.services import studies
from app.services.callers import LOCAL
from app.settings import Settings
from peft_core.spec import Budget
from tests.app.worker.test_loop import ended, wait_until, working
from tests.flow.conftest import Serve
from tests.flow.evidence import check_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]

STUDY = StudyDocument(
    name="Tweets",
    budget=Budget(steps=30, batch_size=8, max_length=32),
    task=TaskEntry(dataset="few.csv", text="text", label="label"),
    seeds=1,
    methods=[MethodEntry(method="lora", learning_rates=[1e-2])],
    references=[],
    metrics=["task_performance", "storage_bytes"],
)


@pytest.fixture
def page(browser: "Browser") -> "Iterator[Page]":
    context = browser.new_context(viewport={"width": 1280, "height": 1200})
    yield context.new_page()
    context.close()


def test_a_trained_run_is_asked_and_merged_on_its_page(page: "Page", few_tweets: Path, serve: Serve) -> None:
    settings = Settings(home=few_tweets)
    app = create_app(settings)
    engine = app.state.engine
    studies.create_study(engine, settings, LOCAL, STUDY)
    with system_session(engine) as session:
        # What costs are is nothing to this test.
        session.execute(update(Run).where(Run.purpose == "probe").values(status="succeeded"))
    with serve(app) as address, working(engine, settings, "peft_core.run:run"):
        wait_until(lambda: ended(engine), 200)
        with system_session(engine) as session:
            run = session.scalars(select(Run).where(Run.purpose == "report")).one().id
        page.goto(f"{address}/runs/{run}")
        page.click(".run-examples .chip >> nth=0")
        page.wait_for_function("() => document.querySelector('#run-ask-text').value.length > 0")
        page.click("#run-ask")
        page.wait_for_selector(".run-answer .run-bars", timeout=40_000)
        assert page.locator(".run-side-adapted .run-bars tr").count() == 2
        assert "Nothing was computed" in page.inner_text(".run-side-base")
        page.wait_for_selector("#run-layer-shown .js-plotly-plot .scatterlayer")
        assert check_page(page, engine, store=settings.store_folder) == []
        page.reload()
        page.wait_for_selector(".run-answer .run-bars")
        page.click("#run-merge")
        page.click("#run-merge-yes")
        page.wait_for_selector("#run-merge-state .run-merged", timeout=60_000)
        assert "merged/model.safetensors" in page.inner_text("#run-merge-state")
        assert check_page(page, engine, store=settings.store_folder) == []
