"""The Compare page in a real browser: what two, three and nine studies say, chosen, kept in the address and sourced."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from fastapi import FastAPI

from app.db.session import system_session
from app.main import create_app
from app.settings import Settings
from tests.flow.conftest import Serve
from tests.flow.evidence import check_page, read_page
from tests.flow.several_studies import insert_several

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

FEW = "?studies=1,2&a=adapter&b=lora"
"""Two of the nine studies."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, serve: Serve) -> Iterator[tuple[FastAPI, str]]:
    """Nine studies, of which the last lacks a method."""
    app = create_app(Settings(home=Path(tmp_path_factory.mktemp("home"))))
    with system_session(app.state.engine) as session:
        insert_several(session, 9, without=("adapter",))
    with serve(app) as address:
        yield app, address


@pytest.fixture
def page(browser: "Browser") -> "Iterator[Page]":
    """A page that must not write an error or a warning to the console."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    context.close()
    assert said == []


def open_compare(page: "Page", address: str, query: str = "") -> None:
    page.goto(f"{address}/compare{query}")
    for figure in ("forest", "ranking"):
        page.wait_for_selector(f"#compare-{figure}-figure .js-plotly-plot .scatterlayer")


def problems(page: "Page", app: FastAPI) -> list[str]:
    """Of everything on the page, folded tables included."""
    page.evaluate("document.querySelectorAll('details').forEach(folded => { folded.open = true; })")
    return check_page(page, app.state.engine)


def serious(page: "Page") -> list[str]:
    found = Axe().run(page).response["violations"]
    grave = [
        (rule["id"], node) for rule in found if rule["impact"] in ("serious", "critical") for node in rule["nodes"]
    ]
    return [f"{name}: {node['target']} {node['failureSummary'][:300]}" for name, node in grave]


def test_nine_studies_are_tested_and_every_number_has_its_source(page: "Page", served: tuple[FastAPI, str]) -> None:
    open_compare(page, served[1])
    page.wait_for_selector("#compare-posterior-figure .js-plotly-plot")
    assert "practically better" in page.inner_text("#compare-pair-sentence")
    assert "Friedman's test" in page.inner_text("#compare-ranking-sentence")
    assert page.locator("#compare-matrix tbody tr").count() == 9
    assert problems(page, served[0]) == []
    assert {"gain_share", "gain_difference_lo", "p_practically_equal", "friedman_p", "mean_rank"} <= {
        number.sourced["statistic"] for number in read_page(page).numbers
    }


def test_two_studies_say_how_many_are_missing(page: "Page", served: tuple[FastAPI, str]) -> None:
    open_compare(page, served[1], FEW)
    assert "still missing: 6" in page.inner_text("#compare-pair-sentence")
    assert "still missing: 6" in page.inner_text("#compare-ranking-sentence")
    assert page.input_value("#compare-a") == "Adapter"
    assert page.locator("#compare-posterior > *").count() == 0
    assert problems(page, served[0]) == []
    assert "p_best" in {number.sourced["statistic"] for number in read_page(page).numbers}


def test_what_is_chosen_stands_in_the_address_and_comes_back(page: "Page", served: tuple[FastAPI, str]) -> None:
    open_compare(page, served[1], FEW)
    page.locator("#compare-b").click()
    page.get_by_role("option", name="Prefix Tuning", exact=True).click()
    page.wait_for_function("() => location.search.includes('b=prefix_tuning')")
    assert "studies=2,1" in page.url
    page.reload()
    open_compare(page, served[1], page.url.partition("/compare")[2])
    assert page.input_value("#compare-b") == "Prefix Tuning"
    with page.expect_download() as file:
        page.get_by_role("link", name="CSV").click()
    assert file.value.suggested_filename == "methods-over-studies.csv"


def test_approved_studies_only_says_that_there_is_none(page: "Page", served: tuple[FastAPI, str]) -> None:
    open_compare(page, served[1])
    page.get_by_role("switch", name="Approved studies only").click()
    page.wait_for_function("() => location.search.includes('approved=true')")
    page.wait_for_function("() => document.querySelectorAll('#compare-left-out li').length === 9")
    assert "nobody has approved it" in page.inner_text("#compare-left-out")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_is_readable_by_everyone_and_on_a_phone(browser: "Browser", served: tuple[FastAPI, str], theme: Any) -> None:
    width = 1280 if theme == "light" else 390
    context = browser.new_context(viewport={"width": width, "height": 860}, color_scheme=theme)
    page = context.new_page()
    open_compare(page, served[1])
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    context.close()


def test_without_studies_it_says_what_to_do(
    browser: "Browser", serve: Serve, tmp_path_factory: pytest.TempPathFactory
) -> None:
    app = create_app(Settings(home=Path(tmp_path_factory.mktemp("empty"))))
    with serve(app) as address:
        page = browser.new_page()
        page.goto(f"{address}/compare")
        page.get_by_text("It takes two studies").wait_for()
        assert page.get_by_role("link", name="Import results").get_attribute("href") == "/import"
        page.close()
