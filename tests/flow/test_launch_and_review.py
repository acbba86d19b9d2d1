"""The whole way of a number: launched from the form, measured by a worker, read on the study page."""

import json
import re
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from app.db.session import make_engine, system_session
from app.db.tables import MeasurementRow
from tests.flow.conftest import Start
from tests.flow.evidence import check_page, read_page

pytestmark = pytest.mark.browser

PATIENCE_MS = 120_000
"""The form holds every method's fields; a busy machine takes its time over the first page."""
expect.set_options(timeout=PATIENCE_MS)

STUDY_SECONDS = 900
"""Ten runs, five of them cost probes of all metrics: one minute where the cores are quick and free, ten where not."""


def ask(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def wait_until_ended(study: str, seconds: float = STUDY_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while (status := ask(study)["status"]) in ("queued", "running"):
        assert time.monotonic() < deadline, "the study never ended"
        time.sleep(0.5)
    assert status == "succeeded"


def fill_form(page: Page) -> None:
    """Two methods, a CSV of one's own, as little training as shows a number."""
    page.locator("#study-name").fill("From the form")
    page.locator("#study-task").click()
    page.get_by_role("option", name="A dataset of my own").click()
    page.locator("#study-dataset").fill("few.csv")
    page.locator(".step").nth(4).click()
    page.locator("#study-length-kind").click()
    page.get_by_role("option", name="optimizer steps").click()
    for field, value in (("length", "3"), ("batch", "4"), ("max-length", "24"), ("seeds", "1")):
        page.locator(f"#study-{field}").fill(value)
    page.locator(".step").nth(2).click()
    page.locator("#study-grid").click()
    page.get_by_role("option", name="1: no tuning").click()
    page.locator(".step").nth(6).click()


@pytest.mark.timeout(STUDY_SECONDS + 300)
def test_a_study_from_the_form_to_a_cell(start: Start, browser: Browser, few_tweets: Path) -> None:
    with start(few_tweets) as url:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        foreign: list[str] = []
        page.on(
            "request",
            lambda request: (
                foreign.append(request.url) if not request.url.startswith((url, "data:", "blob:")) else None
            ),
        )
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        # Dash tells a callback that broke on the console.
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.goto(f"{url}/studies/new")
        expect(page.locator(".method-card[aria-pressed=true]")).to_have_count(2, timeout=PATIENCE_MS)
        fill_form(page)
        expect(page.locator("#study-size")).to_contain_text("10 runs")
        page.locator("#launch-study").click()
        page.wait_for_url(re.compile(r"/studies/\d+$"), timeout=PATIENCE_MS)
        wait_until_ended(f"{url}/api/v1/studies/1")
        page.reload()
        page.wait_for_selector(".js-plotly-plot .heatmaplayer", timeout=PATIENCE_MS)
        page.wait_for_timeout(1_500)

        comparison = ask(f"{url}/api/v1/studies/1/comparison")
        cell = next(c for c in comparison["cells"] if c["method"] == "lora" and c["metric"] == "task_performance")
        shown = read_page(page)
        engine = make_engine(f"sqlite:///{few_tweets / 'atlas.sqlite'}")
        with system_session(engine) as session:
            stored = session.scalar(
                select(MeasurementRow.value).where(
                    MeasurementRow.run_id == cell["run_ids"][0], MeasurementRow.metric == "task_performance"
                )
            )
        wrong = check_page(page, engine, store=few_tweets / "store")
        for path in (
            "/",
            "/studies",
            "/studies/new",
            "/runs?status=succeeded",
            f"/runs/{cell['run_ids'][0]}",
            "/recommend",
        ):
            page.goto(url + path)
            page.wait_for_timeout(3_000)
            wrong += [f"{path}: {problem}" for problem in check_page(page, engine, store=few_tweets / "store")]
        engine.dispose()
        assert cell["mean"] == stored
        on_heatmap = {
            float(number.sourced["value"])
            for number in shown.numbers
            if number.sourced["source"] == f"runs:{cell['run_ids'][0]}"
            and number.sourced.get("metric") == "task_performance"
            and number.sourced["statistic"] == "value"
        }
        assert on_heatmap == {stored}
        assert wrong == []
        assert foreign == []
        assert errors == []
