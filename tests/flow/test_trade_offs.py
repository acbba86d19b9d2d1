"""Trade-offs and sweeps on a study's page in a real browser: chosen, kept in the address, followed and sourced."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.session import system_session
from app.db.tables import Configuration, Run
from app.main import create_app
from app.settings import Settings
from tests.flow.conftest import Serve
from tests.flow.evidence import check_page, read_page
from tests.flow.finished_study import QUICKSTART, Row, insert
from tests.flow.swept_study import RANKS, prefixed

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

FINISHED, SWEPT, RUNNING, WITHOUT_GAIN = 1, 2, 3, 4
WIDE, NARROW = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
wide_and_slowly_narrow = pytest.mark.parametrize(
    "page", [WIDE, pytest.param(NARROW, marks=pytest.mark.slow)], ids=["wide", "narrow"], indirect=True
)
"""For what the width of a page does not change: how it is laid out, others look at."""


def lora_runs(session: Session) -> list[Run]:
    wanted = select(Run).join(Configuration).where(Run.study_id == RUNNING, Configuration.method == "lora")
    return list(session.scalars(wanted.where(Run.purpose == "report")))


def gaining_nothing(row: Row) -> Row:
    """Full fine-tuning that learned no more than the untuned base had; other rows as they are."""
    return replace(row, accuracy=(0.6767, 0.6800, 0.6783)) if row.method == "full" else row


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, serve: Serve) -> Iterator[tuple[FastAPI, str]]:
    """A finished study, one with two sweeps, one whose LoRA still runs, and one in which full gains nothing."""
    app = create_app(Settings(home=Path(tmp_path_factory.mktemp("home"))))
    with system_session(app.state.engine) as session:
        insert(session, team_id=1)
        insert(session, team_id=1, rows=(*RANKS, prefixed(10, (0.88, 0.89, 0.885)), prefixed(40, (0.9, 0.91, 0.9))))
        insert(session, team_id=1, name="Running")
        insert(session, team_id=1, rows=tuple(gaining_nothing(row) for row in QUICKSTART))
        for run in lora_runs(session):
            run.status = "running"
    with serve(app) as address:
        yield app, address


@pytest.fixture(params=[WIDE, NARROW], ids=["wide", "narrow"])
def page(request: pytest.FixtureRequest, browser: "Browser") -> "Iterator[Page]":
    """A page that must not write an error or a warning to the console, nor scroll sideways."""
    context = browser.new_context(viewport=request.param)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    assert page.evaluate("document.documentElement.scrollWidth") == request.param["width"]
    context.close()
    assert said == []


def open_front(page: "Page", address: str, study: int = FINISHED, query: str = "") -> None:
    page.goto(f"{address}/studies/{study}{query}")
    page.wait_for_selector("#front-figure .js-plotly-plot .scatterlayer")


def choose(page: "Page", field: str, option: str) -> None:
    page.locator(f"#{field}").click()
    page.get_by_role("option", name=option, exact=True).click()


def waits_for(page: "Page", selector: str, words: str) -> None:
    page.wait_for_function(
        "([selector, words]) => document.querySelector(selector)?.innerText.includes(words)", arg=[selector, words]
    )


def problems(page: "Page", app: FastAPI) -> list[str]:
    """Of everything on the page, folded tables included."""
    page.evaluate("document.querySelectorAll('details').forEach(folded => { folded.open = true; })")
    return check_page(page, app.state.engine)


# -- trade-offs -------------------------------------------------------------------------------------------------------


def test_a_study_opens_with_quality_against_parameters(page: "Page", served: tuple[FastAPI, str]) -> None:
    open_front(page, served[1])
    assert page.input_value("#front-x") == "Trainable parameters"
    assert page.input_value("#front-y") == "Accuracy"
    said = page.inner_text("#front-sentence")
    assert re.search(r"LoRA r8 in >\s99\s%", said)
    assert "Adapter d48" in said.partition("Off the front")[2]
    assert "Untuned trains nothing" in page.inner_text("#front-left-out")
    assert problems(page, served[0]) == []
    assert {"front_share", "draws"} <= {number.sourced["statistic"] for number in read_page(page).numbers}
    assert page.inner_text("#front-table").count("%") > 6
    assert page.url == f"{served[1]}/studies/{FINISHED}"


@wide_and_slowly_narrow
def test_what_is_chosen_stands_in_the_address_and_comes_back(page: "Page", served: tuple[FastAPI, str]) -> None:
    open_front(page, served[1])
    choose(page, "front-x", "Storage")
    page.wait_for_function("() => location.search.includes('x=storage_bytes')")
    choose(page, "front-z", "Peak training memory")
    waits_for(page, "#front-legend", "larger marker: better peak training memory")
    page.locator("#front-floor").fill("80")
    page.wait_for_function("() => location.search.includes('floor=0.8')")
    waits_for(page, "#front-left-out", "does not reach the floor")
    before = page.inner_text("#front-sentence")
    page.reload()
    page.wait_for_selector("#front-figure .js-plotly-plot .scatterlayer")
    assert page.inner_text("#front-sentence") == before
    chosen = [page.input_value(f"#front-{axis}") for axis in "xyz"]
    assert chosen == ["Storage", "Accuracy", "Peak training memory"]
    assert page.input_value("#front-floor") == "80"
    assert problems(page, served[0]) == []


@wide_and_slowly_narrow
def test_a_metric_that_is_shown_already_changes_places(page: "Page", served: tuple[FastAPI, str]) -> None:
    open_front(page, served[1])
    choose(page, "front-x", "Accuracy")
    page.wait_for_function("() => location.search.includes('x=task_performance')")
    page.wait_for_function("() => document.querySelector('#front-y').value === 'Trainable parameters'")
    waits_for(page, "#front-sentence", "in accuracy and trainable parameters at once")
    assert problems(page, served[0]) == []


@wide_and_slowly_narrow
def test_an_address_that_anyone_typed_shows_what_it_can(page: "Page", served: tuple[FastAPI, str]) -> None:
    open_front(page, served[1], query="?x=beauty&y=storage_bytes&z=storage_bytes&floor=7&sweep=9&tab=mine")
    assert [page.input_value(f"#front-{axis}") for axis in "xyz"] == ["Trainable parameters", "Storage", ""]
    # What is no panel's own stays.
    page.wait_for_function("() => !/floor|beauty|sweep/.test(location.search)")
    assert "tab=mine" in page.url


def test_a_floor_that_means_nothing_says_what_to_do(page: "Page", served: tuple[FastAPI, str]) -> None:
    page.goto(f"{served[1]}/studies/{WITHOUT_GAIN}?floor=0.9")
    waits_for(page, "#front-body", "Ask without a floor, or train longer.")
    page.locator("#front-floor").fill("")
    page.wait_for_selector("#front-figure .js-plotly-plot .scatterlayer")
    page.wait_for_function("() => !location.search.includes('floor')")


@wide_and_slowly_narrow
def test_results_that_come_in_move_the_figure_in_place(page: "Page", served: tuple[FastAPI, str]) -> None:
    with system_session(served[0].state.engine) as session:
        for run in lora_runs(session):
            run.status = "running"
    open_front(page, served[1], RUNNING)
    assert "LoRA r8" in page.inner_text("#front-left-out")
    page.evaluate("document.querySelector('#front-figure').mine = true")
    page.locator("#study-front summary").click()
    with system_session(served[0].state.engine) as session:
        for run in lora_runs(session):
            run.status = "succeeded"
    waits_for(page, "#front-sentence", "LoRA r8")
    assert page.evaluate("document.querySelector('#front-figure').mine") is True
    assert "LoRA r8" in page.inner_text("#front-table")
    assert "LoRA r8" not in page.inner_text("#front-left-out")


# -- sweeps -----------------------------------------------------------------------------------------------------------


def test_a_sweep_says_its_best_and_whether_it_is_separable(page: "Page", served: tuple[FastAPI, str]) -> None:
    page.goto(f"{served[1]}/studies/{SWEPT}")
    page.wait_for_selector("#sweep-figure .js-plotly-plot .scatterlayer")
    said = page.inner_text("#sweep-sentence")
    assert "best not separable" in said
    assert "LoRA r4 has the largest composite" in said
    assert "fixed anchors" in page.inner_text("#sweep-note")
    assert problems(page, served[0]) == []
    assert {"composite", "least_kept", "neighbour_p_value", "weight"} <= {
        number.sourced["statistic"] for number in read_page(page).numbers
    }


@wide_and_slowly_narrow
def test_the_chosen_sweep_stands_in_the_address(page: "Page", served: tuple[FastAPI, str]) -> None:
    page.goto(f"{served[1]}/studies/{SWEPT}")
    page.wait_for_selector("#sweep-figure .js-plotly-plot .scatterlayer")
    choose(page, "sweep-choice", "Prefix Tuning by prefix length")
    waits_for(page, "#sweep-sentence", "Prefix tuning n40")
    page.wait_for_function("() => location.search === '?sweep=2'")
    page.reload()
    waits_for(page, "#sweep-sentence", "Prefix tuning n40")
    page.wait_for_selector("#sweep-figure .js-plotly-plot .scatterlayer")
    assert problems(page, served[0]) == []


@wide_and_slowly_narrow
def test_a_study_without_a_sweep_leads_to_a_form_that_is_filled_in(page: "Page", served: tuple[FastAPI, str]) -> None:
    open_front(page, served[1])
    assert page.locator("#sweep-figure").count() == 0
    page.locator("#study-sweeps").get_by_role("link", name="Rank sweep").click()
    page.wait_for_selector("#study-name", state="attached")
    page.get_by_role("button", name="Rank sweep", exact=True).wait_for()
    assert page.get_by_role("button", name="Rank sweep", exact=True).get_attribute("aria-pressed") == "true"
    page.locator(".step").nth(2).click()
    waits_for(page, "#method-forms", "LoRA r64")
