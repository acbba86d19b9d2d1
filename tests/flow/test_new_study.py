"""The wizard of a new study in a browser: its steps, uploads, what is wrong beside its field, YAML and templates."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from app.main import create_app
from app.settings import Settings
from peft_core import assets
from tests.flow.conftest import Serve
from tests.flow.evidence import check_page
from tests.flow.test_launch_and_review import ask

pytestmark = pytest.mark.browser
SECONDS = 30_000


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def served(serve: Serve, home: Path) -> Iterator[tuple[str, Any]]:
    app = create_app(Settings(home=home))
    with serve(app) as url:
        yield url, app.state.engine


@pytest.fixture
def told() -> list[str]:
    """What the browser's console has said."""
    return []


@pytest.fixture
def page(browser: Browser, served: tuple[str, Any], told: list[str]) -> Iterator[Page]:
    """An empty page of its own; a callback that breaks, or a word on the console, fails the test."""
    page = browser.new_page(viewport={"width": 1280, "height": 860})
    page.set_default_timeout(SECONDS)
    expect.set_options(timeout=SECONDS)
    page.on("console", lambda said: told.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: told.append(str(error)))
    yield page
    page.close()
    expect.set_options(timeout=5_000)
    # What the API refuses, the browser notes by itself.
    assert [text for text in told if "422" not in text] == []


def opened(page: Page, url: str, query: str = "") -> None:
    page.goto(f"{url}/studies/new{query}")
    expect(page.locator("#study-size")).to_contain_text("runs")


def step(page: Page, number: int) -> None:
    page.locator(".step").nth(number - 1).click()
    expect(page.locator(".step").nth(number - 1)).to_have_attribute("aria-current", "step")


def choose(page: Page, field: str, option: str) -> None:
    page.locator(f"#study-{field}").click()
    page.get_by_role("option", name=option, exact=True).click()


def give(page: Page, file: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.locator("[data-launch=dataset]").click()
    chooser.value.set_files(file)


def rank_of(page: Page, method: str) -> Any:
    return page.locator(f'input[id*=\'"field":"rank"\'][id*=\'"method":"{method}"\']').first


def test_steps_are_walked_by_keyboard_and_nothing_is_lost(page: Page, served: tuple[str, Any]) -> None:
    url, _ = served
    opened(page, url)
    page.locator(".step").first.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Which methods?")).to_be_visible()
    expect(page.get_by_role("heading", name="What is to be learned?")).to_be_hidden()

    # Found by a word of the paper, behind the fold.
    card = page.locator(".method-card", has_text="Hadamard")
    expect(card).to_be_hidden()
    page.get_by_label("Find a method or paper").fill("hadamard product")
    expect(page.locator(".method-card:visible")).to_have_count(1)
    card.focus()
    page.keyboard.press("Space")
    expect(card).to_have_attribute("aria-pressed", "true")
    page.get_by_label("Find a method or paper").fill("")
    expect(page.locator("#more-methods > summary")).to_contain_text("1 of them chosen")

    # Next moves on, and so does the reader's place.
    page.locator("#step-next").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#step-head-3")).to_be_focused()
    rank_of(page, "lora").fill("7")
    expect(page.locator("#estimate-rows")).to_contain_text("LoRA r7")
    step(page, 2)
    page.get_by_role("button", name="DyLoRA").click()
    step(page, 3)
    expect(page.get_by_role("heading", name="DyLoRA: hyper-parameters")).to_be_visible()
    expect(rank_of(page, "lora")).to_have_value("7")

    # A reload shows the same step and the same form, from the address alone.
    expect(page).to_have_url(re.compile(r"methods=lora(\(|%28)rank(:|%3A)7.*dylora.*step=3"))
    page.reload()
    expect(rank_of(page, "lora")).to_have_value("7")
    expect(page.get_by_role("heading", name="LoHa: hyper-parameters")).to_be_visible()

    step(page, 2)
    page.get_by_role("button", name="Rank sweep").click()
    expect(page.locator(".method-card[aria-pressed=true]")).to_have_count(1)
    step(page, 3)
    expect(page.locator("#method-forms")).to_contain_text("LoRA r64")


def test_what_is_wrong_is_said_beside_its_field_and_on_its_step(page: Page, served: tuple[str, Any]) -> None:
    url, _ = served
    opened(page, url, "?step=3")
    rank_of(page, "lora").fill("9999")
    expect(page.locator("#method-forms .mantine-InputWrapper-error")).to_contain_text("at most 384")
    expect(rank_of(page, "lora")).to_have_attribute("aria-invalid", "true")
    expect(page.locator(".step").nth(2)).to_contain_text("1 to fix")
    step(page, 5)
    page.locator("#study-seeds").fill("0")
    page.locator("#study-batch").fill("")
    expect(page.locator(".step").nth(4)).to_contain_text("to fix")
    page.locator("#study-batch").fill("8")
    page.locator(".to-fix", has_text="at least one seed").click()
    expect(page.locator("#study-seeds")).to_have_attribute("aria-invalid", "true")
    page.locator("#study-seeds").fill("2")
    # Launched nonetheless, the API says the same, and nothing is made.
    step(page, 7)
    page.locator("#launch-study").click()
    expect(page.locator("#launch-problem")).to_contain_text("at most 384")
    assert ask(f"{url}/api/v1/studies")["items"] == []

    # A kind of task that the base model cannot do is said once.
    step(page, 1)
    choose(page, "task", "A dataset of my own")
    choose(page, "kind", "Regression")
    expect(page.get_by_role("textbox", name="Target column")).to_be_visible()
    choose(page, "kind", "Language modelling")
    expect(page.get_by_role("textbox", name="Target column")).to_be_hidden()
    expect(page.locator("#study-size")).to_contain_text("Nothing can be run")
    step(page, 2)
    expect(page.locator("#methods-problem")).to_contain_text("needs a decoder")
    expect(page.locator(".method-card:enabled")).to_have_count(0)


def test_from_an_upload_to_the_study_page(
    page: Page, served: tuple[str, Any], home: Path, tmp_path: Path, told: list[str]
) -> None:
    url, engine = served
    lines = assets.tasks()["tweets"].dataset.read_text(encoding="utf-8").splitlines()
    good, bad = tmp_path / "few tweets.csv", tmp_path / "ragged.csv"
    good.write_text("\n".join(lines[:121]), encoding="utf-8")
    bad.write_text("text,label\na,b\nc\n")
    opened(page, url)
    page.locator("#study-name").fill("Walked")
    choose(page, "task", "A dataset of my own")
    give(page, bad)
    expect(page.locator("#dataset-problem")).to_contain_text("line 3: 1 field where the header has 2")
    give(page, good)
    expect(page.locator("#dataset-preview")).to_contain_text("few tweets.csv")
    expect(page.locator("#study-text-column")).to_have_value("text")
    expect(page.locator("#study-label-column")).to_have_value("label")
    expect(page.locator(".class-counts li")).to_have_count(2)
    page.locator("#study-label-column").fill("mood")
    expect(page.locator("#column-label .mantine-InputWrapper-error")).to_contain_text("has no column 'mood'")
    page.locator("#study-label-column").fill("label")
    expect(page.locator(".fixes")).to_have_count(0)
    expect(page.locator(".class-counts li")).to_have_count(2)
    assert check_page(page, engine, store=home / "store") == []

    step(page, 5)
    choose(page, "length-kind", "optimizer steps")
    for field, value in (("length", "3"), ("batch", "4"), ("max-length", "24"), ("seeds", "2")):
        page.locator(f"#study-{field}").fill(value)
    step(page, 6)
    expect(page.locator("#baseline")).to_contain_text("less")
    assert check_page(page, engine, store=home / "store") == []
    for number in range(1, 8):
        step(page, number)
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        page.set_viewport_size({"width": 1280, "height": 860})

    # Kept as a template, taken along as YAML, brought back: the same study.
    expect(page.locator("#yaml-shown")).to_contain_text("steps: 3")
    written = page.locator("#yaml-shown").inner_text()
    page.locator("#templates-open").click()
    page.locator("#template-name").fill("Few tweets")
    page.locator("#template-save").click()
    expect(page.locator("#template-list")).to_contain_text("Few tweets")
    page.goto(f"{url}/studies/new")
    page.locator("#yaml-open").click()
    page.locator("#yaml-text").fill(written.replace("steps: 3", "steps: three"))
    page.locator("#yaml-read").click()
    expect(page.locator("#yaml-problem")).to_contain_text(re.compile(r"Line \d+, budget.steps"))
    page.locator("#yaml-text").fill(written)
    page.locator("#yaml-read").click()
    expect(page.locator("#yaml-shown")).to_have_text(written)
    page.locator("#templates-open").click()
    page.get_by_role("link", name="Few tweets").click()
    expect(page.locator("#yaml-shown")).to_have_text(written)

    said_by_the_wizard = len(told)
    page.locator("#launch-study").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/studies/\d+$"))
    study = ask(f"{url}/api/v1/studies/{page.url.rpartition('/')[2]}")
    assert study["document"]["name"] == "Walked"
    assert study["counts"]["queued"] == 35
    launched = study["document"] | {"seeds": 2, "metrics": None}
    assert read_yaml(url, written) == launched
    # The study's own page has tests of its own; what it still has to say comes before the empty page.
    page.goto("about:blank")
    del told[said_by_the_wizard:]


def read_yaml(url: str, text: str) -> Any:
    return httpx.post(f"{url}/api/v1/study-documents/read", json={"yaml": text}).json()
