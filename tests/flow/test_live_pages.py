"""Pages that follow, in a real browser: told in two seconds, caught up after a lost connection, quiet when closed."""

import re
import statistics
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI
from playwright.sync_api import expect
from sqlalchemy import update

from app.db.session import system_session
from app.db.tables import Run, Study
from app.language import speaking, tr
from app.main import create_app
from app.settings import Settings
from app.ui import live
from tests.flow.conftest import Serve
from tests.flow.finished_study import insert

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, WebSocketRoute

pytestmark = pytest.mark.browser

TABS = 20
REQUESTS = 60
SLOWEST_SECONDS = 0.25
PATIENCE_SECONDS = 10.0


@dataclass(frozen=True)
class Served:
    """An application with a finished study and one whose last run still waits."""

    app: FastAPI
    address: str
    waiting: int


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, serve: Serve) -> Iterator[Served]:
    app = create_app(Settings(home=tmp_path_factory.mktemp("home")))
    with system_session(app.state.engine) as session:
        insert(session, team_id=1)
        waiting = insert(session, team_id=1)
        waiting.name, waiting.runs[-1].status, waiting.runs[-1].ended_at = "Still waiting", "queued", None
        study = waiting.id
    with serve(app) as address:
        yield Served(app, address, study)


@pytest.fixture
def context(browser: "Browser") -> "Iterator[BrowserContext]":
    context = browser.new_context(viewport={"width": 1280, "height": 860}, locale="en-US")
    yield context
    context.close()


def opened(context: "BrowserContext", served: Served, path: str = "/") -> "Page":
    """A page that follows what it shows."""
    page = context.new_page()
    page.goto(served.address + path)
    expect(page.locator("#worker-line")).to_have_text("no worker")
    return page


def rename(served: Served, name: str) -> None:
    """Written to the database beside the server, as a worker does it."""
    with system_session(served.app.state.engine) as session:
        session.get_one(Study, 1).name = name


def until(holds: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_change_beside_the_server_is_on_the_open_page_within_two_seconds(
    context: "BrowserContext", served: Served
) -> None:
    page = opened(context, served)
    rename(served, "Measured meanwhile")
    expect(page.locator("#overview-studies")).to_contain_text("Measured meanwhile", timeout=2_000)


def test_nothing_is_watched_when_the_last_page_has_gone(context: "BrowserContext", served: Served) -> None:
    page = opened(context, served)
    assert {thing.subject for thing in live.watching()} == {"shell", "overview"}
    page.get_by_role("link", name="Queue").click()
    page.wait_for_url("**/runs")
    until(lambda: {thing.subject for thing in live.watching()} == {"shell", "queue"})
    page.close()
    until(lambda: not live.watching())


def test_a_lost_connection_is_told_and_what_was_missed_comes_when_it_is_back(
    context: "BrowserContext", served: Served
) -> None:
    away, sockets = False, []

    def connect(socket: "WebSocketRoute") -> None:
        sockets.append(socket)
        if away:
            socket.close()
        else:
            socket.connect_to_server()

    context.route_web_socket(re.compile(live.PATH), connect)
    page = opened(context, served)
    away = True
    sockets[0].close()
    expect(page.locator("#connection-line")).to_contain_text("Connection lost, trying again")
    rename(served, "Missed while away")
    away = False
    expect(page.locator("#overview-studies")).to_contain_text("Missed while away", timeout=15_000)
    expect(page.locator("#connection-line")).to_be_empty()


def test_the_page_says_that_a_study_has_ended_to_who_asked_for_it(context: "BrowserContext", served: Served) -> None:
    page = opened(context, served)
    page.get_by_role("button", name="Tell me when a study ends").click()
    expect(page.locator("#study-ends")).to_have_attribute("aria-pressed", "true")
    with system_session(served.app.state.engine) as session:
        waits = update(Run).where(Run.study_id == served.waiting, Run.status == "queued")
        session.execute(waits.values(status="succeeded"))
    told = page.locator("#toasts").get_by_role("link", name="Still waiting is finished")
    expect(told).to_have_attribute("href", f"/studies/{served.waiting}")
    page.reload()
    expect(page.locator("#study-ends")).to_have_attribute("aria-pressed", "true")


def test_the_language_is_chosen_in_the_foot_and_remembered(context: "BrowserContext", served: Served) -> None:
    page = opened(context, served)
    other = opened(context, served)
    page.get_by_role("button", name="中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh")
    expect(page.get_by_role("button", name="中文")).to_have_attribute("aria-pressed", "true")
    expect(other.locator("html")).to_have_attribute("lang", "en")
    again = context.new_page()
    again.goto(served.address)
    expect(again.locator("html")).to_have_attribute("lang", "zh")
    # The websocket of the other page goes on in English, and this one's speaks Chinese.
    with speaking("zh"):
        expect(again).to_have_title(tr("Overview · PEFT Atlas"))
    other.get_by_role("link", name="Queue").click()
    expect(other).to_have_title("Queue · PEFT Atlas")


def test_times_are_the_viewers(browser: "Browser", served: Served) -> None:
    context = browser.new_context(locale="en-US", timezone_id="Asia/Shanghai")
    page = context.new_page()
    page.goto(f"{served.address}/studies")
    shown = page.locator("#studies-list time").first
    expect(shown).to_have_text("Mar 2, 2026, 5:00 PM")
    expect(shown).to_have_attribute("title", "2026-03-02 09:00:00 UTC")
    context.close()


@pytest.mark.slow
def test_twenty_open_tabs_do_not_slow_the_api(context: "BrowserContext", served: Served) -> None:
    for path in ["/", "/runs?status=all", "/studies", "/"] * (TABS // 4):
        context.new_page().goto(served.address + path)
    until(lambda: {thing.subject for thing in live.watching()} == {"shell", "overview", "queue", "studies"})
    assert len(live.watching()) == 4
    seconds = []
    for turn in range(REQUESTS):
        if turn % 5 == 0:
            rename(served, f"Changed {turn}")
        began = time.monotonic()
        urllib.request.urlopen(f"{served.address}/api/v1/studies").read()
        seconds.append(time.monotonic() - began)
        time.sleep(0.2)
    assert statistics.quantiles(seconds, n=20)[-1] <= SLOWEST_SECONDS, sorted(seconds)
