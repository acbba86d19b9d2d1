"""What holds for every page: it can be read by everyone, nothing jumps, nothing complains, and it is there at once."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import dash
import pytest
from axe_playwright_python.sync_playwright import Axe
from sqlalchemy import select

from app.db.session import system_session
from app.db.tables import Configuration, Run
from app.language import COOKIE
from app.main import create_app
from app.settings import Settings
from benchmarks.screenshots import addresses
from tests.flow.conftest import Serve
from tests.flow.finished_run import leave_healthy, leave_spectrum
from tests.flow.finished_study import insert

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

pytestmark = pytest.mark.browser

PAGES = list(addresses(1, 1))
MOST_LAYOUT_SHIFT = 0.02
"""Of the cumulative layout shift; 0.1 is what web.dev calls good."""
MOST_SECONDS_TO_CONTENT = 1.5
QUIET_MILLISECONDS = 1_200
WATCH = """
window.shifts = [];
new PerformanceObserver(list => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) {
    const name = node => node && (node.id || node.className || node.nodeName);
    window.shifts.push([entry.value, entry.sources.map(source => name(source.node))]);
  }
}).observe({type: 'layout-shift', buffered: true});
"""


@dataclass(frozen=True)
class Served:
    """The application with a finished study and a run of it that left curves and a spectrum."""

    address: str
    pages: dict[str, str]
    registered: set[str]


@dataclass
class Seen:
    """A page that was opened, with what the browser had to say about it."""

    page: "Page"
    complaints: list[str] = field(default_factory=list)

    def hear(self, message: "ConsoleMessage") -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text[:300]}")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, serve: Serve) -> Iterator[Served]:
    settings = Settings(home=tmp_path_factory.mktemp("home"))
    app = create_app(settings)
    with system_session(app.state.engine) as session:
        study = insert(session, team_id=1)
        of_lora = select(Run).join(Configuration).where(Configuration.method == "lora", Run.purpose == "report")
        run = session.scalars(of_lora.order_by(Run.id)).first()
        assert run is not None
        leave_healthy(session, run, 0.94)
        leave_spectrum(session, settings.store_folder, run)
        pages = addresses(study.id, run.id)
    registered = {entry["path"] for entry in dash.page_registry.values() if not entry["path_template"]}
    with serve(app) as address:
        yield Served(address, pages, registered)


def test_every_registered_page_is_among_them(served: Served) -> None:
    known = {path.partition("?")[0] for path in served.pages.values()}
    assert {path for path in served.registered if "404" not in path} <= known


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_it_is_accessible_steady_and_quiet(browser: "Browser", served: Served, name: str, theme: str) -> None:
    context = _context(browser, served, theme=theme, width=1280, language="en" if theme == "light" else "zh")
    seen = _open(context, served, name)
    assert seen.complaints == []
    assert _shifts(seen.page) == []
    assert _violations(seen.page) == []
    context.close()


@pytest.mark.parametrize("name", PAGES)
def test_it_fits_a_phone(browser: "Browser", served: Served, name: str) -> None:
    context = _context(browser, served, theme="light", width=390, language="zh")
    seen = _open(context, served, name)
    assert seen.page.evaluate("document.documentElement.scrollWidth") == 390
    assert seen.complaints == []
    assert _violations(seen.page) == []
    context.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_its_first_content_is_there_within_a_second_and_a_half(browser: "Browser", served: Served, name: str) -> None:
    seconds = []
    for _ in range(5):
        context = _context(browser, served, theme="light", width=1280, language="en")
        seen = _open(context, served, name)
        paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        seconds.append(seen.page.evaluate(paint) / 1e3)
        context.close()
    assert statistics.median(seconds) <= MOST_SECONDS_TO_CONTENT, seconds


def _context(browser: "Browser", served: Served, *, theme: Any, width: int, language: str) -> "BrowserContext":
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
    context.add_init_script(WATCH)
    context.add_cookies([{"name": COOKIE, "value": language, "url": served.address}])
    return context


def _open(context: "BrowserContext", served: Served, name: str) -> Seen:
    seen = Seen(context.new_page())
    seen.page.on("console", seen.hear)
    seen.page.on("pageerror", lambda error: seen.complaints.append(f"exception: {str(error)[:300]}"))
    seen.page.goto(served.address + served.pages[name])
    seen.page.wait_for_selector("main h1")
    seen.page.wait_for_timeout(QUIET_MILLISECONDS)
    return seen


def _shifts(page: "Page") -> list[Any]:
    """What moved, where all that moved is more than a reader may see."""
    shifts: list[Any] = page.evaluate("window.shifts")
    return shifts if sum(value for value, _ in shifts) > MOST_LAYOUT_SHIFT else []


def _violations(page: "Page") -> list[str]:
    """Serious and critical findings of axe-core, one for each element."""
    found = Axe().run(page).response["violations"]
    return [
        f"{rule['id']}: {node['target']} {node['failureSummary'][:200]}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]
