"""A shared machine in a real browser: the key opens every page once, then accounts take its place."""

import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from app.services.accounts.first_visit import FILE
from tests.flow.conftest import Start

pytestmark = pytest.mark.browser

PASSWORD = "three old wooden boats"


def new_page(browser: Browser, trouble: list[str]) -> Page:
    page = browser.new_context().new_page()
    page.on("console", lambda said: trouble.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: trouble.append(str(error)))
    return page


def test_the_key_then_accounts_open_the_pages(start: Start, browser: Browser, tmp_path: Path) -> None:
    trouble: list[str] = []
    with start(tmp_path, key=True) as url:
        page = new_page(browser, trouble)
        page.goto(f"{url}/studies?q=x")
        expect(page.get_by_label("Key")).to_be_focused()
        page.get_by_label("Key").fill((tmp_path / FILE).read_text(encoding="ascii"))
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Studies")).to_be_visible(timeout=15_000)
        assert page.url == f"{url}/studies?q=x"

        add = [sys.executable, "-m", "app.cli", "user", "add", "ada", "--operator", "--password-file", "-"]
        environment = {"PATH": "", "PEFT_ATLAS_HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
        subprocess.run(add, input=PASSWORD, text=True, env=environment, check=True, capture_output=True)
        expect(page.get_by_label("Password")).to_be_visible(timeout=5_000)

        page.get_by_label("Name").fill("ada")
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Log out")).to_be_visible(timeout=15_000)
        other = page.context.new_page()
        other.goto(f"{url}/runs")
        expect(other.get_by_role("heading", name="Queue", exact=True)).to_be_visible(timeout=15_000)
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_label("Password")).to_be_visible()
        expect(other.get_by_label("Password")).to_be_visible(timeout=5_000)
    assert trouble == []
