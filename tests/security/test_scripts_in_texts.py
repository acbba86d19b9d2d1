"""S10: no text that people or machines write runs as a script, on any page, in any theme's figure, report or file."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from benchmarks.screenshots import addresses
from tests.security import marked_up
from tests.security.installation import ANONYMOUS, Installation, installation
from tests.security.listener import Listener, listening

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.browser
PAGES = tuple(
    dict.fromkeys(
        (*addresses(1, 1), "team", "account", "studies-found", "run-of-study", "study-of-nobody", "door", "invitation")
    )
)
AT_EVERY_CHANGE = ("study", "run", "studies", "new-study", "admin", "team", "door")
"""The pages that show most of what others write; the rest takes a minute."""
WRITTEN = "() => document.querySelector('main') && document.querySelector('main').innerText.trim().length > 20"
MOST_TABS = 12
REST_MILLISECONDS = 700
DANGEROUS = """() => [...document.querySelectorAll('*')].filter(element =>
    [...element.attributes].some(one => one.name.startsWith('on') || /^\\s*javascript:/i.test(one.value))
    || (element.localName === 'img' && /127[.]0[.]0[.]1:PORT/.test(element.src))
).map(element => element.outerHTML.slice(0, 200))"""


@dataclass(frozen=True)
class Marked:
    """An installation whose texts are scripts, and the machine that they would speak to."""

    there: Installation
    listener: Listener
    pages: dict[str, str]
    study: int


@dataclass
class Watched:
    """A page with all that shows that a script ran, or that one was stopped."""

    page: "Page"
    seen: list[str] = field(default_factory=list)

    def listen(self, own: str) -> None:
        page, seen = self.page, self.seen
        page.on("dialog", lambda dialog: seen.append(f"dialog {dialog.message}"))
        page.on("pageerror", lambda error: seen.append(f"exception {str(error)[:200]}"))
        page.on("popup", lambda popup: seen.append(f"popup {popup.url}"))
        page.on(
            "console",
            lambda said: (
                seen.append(f"{said.type} {said.text[:300]}")
                if said.type in ("error", "warning") and "status of 404" not in said.text
                else None
            ),
        )
        page.on(
            "request",
            lambda asked: (
                None if asked.url.startswith((own, "data:", "blob:")) else seen.append(f"request {asked.url}")
            ),
        )

    def check(self, port: int) -> None:
        assert self.page.evaluate("window.ran") is None
        assert self.page.evaluate(DANGEROUS.replace("PORT", str(port))) == []
        assert self.seen == []


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Marked]:
    with listening() as listener, installation(tmp_path_factory.mktemp("marked")) as there:
        study, run = marked_up.leave(there.engine, there.ours.team_id, listener.url)
        asked = quote(marked_up.SHORT)
        pages = addresses(study, run) | {
            "studies-found": f"/studies?q={asked}&tag={asked}",
            "run-of-study": f"/runs?study={study}&status=&method={asked}",
            "study-of-nobody": f"/studies/{asked}",
            "team": "/team",
            "account": "/account",
            "invitation": f"/invitations/{asked}",
            "door": "/login?next=%22%3E%3Cscript%3Eran%3D1%3C/script%3E",
        }
        yield Marked(there, listener, pages, study)


def opened(browser: "Browser", marked: Marked, who: str, scheme: str) -> "BrowserContext":
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, color_scheme="dark" if scheme == "dark" else "light"
    )
    if who != ANONYMOUS:
        context.add_cookies(
            [
                {"name": name, "value": value, "url": marked.there.url}
                for name, value in marked.there.cookies(who).items()
            ]
        )
    return context


@pytest.mark.parametrize(
    "name", [name if name in AT_EVERY_CHANGE else pytest.param(name, marks=pytest.mark.slow) for name in PAGES]
)
def test_no_script_in_a_text_runs_on_a_page(browser: "Browser", marked: Marked, name: str) -> None:
    context = opened(browser, marked, ANONYMOUS if name in ("door", "invitation") else "root", "light")
    watched = Watched(context.new_page())
    watched.listen(marked.there.url)
    page = watched.page
    page.goto(marked.there.url + marked.pages[name])
    page.wait_for_function(WRITTEN)
    page.wait_for_timeout(REST_MILLISECONDS)
    watched.check(marked.listener.port)
    show_all(page)
    watched.check(marked.listener.port)
    assert marked.listener.heard == []
    context.close()


def show_all(page: "Page") -> None:
    """Everything that a page shows only when it is asked: its tabs, folded parts, and what appears under the mouse."""
    for tab in page.locator("main [role=tab]:visible").all()[:MOST_TABS]:
        if tab.is_visible() and tab.is_enabled():
            tab.click()
            page.wait_for_timeout(REST_MILLISECONDS // 2)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    for figure in page.locator("main .js-plotly-plot:visible").all()[:6]:
        figure.scroll_into_view_if_needed()
        box = figure.bounding_box()
        if box is not None:
            for share in (0.3, 0.5, 0.7):
                page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
                page.wait_for_timeout(60)
    page.wait_for_timeout(REST_MILLISECONDS // 2)


def test_the_page_really_shows_the_texts(browser: "Browser", marked: Marked) -> None:
    context = opened(browser, marked, "root", "light")
    page = context.new_page()
    for name in ("study", "run", "studies", "studies-found", "team"):
        page.goto(marked.there.url + marked.pages[name])
        page.wait_for_selector("main h1")
        page.wait_for_function("text => document.body.innerText.includes(text)", arg=marked_up.SHORT)
    context.close()


def test_no_script_runs_in_the_report_even_as_a_file(browser: "Browser", marked: Marked, tmp_path: Path) -> None:
    with marked.there.client("viewer") as client:
        answer = client.get(f"/api/v1/studies/{marked.study}/export", params={"format": "html"})
    assert answer.headers["content-disposition"].startswith("attachment")
    report = tmp_path / "report.html"
    report.write_bytes(answer.content)
    context = browser.new_context()
    watched = Watched(context.new_page())
    watched.listen("file://")
    watched.page.goto(report.as_uri())
    assert marked_up.SHORT in watched.page.inner_text("body")
    watched.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    watched.page.wait_for_timeout(REST_MILLISECONDS)
    watched.check(marked.listener.port)
    assert marked.listener.heard == []
    context.close()


def test_no_script_runs_in_a_report_that_is_shared_or_published(browser: "Browser", marked: Marked) -> None:
    with marked.there.client("root") as client:
        shared = client.post(f"/api/v1/studies/{marked.study}/shares", json={"days": 1, "note": marked_up.SHORT})
        published = client.post(f"/api/v1/studies/{marked.study}/publications")
        assert (shared.status_code, published.status_code) == (201, 201), shared.text + published.text
    for path in (shared.json()["path"], published.json()["path"]):
        context = browser.new_context()
        watched = Watched(context.new_page())
        watched.listen(marked.there.url)
        watched.page.goto(marked.there.url + path)
        assert marked_up.SHORT in watched.page.inner_text("body")
        watched.page.wait_for_timeout(REST_MILLISECONDS)
        watched.check(marked.listener.port)
        context.close()
    assert marked.listener.heard == []


@pytest.mark.parametrize("format", ["json", "yaml", "csv", "md"])
def test_a_file_is_never_taken_for_a_page(browser: "Browser", marked: Marked, format: str) -> None:
    with marked.there.client("viewer") as client:
        address = f"/api/v1/studies/{marked.study}/export?format={format}"
        answer = client.get(address)
    assert answer.status_code == 200
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert "html" not in answer.headers["content-type"]
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    if format == "md":
        assert "<img" not in answer.text
        assert "<script" not in answer.text
        assert re.search(r"(?<!\\)\]\(javascript:", answer.text) is None


def test_what_is_stopped_would_be_told(browser: "Browser", marked: Marked) -> None:
    """The attack is one: without our care it is stopped by the policy alone, and that is told."""
    context = opened(browser, marked, "root", "light")
    watched = Watched(context.new_page())
    watched.listen(marked.there.url)
    watched.page.goto(marked.there.url)
    watched.page.wait_for_selector("main h1")
    watched.page.evaluate(
        "text => document.querySelector('main').insertAdjacentHTML('beforeend', text)", marked_up.SHORT
    )
    watched.page.evaluate(
        "() => { const one = document.createElement('script'); one.textContent = 'ran=2'; document.body.append(one); }"
    )
    watched.page.wait_for_timeout(REST_MILLISECONDS)
    assert watched.page.evaluate("window.ran") is None
    assert any("Content Security Policy" in said for said in watched.seen)
    context.close()


def test_the_description_is_shown_under_the_policy(browser: "Browser", marked: Marked) -> None:
    context = opened(browser, marked, "root", "light")
    watched = Watched(context.new_page())
    watched.listen(marked.there.url)
    watched.page.goto(f"{marked.there.url}/api/docs")
    watched.page.wait_for_selector(".opblock")
    watched.page.locator(".opblock").first.click()
    watched.page.wait_for_timeout(REST_MILLISECONDS)
    assert watched.seen == []
    context.close()


def test_inline_scripts_run_only_by_their_hash(marked: Marked) -> None:
    with marked.there.client("root") as client:
        for path in ("/", "/runs", "/api/docs", "/login"):
            policy = client.get(path).headers["content-security-policy"]
            scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
            assert "'unsafe-inline'" not in scripts
            assert "'unsafe-eval'" not in scripts
            assert "http" not in scripts
