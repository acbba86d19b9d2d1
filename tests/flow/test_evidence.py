"""The walker of the data-source rule: it finds every number, agrees with the database, and cannot be fooled."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from fastapi import FastAPI
from sqlalchemy import select

from app.db.session import system_session, team_session
from app.db.tables import MeasurementRow
from app.main import create_app
from app.services import results
from app.services.callers import LOCAL
from app.settings import Settings
from app.ui.cells import Matrix
from app.ui.numbers import attributes
from tests.flow.evidence import FigurePoint, check_page, disagreements, read_page, read_trace, unexplained_digits
from tests.flow.finished_study import insert
from tests.flow.recompute import PageQuestion, recompute

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FastAPI, str]]:
    """The real application, with one finished study, at an address of its own."""
    app = create_app(Settings(home=Path(tmp_path_factory.mktemp("home"))))
    with system_session(app.state.engine) as session:
        insert(session, team_id=1)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", ws="websockets-sansio"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    while not server.started:
        thread.join(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield app, f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()
    app.state.engine.dispose()


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


@pytest.mark.parametrize("view", ["Table", "Tuning", "Seeds", "Failures"])
def test_every_view_of_the_study_obeys(page: "Page", served: tuple[FastAPI, str], view: str) -> None:
    landmark = {"Table": "#study-grid .ag-cell", "Tuning": ".study-chosen", "Seeds": "a[href='/runs/5']"}
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
    page.wait_for_function("location.search.includes('quality:0.3')")
    page.reload()
    page.wait_for_selector(".recommend-ranking")
    assert page.get_by_role("slider", name="Weight of task quality").get_attribute("aria-valuenow") == "0.3"
    assert check_page(page, served[0].state.engine) == []


# -- the walker cannot be fooled --------------------------------------------------------------------------------------


def test_a_planted_literal_is_found(page: "Page", served: tuple[FastAPI, str]) -> None:
    open_study(page, served[1])
    page.evaluate("document.querySelector('.study-verdict').append(' LoRA saves 42 % of memory.')")
    problems = check_page(page, served[0].state.engine)
    assert len(problems) == 1
    assert "LoRA saves 42 % of memory." in problems[0]


def test_a_planted_attribute_is_found(page: "Page", served: tuple[FastAPI, str]) -> None:
    open_study(page, served[1])
    page.evaluate("document.querySelector('.study-verdict b').parentElement.title = 'worth 7 points'")
    assert ["worth 7 points" in problem for problem in check_page(page, served[0].state.engine)] == [True]


def test_a_planted_value_is_found(page: "Page", served: tuple[FastAPI, str]) -> None:
    open_study(page, served[1])
    page.evaluate("document.querySelector('.study-verdict [data-statistic=mean]').dataset.value = '0.9912'")
    problems = check_page(page, served[0].state.engine)
    assert len(problems) == 1
    assert "says 0.9912, the database gives" in problems[0]


def test_a_planted_text_on_a_true_value_is_found(page: "Page", served: tuple[FastAPI, str]) -> None:
    open_study(page, served[1])
    page.evaluate("document.querySelector('.study-verdict [data-statistic=mean]').textContent = '99.9\u202f%'")
    problems = check_page(page, served[0].state.engine)
    assert len(problems) == 1
    assert "its value prints as" in problems[0]


def test_a_planted_number_in_a_figure_is_found(page: "Page", served: tuple[FastAPI, str]) -> None:
    open_study(page, served[1])
    page.evaluate(
        """() => {
            const figure = document.querySelector('#study-figure .js-plotly-plot');
            const texts = figure.data.find(trace => trace.mode === 'text' && trace.customdata);
            texts.text[0] = '99.1 %';
            figure.data[0].customdata[1][0].find(entry => entry.statistic === 'mean').value = '0.5';
        }"""
    )
    problems = check_page(page, served[0].state.engine)
    assert any("99.1 %" in problem for problem in problems)
    assert any("says 0.5, the database gives" in problem for problem in problems)


def test_a_changed_database_no_longer_agrees_with_the_page(page: "Page", served: tuple[FastAPI, str]) -> None:
    app, address = served
    open_study(page, address)
    evidence = read_page(page)
    wanted = select(MeasurementRow).where(MeasurementRow.metric == "training_speed", MeasurementRow.value.is_not(None))
    with team_session(app.state.engine, 1) as session:
        row = session.scalars(wanted).first()
        assert row is not None
        assert row.value is not None
        before, row.value = row.value, row.value + 1
    try:
        assert any("training_speed" in _metric(problem) for problem in disagreements(evidence, app.state.engine))
    finally:
        with team_session(app.state.engine, 1) as session:
            again = session.scalars(wanted).first()
            assert again is not None
            again.value = before


def _metric(problem: str) -> str:
    """Every problem of a speed speaks of its raw value, in the thousands."""
    return "training_speed" if "the database gives [" in problem and "the database gives [0" not in problem else ""


# -- without a browser ------------------------------------------------------------------------------------------------


def test_every_number_of_every_cell_is_recomputed(served: tuple[FastAPI, str]) -> None:
    engine = served[0].state.engine
    comparison = results.comparison(engine, LOCAL, 1)
    matrix = Matrix(comparison, "accuracy")
    with team_session(engine, 1) as session:
        for cell in comparison.cells:
            if cell.mean is None:
                continue
            interval = matrix.interval(cell) or ()
            numbers = [matrix.mean(cell), matrix.half_width(cell), *interval, *matrix.values(cell), matrix.count(cell)]
            for number in numbers:
                if number is not None:
                    sourced = {name.removeprefix("data-"): value for name, value in attributes(number).items()}
                    assert recompute(session, sourced, PageQuestion(engine, {})) == {pytest.approx(number.value)}


def test_an_unknown_formula_or_statistic_is_refused(served: tuple[FastAPI, str]) -> None:
    engine = served[0].state.engine
    asked = PageQuestion(engine, {})
    with team_session(engine, 1) as session:
        for sourced in ({"source": "formula:guess", "statistic": "formula"}, {"source": "runs:1", "statistic": "vibe"}):
            with pytest.raises(KeyError):
                recompute(session, sourced, asked)
        with pytest.raises(ValueError, match="names no runs"):
            recompute(session, {"source": "trust me", "statistic": "mean"}, asked)


ENTRY = {"source": "runs:1", "statistic": "mean", "metric": "task_performance", "value": "0.94", "quantity": "fraction"}


@pytest.mark.parametrize(
    ("text", "entries", "explained"),
    [
        ("94.0\u202f%", [ENTRY], True),
        ("94.0", [ENTRY], True),
        ("<span style='font-size:10px'>94.0\u202f%</span>", [ENTRY], True),
        ("LoRA r8: 94.0\u202f%", [ENTRY, {"label": "LoRA r8"}], True),
        ("run 41: 94.0\u202f%", [ENTRY, {"id": "41"}], True),
        ("194.0\u202f%", [ENTRY], False),
        ("94.0\u202f% and 94.0\u202f%", [ENTRY], False),
        ("LoRA r8: 94.0\u202f%", [ENTRY], False),
        ("94.1\u202f%", [ENTRY], False),
        ("41", [], False),
    ],
)
def test_the_digits_of_a_point_must_be_its_entries(text: str, entries: list[dict[str, Any]], explained: bool) -> None:
    assert (unexplained_digits(FigurePoint(text, entries, "here")) is None) == explained


def test_a_trace_that_prints_its_coordinates_needs_an_entry_for_every_point() -> None:
    trace = {"type": "scatter", "mode": "lines", "hoverinfo": "", "text": None, "hovertext": None, "points": 3}
    assert read_trace(trace | {"customdata": [ENTRY]}, "loss")[1] != []
    points, problems = read_trace(trace | {"customdata": [ENTRY] * 3}, "loss")
    assert problems == []
    assert len(points) == 3
    assert read_trace(trace | {"hoverinfo": "skip", "customdata": None}, "loss") == ([], [])
