"""The form of a new study in a browser: finding methods, presets, and what a base model and task allow."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.flow.conftest import Start

pytestmark = pytest.mark.browser
SECONDS = 30_000


@pytest.fixture
def form(start: Start, browser: Browser, few_tweets: Path) -> Iterator[Page]:
    """The form as it opens; a callback that breaks fails the test."""
    with start(few_tweets) as url:
        page = browser.new_page()
        page.set_default_timeout(SECONDS)
        expect.set_options(timeout=SECONDS)
        errors: list[str] = []
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.goto(f"{url}/studies/new")
        expect(page.locator(".method-card[aria-pressed=true]")).to_have_count(2)
        yield page
        page.close()
        expect.set_options(timeout=5_000)
        assert errors == []


def choose(page: Page, field: str, option: str) -> None:
    page.locator(f"#study-{field}").click()
    page.get_by_role("option", name=option, exact=True).click()


def test_methods_are_found_chosen_and_offered_where_they_can_be(form: Page) -> None:
    # Found by a word of the paper, behind the fold.
    card = form.locator(".method-card", has_text="Hadamard")
    expect(card).to_be_hidden()
    form.get_by_label("Find a method or paper").fill("hadamard product")
    expect(card).to_be_visible()
    expect(form.locator(".method-card:visible")).to_have_count(1)
    card.click()
    expect(card).to_have_attribute("aria-pressed", "true")
    form.get_by_label("Find a method or paper").fill("")
    expect(form.locator("#more-methods > summary")).to_contain_text("1 of them chosen")

    # What was typed stays while others are chosen; a preset replaces the rows and is marked.
    rank = form.locator('[id*=\'"field":"rank"\'][id*=\'"method":"lora"\']').first
    rank.fill("7")
    form.get_by_role("button", name="DyLoRA").click()
    expect(form.get_by_role("heading", name="DyLoRA: hyper-parameters")).to_be_visible()
    expect(rank).to_have_value("7")
    sweep = form.get_by_role("button", name="Rank sweep")
    sweep.click()
    expect(sweep).to_have_attribute("aria-pressed", "true")
    expect(form.locator(".method-card[aria-pressed=true]")).to_have_count(1)
    expect(form.locator("#method-forms")).to_contain_text("LoRA r64")

    # A dataset of one's own asks for the columns of its kind; a base model that cannot do it says so once.
    choose(form, "task", "A dataset of my own")
    choose(form, "kind", "Regression")
    expect(form.get_by_label("Target column")).to_be_visible()
    choose(form, "kind", "Language modelling")
    expect(form.get_by_label("Target column")).to_be_hidden()
    expect(form.locator("#methods-problem")).to_contain_text("needs a decoder")
    expect(form.locator(".method-card:enabled")).to_have_count(0)
    expect(form.locator("#study-size")).to_contain_text("Nothing can be run")
    choose(form, "kind", "Sequence classification")
    expect(form.locator("#study-size")).to_contain_text("105 runs")

    # A refusal names the column that is not there.
    form.locator("#study-dataset").fill("few.csv")
    form.locator("#study-label-column").fill("mood")
    form.locator("#launch-study").click()
    expect(form.locator("#launch-problem")).to_contain_text("'few.csv' has no column 'mood'")

    # A telephone shows all of it without a sideways scroll.
    form.set_viewport_size({"width": 390, "height": 844})
    assert form.evaluate("document.documentElement.scrollWidth") == 390
