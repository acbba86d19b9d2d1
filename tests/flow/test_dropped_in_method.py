"""A file dropped into `peft_core/methods` is in the API and in the form with no other edit."""

import json
import shutil
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.flow.conftest import Start

pytestmark = pytest.mark.browser

PATIENCE_MS = 120_000
"""The form holds every method's fields; a busy machine takes its time over the first page."""
expect.set_options(timeout=PATIENCE_MS)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def copy_with_method(tmp_path: Path) -> Path:
    """The product's files in another folder, with one method file more."""
    for name in ("app", "peft_core", "static", "migrations"):
        shutil.copytree(ROOT / name, tmp_path / "product" / name, ignore=shutil.ignore_patterns("__pycache__"))
    methods = tmp_path / "product" / "peft_core" / "methods"
    text = (methods / "head_only.py").read_text(encoding="utf-8")
    text = text.replace("class HeadOnly", "class DroppedIn").replace('"Head only"', '"Dropped In"')
    text = text.replace('family: ClassVar[Family] = "reference"', 'family: ClassVar[Family] = "selective"')
    text = text.replace("LearningRate, Method, Paper", "LearningRate, Method, Paper, hyperparameter")
    field = '    width: int = hyperparameter(7, title="Its own width", ge=1, effect="Nothing else has it.")\n\n'
    (methods / "dropped_in.py").write_text(
        text.replace("    def trainable_parameters", f"{field}    def trainable_parameters", 1), encoding="utf-8"
    )
    return tmp_path / "product"


def test_a_dropped_in_method_appears(start: Start, browser: Browser, tmp_path: Path, copy_with_method: Path) -> None:
    with start(tmp_path / "home", python_path=copy_with_method) as url:
        with urllib.request.urlopen(f"{url}/api/v1/methods", timeout=30) as answer:
            cards = {card["name"]: card for card in json.load(answer)["items"]}
        assert cards["dropped_in"]["title"] == "Dropped In"
        assert [field["name"] for field in cards["dropped_in"]["hyperparameters"]] == ["width"]
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"{url}/studies/new?step=2")
        page.get_by_label("Find a method or paper").fill("dropped")
        card = page.get_by_role("button", name="Dropped In")
        expect(card).to_have_attribute("aria-pressed", "false")
        card.click()
        expect(card).to_have_attribute("aria-pressed", "true")
        page.locator(".step").nth(2).click()
        expect(page.get_by_label("Its own width")).to_be_visible()
        expect(page.get_by_label("Its own width")).to_have_value("7")
