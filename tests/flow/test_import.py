"""The page Import in a real browser: a folder of published results is chosen, and what became of each file is told."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.main import create_app
from app.schemas import LARGEST_RESULT_BYTES
from app.settings import Settings
from tests.app.services.imports.result_files import result
from tests.flow.conftest import Serve

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

NAMES = ("lora/llama-rank32", "lora/llama-rank64", "full-finetuning/llama-lr_0.00001")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A suite with three results, one that is cut off, and one that is far too large."""
    results = tmp_path / "published" / "MetaMathQA" / "results"
    results.mkdir(parents=True)
    for name in NAMES:
        (results / f"{name.replace('/', '--')}.json").write_text(json.dumps(result(name)), encoding="utf-8")
    (results / "cut.json").write_text(json.dumps(result())[:200], encoding="utf-8")
    (results / "large.json").write_bytes(b" " * (10 * LARGEST_RESULT_BYTES))
    return tmp_path / "published"


@pytest.fixture
def page(tmp_path: Path, serve: Serve, browser: "Browser") -> "Iterator[Page]":
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    page = context.new_page()
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text) if message.type in ("error", "warning") else None)
    with serve(create_app(Settings(home=tmp_path / "home"))) as address:
        page.goto(f"{address}/studies")
        page.get_by_role("link", name="Import results").click()
        yield page
        context.close()
    # The browser writes every refusal of the API there by itself.
    assert [text for text in told if "status of 422" not in text] == []


def choose(page: "Page", folder: Path) -> str:
    """Give the folder; what the page then says of its files."""
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a folder").click()
    chooser.value.set_files(folder)
    note = page.locator("#import-result .note").first
    note.wait_for()
    return note.inner_text()


def test_a_folder_is_imported_file_by_file_and_again_changes_nothing(page: "Page", folder: Path) -> None:
    assert choose(page, folder) == "Files: 3 imported · 0 unchanged · 2 refused"
    refused = page.locator("#import-result table").inner_text()
    assert "cut.json" in refused
    assert "large.json" in refused
    assert "is larger than" in refused
    page.locator("#import-result .study-link", has_text="MetaMathQA").click()
    page.get_by_text("imported, single seed").first.wait_for()
    page.locator("#study-evidence .js-plotly-plot").wait_for()
    page.goto(page.url.rsplit("/studies", 1)[0] + "/import")
    assert choose(page, folder) == "Files: 0 imported · 3 unchanged · 2 refused"


def test_an_exported_study_is_imported_and_a_broken_one_is_refused_with_the_reason(
    page: "Page", tmp_path: Path, folder: Path
) -> None:
    choose(page, folder)
    address = page.url.rsplit("/import", 1)[0]
    exported = tmp_path / "study.json"
    exported.write_bytes(page.request.get(f"{address}/api/v1/studies/1/export?format=json").body())
    page.request.delete(f"{address}/api/v1/studies/1", headers={"Origin": address})
    choose_study(page, exported, "Files: 1 imported · 0 unchanged · 0 refused")
    choose_study(page, exported, "Files: 0 imported · 1 unchanged · 0 refused")
    exported.write_text(exported.read_text(encoding="utf-8")[:500], encoding="utf-8")
    choose_study(page, exported, "Files: 0 imported · 0 unchanged · 1 refused")
    assert "study.json" in page.locator("#import-result table").inner_text()


def choose_study(page: "Page", file: Path, told: str) -> None:
    """Give the file, and wait until the page says this of it."""
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose its JSON file").click()
    chooser.value.set_files(file)
    page.locator("#import-result").get_by_text(told).wait_for()


def test_an_empty_folder_says_so(page: "Page", tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".hidden").write_text("", encoding="utf-8")
    assert "There is no file" in choose(page, tmp_path / "empty")
