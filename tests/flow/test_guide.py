"""The Guide in a browser: sliders move its numbers, claims have verdicts with and without evidence."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI

from app.db.session import system_session
from app.main import create_app
from app.settings import Settings
from tests.flow.conftest import Serve
from tests.flow.evidence import check_page
from tests.flow.finished_study import insert
from tests.flow.swept_study import RANKS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
NAMED = ("lora_forward_flops", "rank_one_speed", "prefix_inference")
THIN = "\u202f"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, serve: Serve) -> Iterator[tuple[FastAPI, str]]:
    """The application without a study; a test adds some at its end."""
    app = create_app(Settings(home=tmp_path_factory.mktemp("home")))
    with serve(app) as address:
        yield app, address


@pytest.fixture
def page(browser: "Browser") -> "Iterator[Page]":
    """A page on whose console nothing appears."""
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    told: list[str] = []
    opened.on("console", lambda message: told.append(message.text) if message.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: told.append(str(error)))
    yield opened
    opened.close()
    assert told == []


def verdict(page: "Page", claim: str) -> str:
    return page.locator(f"#claim-{claim} .chapter-verdict").get_attribute("data-verdict") or ""


def figure(page: "Page", source: str) -> float:
    """The value of the first number with a source."""
    return float(page.locator(f'[data-source="formula:{source}"]').first.get_attribute("data-value") or "nan")


def test_a_slider_moves_every_number_drawing_and_the_address(page: "Page", served: tuple[FastAPI, str]) -> None:
    page.goto(f"{served[1]}/guide?model=sizes&width=1024&layers=24&rank=4")
    page.wait_for_selector(".chapter-claims .chapter-by-formula")
    page.wait_for_selector('[data-drawing="lora"] svg')
    assert figure(page, "lora_parameters(width 1024, rank 4)") == 2 * 1024 * 4
    before = page.locator('[data-drawing="lora"]').inner_html()

    page.get_by_role("slider", name="LoRA rank r").press("ArrowRight")
    page.wait_for_selector('#chapter-lora [data-source="formula:lora_reduction(width 1024, rank 8)"]')
    assert page.locator("#chapter-lora dd").all_inner_texts() == [
        f"1.05{THIN}M",
        f"16.4{THIN}k",
        "64.0×",
        f"1.6{THIN}%",
    ]
    assert page.locator('[data-drawing="lora"]').inner_html() != before
    assert "rank=8" not in page.url, "what stands by itself needs no mention"
    page.get_by_role("slider", name="LoRA rank r").press("ArrowRight")
    page.wait_for_function("() => window.location.search.includes('rank=16')")
    assert "model=sizes" in page.url
    said = page.locator("#claim-lora_forward_flops .chapter-by-formula")
    page.wait_for_selector('#claim-lora_forward_flops [data-source="formula:lora_added_share(width 1024, rank 16)"]')
    assert "32.0×" in said.inner_text()
    assert check_page(page, served[0].state.engine) == []


def test_without_evidence_the_named_claims_rest_on_mathematics(page: "Page", served: tuple[FastAPI, str]) -> None:
    page.goto(f"{served[1]}/guide")
    page.wait_for_selector(".chapter-claims")
    assert [verdict(page, claim) for claim in NAMED] == ["false by formula", "not measured yet", "false by formula"]
    launch = page.locator("#claim-rank_one_speed .chapter-launch")
    assert launch.get_attribute("href") == "/studies/new?preset=rank_sweep"


def test_a_config_of_ones_own_is_counted_and_a_wrong_one_says_what_is_wrong(
    page: "Page", served: tuple[FastAPI, str]
) -> None:
    page.goto(f"{served[1]}/guide")
    page.wait_for_selector(".chapter-claims")
    page.locator("#chapter-model").click()
    page.get_by_role("option", name="A config.json").click()
    page.locator("#chapter-config").fill('{"model_type": "bert", "hidden_size": 384, "num_hidden_layers": 6}')
    page.wait_for_selector('#chapter-lora [data-source="formula:matrix_parameters(width 384)"]')
    assert page.locator("#chapter-problem").inner_text() == ""
    page.locator("#chapter-config").fill('{"model_type": "riddle"}')
    page.wait_for_selector("#chapter-problem:has-text('model_type')")
    assert page.locator('#chapter-lora [data-source="formula:matrix_parameters(width 384)"]').count() == 1


def test_with_evidence_they_show_what_was_measured(page: "Page", served: tuple[FastAPI, str]) -> None:
    app, address = served
    with system_session(app.state.engine) as session:
        insert(session, team_id=1, name="Quickstart")
        insert(session, team_id=1, rows=RANKS, name="Ranks")
    page.goto(f"{address}/guide#claim-rank_one_speed")
    page.wait_for_selector(".chapter-claims .chapter-findings")
    page.wait_for_selector(".chapter-by-formula")
    assert [verdict(page, claim) for claim in NAMED] == ["false by formula", "does not hold", "false by formula"]
    ratio = page.locator("#claim-rank_one_speed .chapter-findings [data-statistic=ratio]").first
    assert float(ratio.get_attribute("data-value") or 0) == pytest.approx(4_500 / 2_611)
    latency = page.locator("#claim-prefix_inference .chapter-findings [data-statistic=ratio]").first
    assert float(latency.get_attribute("data-value") or 0) == pytest.approx(0.00441 / 0.00391)
    assert page.locator("#claim-rank_one_speed .chapter-findings a").first.get_attribute("href") == "/studies/2"
    assert "LoRA r4" in page.locator("#chapter-measured-lora_rank_sixteen").inner_text()
    assert check_page(page, app.state.engine) == []
