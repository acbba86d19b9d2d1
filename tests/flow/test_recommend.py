"""The Recommend page in a browser: its three parts, the case in the address, and the way to the study that answers."""

import json
import re
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from sqlalchemy import Engine

from app.db.migrate import migrate
from app.db.session import make_engine, system_session
from app.language import COOKIE
from tests.flow.conftest import Start
from tests.flow.evidence import check_page, read_page
from tests.flow.finished_study import QUICKSTART, insert
from tests.flow.sized_studies import insert_sized

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
PATIENCE_MS = 60_000

ESTIMATED = "architecture=encoder&parameters=30000000&kind=classification&items=700&scenario=multi_task"
LIMITED = f"{ESTIMATED}&constraints=storage_bytes:1e7"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with studies on three sizes of base model, one of a single seed and one without reference rows."""
    found = tmp_path_factory.mktemp("home")
    url = f"sqlite:///{found / 'atlas.sqlite'}"
    migrate(url)
    engine = make_engine(url)
    with system_session(engine) as session:
        insert(session, team_id=1, name="Quickstart")
        for layers in (6, 12, 24):
            insert_sized(session, found / "models", layers, name=f"Tweets, {layers} layers")
        single = tuple(replace(row, accuracy=row.accuracy[:1], failed_seeds=0) for row in QUICKSTART)
        insert(session, team_id=1, rows=single, name="One seed")
        bare = tuple(row for row in QUICKSTART if row.method in ("adapter", "prefix_tuning"))
        lonely = insert(session, team_id=1, rows=bare, name="No references")
        lonely.document = lonely.document | {"references": [], "base_model": "minilm", "task": "tweets"}
    engine.dispose()
    return found


@pytest.fixture(scope="module")
def served(home: Path) -> Iterator[tuple[str, Engine]]:
    """The product over that home, without a worker's help: nothing has to run."""
    from tests.flow.conftest import running

    engine = make_engine(f"sqlite:///{home / 'atlas.sqlite'}")
    with running(home) as url:
        yield url, engine
    engine.dispose()


wide_and_slowly_narrow = pytest.mark.parametrize(
    "page", [1280, pytest.param(390, marks=pytest.mark.slow)], indirect=True
)
"""For what the width of a page does not change: how it is laid out, others look at."""


@pytest.fixture(params=[1280, 390])
def page(request: pytest.FixtureRequest, browser: "Browser") -> "Iterator[Page]":
    """A wide and a narrow page; nothing on its console, no sideways scroll."""
    opened = browser.new_page(viewport={"width": request.param, "height": 860})
    opened.set_default_timeout(PATIENCE_MS)
    told: list[str] = []
    opened.on("console", lambda message: told.append(message.text) if message.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: told.append(str(error)))
    yield opened
    assert opened.evaluate("document.documentElement.scrollWidth") == request.param
    opened.close()
    assert told == []


def ask(url: str) -> dict[str, object]:
    with urllib.request.urlopen(url, timeout=30) as answer:
        found: dict[str, object] = json.load(answer)
        return found


def statistics(page: "Page") -> set[str]:
    return {number.sourced["statistic"] for number in read_page(page).numbers}


# -- from a study ------------------------------------------------------------------------------------------------------


@wide_and_slowly_narrow
def test_a_case_is_kept_for_the_team_and_chosen_again(page: "Page", served: tuple[str, Engine]) -> None:
    url, engine = served
    page.goto(f"{url}/recommend?study=1")
    page.locator(".recommend-ranking").wait_for()
    page.get_by_role("slider", name="Weight of simplicity").press("ArrowRight")
    page.wait_for_function("() => location.search.includes('simplicity:0.1')")
    page.get_by_label("Keep for the team as").fill("A phone")
    page.get_by_role("button", name="Keep", exact=True).click()
    kept = page.get_by_role("list", name="Kept by the team").get_by_role("button", name="A phone", exact=True)
    kept.wait_for()
    page.get_by_role("button", name="Reset").click()
    page.wait_for_function("() => !location.search.includes('weights')")
    kept.click()
    page.wait_for_function("() => location.search.includes('simplicity:0.1')")
    page.reload()
    page.locator(".recommend-ranking").wait_for()
    assert page.get_by_role("slider", name="Weight of simplicity").get_attribute("aria-valuenow") == "0.1"
    assert check_page(page, engine) == []
    page.once("dialog", lambda asked: asked.accept())
    page.get_by_role("button", name="Remove A phone").click()
    kept.wait_for(state="detached")
    assert ask(f"{url}/api/v1/scenarios/custom")["items"] == []


# -- the selection guide -----------------------------------------------------------------------------------------------


def test_questions_are_answered_by_keyboard_and_stand_in_the_address(page: "Page", served: tuple[str, Engine]) -> None:
    url, engine = served
    page.goto(f"{url}/recommend?view=guide")
    page.get_by_role("heading", name="Are resources limited?").wait_for()
    yes = page.get_by_role("list", name="Are resources limited?").get_by_role("button", name="Yes", exact=True)
    yes.first.focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Must quality be high all the same?").wait_for()
    # The focus stays where it was, so that the next question is one Tab away.
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Use LoRA").wait_for()
    page.wait_for_function("() => location.search.includes('answers=limited_resources:yes,high_quality:yes')")
    assert page.locator(".guide-branch[aria-pressed=true]").count() == 2
    page.reload()
    page.get_by_role("heading", name="Use LoRA").wait_for()
    words = page.locator("main").inner_text()
    assert "agrees" in words
    assert "The textbook's own leaf" in words
    assert "always LoRA" in words
    assert check_page(page, engine) == []
    assert {"p_best", "studies_that_answer", "regret_of_the_guide", "weight_quality"} <= statistics(page)


@wide_and_slowly_narrow
def test_a_leaf_chosen_at_once_answers_its_questions(page: "Page", served: tuple[str, Engine]) -> None:
    url, engine = served
    page.goto(f"{url}/recommend?view=guide&study=1")
    page.locator(".guide-branch-leaf", has_text="Full fine-tuning").click()
    page.wait_for_function("() => location.search.includes('several_tasks:no,very_best:yes')")
    page.get_by_role("heading", name="What each study picks").wait_for()
    assert check_page(page, engine) == []
    # A study's own answer to this leaf is its recommendation with the leaf's weights and limits.
    page.get_by_role("link", name="Why Quickstart picks it").click()
    page.wait_for_selector(".recommend-ranking")
    assert "quality_standard_errors" in page.url
    assert check_page(page, engine) == []


# -- a case that was not measured --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("base_model=minilm&kind=classification&items=400", "Measured in"),
        (LIMITED, "Not measured – estimated from"),
        ("architecture=decoder&parameters=1000000000&kind=instruction&items=500", "no study speaks for it"),
    ],
)
def test_a_case_is_measured_estimated_or_refused_and_says_so(
    page: "Page", served: tuple[str, Engine], home: Path, query: str, said: str
) -> None:
    url, engine = served
    page.goto(f"{url}/recommend?view=lookup&{query}")
    page.locator("#lookup-answer .recommend-lead").wait_for()
    assert said in page.locator("#lookup-answer").inner_text()
    assert check_page(page, engine, store=home / "store") == []
    estimated = "estimated from" in said
    assert (page.locator("#lookup-answer .lookup-cell.box-estimated").count() > 0) == estimated
    if estimated:
        assert {"carried", "carried_lo", "absolute", "absolute_hi", "distance", "limit"} <= statistics(page)


@wide_and_slowly_narrow
def test_a_changed_field_asks_again_and_stands_in_the_address(page: "Page", served: tuple[str, Engine]) -> None:
    url, _ = served
    page.goto(f"{url}/recommend?view=lookup&base_model=minilm&kind=classification&items=400")
    page.get_by_text("Measured in").first.wait_for()
    page.get_by_label("Training items").fill("800")
    page.get_by_text("Not measured – estimated from").wait_for()
    page.wait_for_function("() => location.search.includes('items=800')")
    page.get_by_label("Training items").fill("")
    page.get_by_text("The case is not complete.").wait_for()
    # What was asked waits while another part is open.
    page.get_by_role("link", name="Selection guide").click()
    page.get_by_role("heading", name="Are resources limited?").wait_for()
    page.get_by_role("link", name="Case not measured").click()
    page.get_by_text("Not measured – estimated from").wait_for()
    assert page.get_by_label("Training items").input_value() == "800"


# -- from "not enough evidence" to a study -----------------------------------------------------------------------------


@wide_and_slowly_narrow
def test_what_a_study_lacks_is_run_from_a_form_filled_in(page: "Page", served: tuple[str, Engine]) -> None:
    url, engine = served
    page.goto(f"{url}/recommend?study=6")
    page.get_by_role("heading", name="Not enough evidence").wait_for()
    assert check_page(page, engine) == []
    page.get_by_role("link", name="Run it again with reference rows").click()
    page.locator("#study-linked").wait_for()
    assert page.locator("#study-name").input_value() == "No references, with reference rows"
    assert page.locator(".method-card[aria-pressed=true]").count() == 2
    page.locator(".step").nth(1).click()
    assert page.get_by_role("checkbox", name="Untuned").is_checked()
    assert not page.get_by_role("checkbox", name="Head only").is_checked()
    page.locator(".step").nth(6).click()
    page.locator("#launch-study").click()
    page.wait_for_url(re.compile(r"/studies/\d+$"))
    document = ask(f"{url}/api/v1/studies/{page.url.rpartition('/')[2]}")["document"]
    assert isinstance(document, dict)
    assert sorted(document["references"]) == ["full", "untuned"]
    assert [entry["method"] for entry in document["methods"]] == ["adapter", "prefix_tuning"]
    assert document["methods"][1]["hyperparameters"]["num_virtual_tokens"] == 20
    assert (document["seeds"], document["grid_points"]) == ([0, 1, 2], 3)


def test_single_seeds_are_said_and_more_are_one_link_away(page: "Page", served: tuple[str, Engine]) -> None:
    url, engine = served
    page.goto(f"{url}/recommend?study=5&scenario=multi_task")
    page.locator(".recommend-ranking").wait_for()
    assert "one seed only" in page.locator(".recommend-notes").inner_text()
    assert "no seed noise in it" in page.locator(".recommend-lead").inner_text()
    assert check_page(page, engine) == []
    page.get_by_role("link", name="Run it again with more seeds").click()
    page.locator("#study-linked").wait_for()
    assert page.locator("#study-seeds").input_value() == "5"


def test_a_looked_up_case_is_launched_from_its_answer(start: Start, browser: "Browser", few_tweets: Path) -> None:
    """Look up, "not measured", launch: in a home where nothing was measured at all."""
    with start(few_tweets) as url:
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        page.set_default_timeout(PATIENCE_MS)
        told: list[str] = []
        page.on("console", lambda message: told.append(message.text) if message.type == "error" else None)
        page.goto(f"{url}/recommend?view=lookup&base_model=minilm&task=tweets&length=24&epochs=1&device=cpu")
        page.get_by_text("no study speaks for it").wait_for()
        page.get_by_role("link", name="Run this study").click()
        page.locator("#study-linked").wait_for()
        assert page.locator("#study-task").input_value() == "Tweets: positive or negative"
        assert page.locator("#study-max-length").input_value() == "24"
        assert page.locator("#study-device").input_value() == "a CPU"
        chosen = page.locator(".method-card[aria-pressed=true] .top").all_inner_texts()
        assert chosen == ["LoRA", "Adapter", "Prefix Tuning", "P-Tuning v2"]
        page.locator("#launch-study").click()
        page.wait_for_url(re.compile(r"/studies/\d+$"))
        document = ask(f"{url}/api/v1/studies/1")["document"]
        assert isinstance(document, dict)
        assert (document["task"], document["device"], document["budget"]["max_length"]) == ("tweets", "cpu", 24)
        assert [entry["method"] for entry in document["methods"]] == ["lora", "adapter", "prefix_tuning", "p_tuning_v2"]
        assert document["references"] == ["untuned", "head_only", "full"]
        page.close()
        assert told == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_part_shuts_anybody_out(browser: "Browser", served: tuple[str, Engine], scheme: Any) -> None:
    """axe finds nothing serious, in either theme and either language."""
    url, _ = served
    with browser.new_context(color_scheme=scheme) as context:
        context.add_cookies([{"name": COOKIE, "value": "zh" if scheme == "dark" else "en", "url": url}])
        opened = context.new_page()
        for part in ("study=1", "view=guide", f"view=lookup&{ESTIMATED}"):
            opened.goto(f"{url}/recommend?{part}")
            opened.locator(".recommend-lead").wait_for()
            found = Axe().run(opened).response["violations"]
            assert [(one["id"], one["impact"]) for one in found if one["impact"] in ("serious", "critical")] == []


@wide_and_slowly_narrow
def test_what_a_link_asks_for_and_is_not_there_is_said(page: "Page", served: tuple[str, Engine]) -> None:
    url, engine = served
    asked = "base_model=nobody&task=movies&methods=lora(rank:4),nosuch,adapter(depth:9)&references=full,gold&seeds=two"
    page.goto(f"{url}/studies/new?{asked}")
    left_out = page.locator("#study-ignored")
    left_out.wait_for()
    for wrong in ("nobody", "nosuch", "depth of adapter", "gold", "two"):
        assert wrong in left_out.inner_text()
    page.locator(".step").nth(2).click()
    rank = page.locator('input[id*=\'"field":"rank"\'][id*=\'"method":"lora"\']').first
    rank.wait_for()
    assert rank.input_value() == "4"
    assert page.locator("#study-task").input_value() == "Film reviews: positive or negative"
    assert check_page(page, engine) == []
