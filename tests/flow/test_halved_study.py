"""The tuning view of a study that halved a grid, and New study's choice of it, in a real browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI

from app.main import create_app
from app.settings import Settings
from tests.app.services import exported
from tests.flow.conftest import Serve
from tests.flow.evidence import check_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, serve: Serve) -> Iterator[tuple[FastAPI, str]]:
    app = create_app(Settings(home=Path(tmp_path_factory.mktemp("home"))))
    exported.halved(app.state.engine)
    with serve(app) as address:
        yield app, address


@pytest.fixture
def page(browser: "Browser") -> "Iterator[Page]":
    context = browser.new_context(viewport={"width": 1280, "height": 860}, locale="en-GB")
    yield context.new_page()
    context.close()


def test_every_number_of_both_rungs_has_its_source(page: "Page", served: tuple[FastAPI, str]) -> None:
    page.goto(f"{served[1]}/studies/1?view=tuning")
    page.wait_for_selector(".study-rung")
    assert page.locator("td .study-rung", has_text="stopped after 38 of 150 steps").count() == 1
    # One beside the number of rates, one below each of them.
    assert page.locator("td .study-rung").count() == 1 + 5
    assert check_page(page, served[0].state.engine) == []


def test_the_form_says_what_halving_saves(page: "Page", served: tuple[FastAPI, str]) -> None:
    page.goto(f"{served[1]}/studies/new?methods=lora&references=untuned&step=3")
    page.locator("#study-tuning").click()
    page.get_by_role("option", name="Halve after a first rung").click()
    page.wait_for_selector("#study-size >> text=without halving")
    # 38 of 150 steps at five rates, and two of them in full.
    assert "3.27 whole trainings, 5 without halving" in page.locator("#study-size").inner_text().replace("\u202f", " ")
    page.wait_for_function("location.search.includes('tuning=halving')")
