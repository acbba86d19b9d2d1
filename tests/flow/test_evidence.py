"""The walker of the data-source rule: it finds every number, agrees with the database, and cannot be fooled."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI
from sqlalchemy import select

from app.db.session import system_session, team_session
from app.db.tables import MeasurementRow
from app.main import create_app
from app.settings import Settings
from peft_core import assets
from tests.flow.conftest import Serve
from tests.flow.evidence import check_page, disagreements, read_page
from tests.flow.finished_study import insert

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, serve: Serve) -> Iterator[tuple[FastAPI, str]]:
    """The real application, with one finished study, at an address of its own."""
    app = create_app(Settings(home=Path(tmp_path_factory.mktemp("home"))))
    with system_session(app.state.engine) as session:
        study = insert(session, team_id=1)
        study.base_model_path = str(assets.base_models()["minilm"].folder)
    with serve(app) as address:
        yield app, address


@pytest.fixture
def page(browser: "Browser") -> "Iterator[Page]":
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    yield context.new_page()
    context.close()


def open_study(page: "Page", address: str) -> None:
    page.goto(f"{address}/studies/1")
    page.wait_for_selector("#study-figure .js-plotly-plot .hm")
    page.wait_for_selector("#study-radar-figure .js-plotly-plot .scatterlayer")


def open_recommend(page: "Page", address: str, query: str = "") -> None:
    page.goto(f"{address}/recommend?study=1&{query}")
    page.wait_for_selector(".recommend-ranking")


# -- the pages obey ---------------------------------------------------------------------------------------------------


def test_every_number_of_the_study_page_is_what_the_database_gives(page: "Page", served: tuple[FastAPI, str]) -> None:
    open_study(page, served[1])
    assert check_page(page, served[0].state.engine) == []
    numbers = read_page(page).numbers
    assert len(numbers) > 300
    assert {"mean", "half_width", "lo", "hi", "normalised", "difference", "corrected_lo", "p_value", "ratio"} <= {
        number.sourced["statistic"] for number in numbers
    }


VIEWS = ["Table", "Differences", "Predicted", "Tuning", "Seeds", "Failures", "Environment"]


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_of_the_study_obeys(page: "Page", served: tuple[FastAPI, str], view: str) -> None:
    landmark = {"Table": "#study-grid .ag-cell", "Tuning": ".study-chosen", "Seeds": "a[href='/runs/1']"}
    landmark["Differences"] = "#study-evidence table [data-source]"
    landmark |= {"Predicted": ".box-estimated", "Environment": ".study-environment [data-source]"}
    open_study(page, served[1])
    page.locator("#study-view").get_by_text(view, exact=True).click()
    page.wait_for_selector(landmark.get(view, "[data-quote]"))
    assert check_page(page, served[0].state.engine) == []


def test_a_narrow_study_page_obeys_and_does_not_scroll_sideways(page: "Page", served: tuple[FastAPI, str]) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{served[1]}/studies/1")
    page.wait_for_selector("#study-figure .js-plotly-plot .textpoint")
    assert check_page(page, served[0].state.engine) == []
    assert page.evaluate("document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize(
    "query", ["scenario=multi_task", "scenario=production&weights=quality:0.9,memory:0.1&floor=0.8"]
)
def test_every_number_of_the_recommend_page_comes_from_its_question(
    page: "Page", served: tuple[FastAPI, str], query: str
) -> None:
    open_recommend(page, served[1], query)
    assert check_page(page, served[0].state.engine) == []
    assert {"p_best", "score", "p_best_changed"} <= {n.sourced["statistic"] for n in read_page(page).numbers}


def test_the_recommend_page_keeps_its_case_in_the_address(page: "Page", served: tuple[FastAPI, str]) -> None:
    open_recommend(page, served[1], "scenario=multi_task")
    page.get_by_role("slider", name="Weight of task quality").press("ArrowRight")
    page.wait_for_function("() => location.search.includes('quality:0.3')")
    page.reload()
    page.wait_for_selector(".recommend-ranking")
    assert page.get_by_role("slider", name="Weight of task quality").get_attribute("aria-valuenow") == "0.3"
    assert check_page(page, served[0].state.engine) == []


# -- the walker cannot be fooled --------------------------------------------------------------------------------------


PLANTED = {
    "a literal": (
        "find('.study-verdict').append(' LoRA saves 42 % of memory.')",
        "find('.study-verdict').lastChild.remove()",
        "no source: #study-head p: LoRA saves 42 % of memory.",
    ),
    "a title": (
        "find('.study-verdict').title = 'worth 7 points'",
        "find('.study-verdict').removeAttribute('title')",
        "worth 7 points",
    ),
    "a raw value": (
        "(kept = find('.study-verdict [data-statistic=mean]').dataset.value,"
        " find('.study-verdict [data-statistic=mean]').dataset.value = '0.9912')",
        "find('.study-verdict [data-statistic=mean]').dataset.value = kept",
        "says 0.9912, the database gives",
    ),
    "a text on a true value": (
        "(kept = find('.study-verdict [data-statistic=mean]').textContent,"
        " find('.study-verdict [data-statistic=mean]').textContent = '99.9\u202f%')",
        "find('.study-verdict [data-statistic=mean]').textContent = kept",
        "its value prints as",
    ),
    "runs of another method": (
        "(kept = find('.study-verdict [data-statistic=mean]').dataset.source,"
        " find('.study-verdict [data-statistic=mean]').dataset.source = 'runs:1,2,3')",
        "find('.study-verdict [data-statistic=mean]').dataset.source = kept",
        "of runs:1,2,3) says",
    ),
    "a text in a figure": (
        "(kept = texts().text[0], texts().text[0] = '99.1 %')",
        "texts().text[0] = kept",
        "99.1",
    ),
    "a raw value in a figure": (
        "(kept = mean().value, mean().value = '0.5')",
        "mean().value = kept",
        "says 0.5, the database gives",
    ),
}
"""What is planted, how it is taken back, and what the walker must say of it."""

HELPERS = """window.find = selector => document.querySelector(selector);
window.figure = () => find('#study-figure .js-plotly-plot');
window.texts = () => figure().data.find(trace => trace.mode === 'text' && trace.customdata);
window.mean = () => figure().data[0].customdata[1][0].find(entry => entry.statistic === 'mean');
window.kept = null;"""


def test_whatever_is_planted_is_found(page: "Page", served: tuple[FastAPI, str]) -> None:
    engine = served[0].state.engine
    open_study(page, served[1])
    page.evaluate(HELPERS)
    for what, (plant, take_back, said) in PLANTED.items():
        page.evaluate(plant)
        problems = check_page(page, engine)
        assert any(said in problem for problem in problems), f"{what}: {problems}"
        page.evaluate(take_back)
    assert check_page(page, engine) == []


def test_a_changed_database_no_longer_agrees_with_the_page(page: "Page", served: tuple[FastAPI, str]) -> None:
    engine = served[0].state.engine
    open_study(page, served[1])
    evidence = read_page(page)
    with team_session(engine, 1) as session:
        row = session.scalars(select(MeasurementRow).where(MeasurementRow.metric == "training_speed")).all()[-1]
        assert row.value is not None
        key, before, row.value = (row.run_id, row.metric), row.value, row.value + 1
    problems = disagreements(evidence, engine)
    with team_session(engine, 1) as session:
        session.get_one(MeasurementRow, key).value = before
    assert problems
    assert all(f"of runs:{key[0]})" in problem for problem in problems)
    assert disagreements(evidence, engine) == []
