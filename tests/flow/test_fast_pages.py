"""Pages stay fast with a large study: few points of long curves travel, a slider's last value wins, what lies below
waits. How fast is measured by benchmarks/browser.py; here is one bound that even a busy machine keeps."""

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from app.db.session import system_session
from app.language import COOKIE
from app.main import create_app
from app.schemas import Recommendation, RecommendationRequest
from app.services import recommendations
from app.settings import Settings
from tests.flow.conftest import Serve
from tests.flow.large_study import GAP_STEPS, LONG_STEPS, SPIKE_STEP, LargeStudy, leave_large_study

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

WATCH = (Path(__file__).parents[2] / "benchmarks" / "browser_watch.js").read_text(encoding="utf-8")
PATIENCE_MS = 60_000
MOST_POINTS = 320
INTERACTIVE_MS = 6_000
"""The best of three; promised are 2,000 on a machine that does nothing else."""
MOST_SPARE_PX = 24
CURVES = """() => [...document.querySelectorAll('#run-curves .js-plotly-plot')].map(({data}) => {
    const own = data[data.length > 3 ? 2 : 0];
    return {x: own.x, y: own.y, most: Math.max(...data.map(({x}) => x.length))};
})"""
"""Of each figure the run's own line: beside full fine-tuning it is the third trace."""


@dataclass(frozen=True)
class Served:
    address: str
    large: LargeStudy


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, serve: Serve) -> Iterator[Served]:
    app = create_app(Settings(home=tmp_path_factory.mktemp("home")))
    with system_session(app.state.engine) as session:
        large = leave_large_study(session)
    with serve(app) as address:
        yield Served(address, large)


@pytest.fixture
def page(browser: "Browser") -> "Iterator[Page]":
    """A page with nothing on its console."""
    opened = browser.new_page(viewport={"width": 1280, "height": 900}, locale="en-US")
    opened.set_default_timeout(PATIENCE_MS)
    opened.add_init_script(WATCH)
    told: list[str] = []
    opened.on("console", lambda message: told.append(message.text) if message.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: told.append(str(error)))
    yield opened
    opened.close()
    assert told == []


# -- long curves ------------------------------------------------------------------------------------------------------


def test_of_long_curves_few_points_travel_and_none_that_matters_is_lost(page: "Page", served: Served) -> None:
    page.goto(f"{served.address}/runs/{served.large.long_run}")
    page.wait_for_selector("html[data-interactive]")
    loss, *others = page.evaluate(CURVES)
    assert all(0 < curve["most"] <= MOST_POINTS for curve in (loss, *others))
    values = dict(zip(loss["x"], loss["y"], strict=True))
    assert values[SPIKE_STEP] == pytest.approx(2.4)
    assert values[GAP_STEPS.start] is None
    assert max(values) == LONG_STEPS


def test_the_page_says_how_many_points_it_shows(page: "Page", served: Served) -> None:
    page.goto(f"{served.address}/runs/{served.large.long_run}")
    caption = page.locator("#run-curve-thinned-0")
    expect(caption).to_have_text(re.compile(r"^\d{3} of 5,000 points shown$"))
    page.goto(f"{served.address}/runs/{served.large.run}")
    page.wait_for_selector("#run-curves .js-plotly-plot")
    expect(caption).to_be_hidden()


@pytest.mark.slow
def test_the_page_says_so_in_chinese(page: "Page", served: Served) -> None:
    page.context.add_cookies([{"name": COOKIE, "value": "zh", "url": served.address}])
    page.goto(f"{served.address}/runs/{served.large.long_run}")
    expect(page.locator("#run-curve-thinned-0")).to_have_text(re.compile(r"5,000.*\d{3}|\d{3}.*5,000"))
    assert "points shown" not in page.inner_text("#run-curve-thinned-0")


# -- a slider ---------------------------------------------------------------------------------------------------------


@dataclass
class Asked:
    """Questions with weights of one's own, while each takes a quarter of a second: as they began, and at once."""

    weights: list[float] = field(default_factory=list)
    now: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    found, answer = Asked(), recommendations.recommend

    def slowly(engine: Any, caller: Any, request: RecommendationRequest) -> Recommendation:
        if request.weights is None:
            return answer(engine, caller, request)
        with found.lock:
            found.weights.append(request.weights["quality"])
            found.now += 1
            found.most_at_once = max(found.most_at_once, found.now)
        time.sleep(0.25)
        with found.lock:
            found.now -= 1
        return answer(engine, caller, request)

    monkeypatch.setattr(recommendations, "recommend", slowly)
    return found


def test_of_values_that_a_slider_passes_the_last_one_wins(page: "Page", served: Served, asked: Asked) -> None:
    page.goto(f"{served.address}/recommend?study={served.large.study}")
    page.wait_for_selector(".recommend-headline")
    thumb = page.locator(".weight [role=slider]").first
    shown = page.locator(".weight-head span").nth(1)
    moves = 12
    start = float(shown.inner_text())
    page.evaluate("""() => {
        window.empty = 0;
        const place = document.getElementById('recommend-answer');
        new MutationObserver(() => { if (!place.querySelector('.recommend-headline')) window.empty += 1; })
            .observe(place, {subtree: true, childList: true});
    }""")
    for _ in range(moves):
        thumb.press("ArrowRight")
    expect(shown).to_have_text(f"{start + 0.05 * moves:.2f}")
    page.wait_for_function(f"() => location.search.includes('weights=quality:{start + 0.05 * moves:.12g},')")
    page.wait_for_timeout(500)
    assert asked.weights[-1] == pytest.approx(start + 0.05 * moves)
    assert asked.most_at_once == 1
    assert len(asked.weights) < moves
    assert page.evaluate("window.empty") == 0


# -- the study --------------------------------------------------------------------------------------------------------


def test_a_study_of_forty_methods_answers_soon(page: "Page", served: Served) -> None:
    times = []
    for _ in range(3):
        page.goto(f"{served.address}/studies/{served.large.study}")
        page.wait_for_selector("html[data-interactive]")
        times.append(page.evaluate("window.watched.interactive"))
        if times[-1] <= INTERACTIVE_MS:
            break
    assert min(times) <= INTERACTIVE_MS, times


NAMES_ROOM = """() => {
    const figure = document.querySelector('#study-figure .js-plotly-plot');
    const names = [...figure.querySelectorAll('.ytick text')].map((text) => text.getBoundingClientRect());
    return {
        given: figure.layout.margin.l,
        taken: figure._fullLayout._size.l,
        spare: Math.min(...names.map(({left}) => left)) - figure.getBoundingClientRect().left,
    };
}"""


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_heatmap_is_drawn_once_its_names_having_room_from_the_first(
    page: "Page", served: Served, language: str
) -> None:
    """Where the room given is too little, plotly takes more and draws everything again."""
    page.context.add_cookies([{"name": COOKIE, "value": language, "url": served.address}])
    page.goto(f"{served.address}/studies/{served.large.study}")
    page.wait_for_selector("html[data-interactive]")
    room = page.evaluate(NAMES_ROOM)
    assert room["given"] == room["taken"]
    assert 0 <= room["spare"] <= MOST_SPARE_PX


def test_what_lies_below_the_heatmap_comes_after_it(page: "Page", served: Served) -> None:
    page.add_init_script("""new MutationObserver(() => {
        window.came = window.came || [];
        for (const id of ['study-figure', 'front-figure', 'study-radar-figure', 'sweep-figure'])
            if (!window.came.includes(id) && document.querySelector(`#${id} .main-svg`)) window.came.push(id);
    }).observe(document, {subtree: true, childList: true})""")
    page.goto(f"{served.address}/studies/{served.large.study}")
    for figure in ("study-figure", "front-figure", "study-radar-figure", "sweep-figure"):
        page.wait_for_selector(f"#{figure} .main-svg", state="attached")
    expect(page.locator("#study-advantage tbody tr")).to_have_count(38)
    assert page.evaluate("window.came[0]") == "study-figure"


def test_the_lists_of_rows_and_columns_open_with_every_choice(page: "Page", served: Served) -> None:
    page.goto(f"{served.address}/studies/{served.large.study}")
    page.wait_for_selector("html[data-interactive]")
    boxes = page.locator("#study-rows-boxes input")
    expect(boxes).to_have_count(40)
    expect(boxes.first).to_be_checked()
    page.get_by_label("BitFit", exact=True).uncheck()
    page.wait_for_function("() => location.search.includes('without=')")
