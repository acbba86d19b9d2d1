"""Every figure of a study's page is saved by the browser as PNG and SVG, and the export menu gives every format."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from fastapi import FastAPI

from app.db.session import system_session
from app.main import create_app
from app.settings import Settings
from tests.flow.conftest import Serve
from tests.flow.finished_study import insert

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, serve: Serve) -> Iterator[tuple[FastAPI, str]]:
    """The real application, with one finished study, at an address of its own."""
    app = create_app(Settings(home=Path(tmp_path_factory.mktemp("home"))))
    with system_session(app.state.engine) as session:
        insert(session, team_id=1)
    with serve(app) as address:
        yield app, address


@pytest.fixture
def page(browser: "Browser", served: tuple[FastAPI, str]) -> "Iterator[Page]":
    context = browser.new_context(viewport={"width": 1280, "height": 860}, accept_downloads=True)
    page = context.new_page()
    page.goto(f"{served[1]}/studies/1")
    page.wait_for_selector("#study-figure .js-plotly-plot .hm")
    page.wait_for_selector("#front-figure .js-plotly-plot .scatterlayer")
    page.wait_for_selector("#study-radar-figure .js-plotly-plot .scatterlayer")
    yield page
    context.close()


def save(page: "Page", place: int, kind: str) -> tuple[str, bytes]:
    """Press a figure's button; the name and content of the file that comes."""
    with page.expect_download() as coming:
        page.get_by_role("button", name=f"Save this figure as {kind}").nth(place).click()
    return coming.value.suggested_filename, Path(coming.value.path()).read_bytes()


FIGURES = [(0, "study-1-heatmap"), (1, "study-1-trade-off"), (2, "study-1-profile")]


@pytest.mark.parametrize(("place", "name"), FIGURES)
def test_a_figure_is_saved_as_png_in_twice_its_size(page: "Page", place: int, name: str) -> None:
    shown = page.locator(".js-plotly-plot").nth(place).bounding_box()
    file, content = save(page, place, "PNG")
    assert file == f"{name}.png"
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", content[16:24])
    assert shown is not None
    assert (width, height) == (pytest.approx(2 * shown["width"], abs=4), pytest.approx(2 * shown["height"], abs=4))
    # An empty picture of this size takes a tenth of that.
    assert len(content) > 30_000


@pytest.mark.parametrize(("place", "name"), FIGURES)
def test_a_figure_is_saved_as_svg_with_its_words(page: "Page", place: int, name: str) -> None:
    file, content = save(page, place, "SVG")
    assert file == f"{name}.svg"
    root = ElementTree.fromstring(content)
    assert root.tag == f"{SVG}svg"
    words = {"".join(text.itertext()) for text in root.iter(f"{SVG}text")}
    # A trade-off's names are followed by their shares of draws.
    assert all(any(text.startswith(name) for text in words) for name in ("LoRA r8", "Full fine-tuning"))
    ground = root.find(f"{SVG}rect")
    assert ground is not None
    assert ground.get("style") == "fill: rgb(255, 255, 255); fill-opacity: 1;"


def test_what_is_on_a_narrow_screen_is_saved_under_its_own_name(
    browser: "Browser", served: tuple[FastAPI, str]
) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, accept_downloads=True)
    page = context.new_page()
    page.goto(f"{served[1]}/studies/1")
    page.wait_for_selector("#study-figure .js-plotly-plot .textpoint")
    file, content = save(page, 0, "SVG")
    assert file == "study-1-dots.svg"
    assert b"LoRA r8" in content
    context.close()


@pytest.mark.parametrize(
    ("words", "name", "begins"),
    [
        ("Report (HTML)", "study-1.html", b"<!doctype html>"),
        ("Cells (CSV)", "study-1.csv", b"method,"),
        ("Cells (Markdown)", "study-1.md", b"# Quickstart"),
        ("All results (JSON)", "study-1.json", b"{"),
        ("Study document (YAML)", "study-1.yaml", b"# Study 1"),
    ],
)
def test_the_export_menu_gives_a_file(page: "Page", words: str, name: str, begins: bytes) -> None:
    page.get_by_role("button", name="Export", exact=True).click()
    with page.expect_download() as coming:
        page.get_by_role("link", name=words).click()
    content = Path(coming.value.path()).read_bytes()
    assert coming.value.suggested_filename == name
    assert content.startswith(begins)
    if name.endswith("json"):
        assert len(json.loads(content)["results"]["configurations"]) == 7
