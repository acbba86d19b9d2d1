"""A team's review of a study in a real browser: read, comment, tag, approve, share; the link shows the same."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from sqlalchemy import select

from app.db.session import system_session
from app.db.tables import Run
from app.main import create_app
from app.settings import Settings
from tests.flow.conftest import Serve
from tests.flow.finished_study import insert

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
NOT_MARKUP = "<script>document.title = 'taken'</script> 2 < 3"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, serve: Serve) -> Iterator[tuple[FastAPI, str]]:
    app = create_app(Settings(home=Path(tmp_path_factory.mktemp("home"))))
    with system_session(app.state.engine) as session:
        insert(session, team_id=1)
    with serve(app) as address:
        yield app, address


@pytest.fixture
def page(browser: "Browser") -> "Iterator[Page]":
    """A page that must not write an error or a warning to the console."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    context.close()
    assert said == []


def ask(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def test_a_study_is_read_commented_tagged_approved_and_shared(
    page: "Page", browser: "Browser", served: tuple[FastAPI, str]
) -> None:
    app, address = served
    api = f"{address}/api/v1/studies/1"
    page.goto(f"{address}/studies/1")
    page.wait_for_selector("#study-figure .js-plotly-plot .hm")

    # Read: smallest first, without the baselines and two columns.
    page.locator("#study-sort").click()
    page.get_by_role("option", name="Storage", exact=True).click()
    page.wait_for_function("() => location.search.includes('by=storage_bytes')")
    page.locator("#study-rows-open").click()
    page.get_by_label("Head only", exact=True).uncheck()
    page.wait_for_function("() => location.search.includes('without=2')")
    page.keyboard.press("Escape")
    page.locator("#study-columns-open").click()
    page.get_by_label("Simplicity", exact=True).uncheck()
    page.wait_for_function("() => location.search.includes('less=simplicity')")
    page.keyboard.press("Escape")
    assert rows(page) == [
        "Full fine-tuning",
        "Prefix tuning n20",
        "LoRA r8",
        "P-Tuning v2 n20",
        "Adapter d48",
        "Untuned",
    ]

    # Comment: text is text.
    page.locator("#study-comment").fill(NOT_MARKUP)
    page.locator("#study-comment-send").click()
    page.wait_for_selector("#study-comments .comment-text")
    assert page.inner_text("#study-comments .comment-text") == NOT_MARKUP
    assert page.title() != "taken"
    page.locator("#study-comments").get_by_role("button", name="Edit").click()
    page.locator("#study-comment-edited").fill("LoRA r8 ties full fine-tuning.")
    page.locator("#study-comment-save").click()
    page.get_by_text("edited", exact=False).first.wait_for()
    assert [comment["text"] for comment in ask(f"{api}/comments")["items"]] == ["LoRA r8 ties full fine-tuning."]

    # Tag, approve.
    page.locator("#study-tags").fill("on device")
    page.keyboard.press("Enter")
    page.locator("#study-approve").click()
    page.locator("#study-approve-note").fill("Reviewed together.")
    page.locator("#study-approve-yes").click()
    page.wait_for_selector("#study-approval .tag-good")
    assert "Reviewed together." in page.inner_text("#study-approvals")
    assert (ask(api)["tags"], ask(api)["approval"]["state"]) == (["on device"], "approved")

    # Share: the copied address shows the same to somebody else.
    page.locator("#study-copy").click()
    page.get_by_text("Link copied").wait_for()
    link = page.evaluate("navigator.clipboard.readText()")
    other = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    other.goto(link)
    other.wait_for_selector("#study-figure .js-plotly-plot .hm")
    assert rows(other) == rows(page)
    assert other.inner_text("#study-comments .comment-text") == "LoRA r8 ties full fine-tuning."
    assert "Approved by local user" in other.inner_text("#study-approval")
    report = urllib.request.urlopen(f"{api}/export?format=html", timeout=30).read().decode()
    assert "on device" in report
    assert "Approved by local user" in report
    other.context.close()

    # What is measured later was not approved.
    with system_session(app.state.engine) as session:
        last = session.scalars(
            select(Run).where(Run.purpose == "report", Run.status == "succeeded").order_by(Run.id.desc())
        ).first()
        assert last is not None
        last.status = "failed"
    page.reload()
    page.wait_for_selector("#study-approval .tag-warn")
    assert "results changed since" in page.inner_text("#study-approval")


def rows(page: "Page") -> list[str]:
    """The rows of the heatmap, from top to bottom."""
    return list(page.evaluate("document.querySelector('#study-figure .js-plotly-plot').layout.yaxis.ticktext"))


@pytest.mark.parametrize(
    ("view", "landmark"),
    [
        ("table", "#study-grid .ag-cell"),
        ("differences", "#study-evidence .verdict"),
        ("environment", ".study-environment"),
    ],
)
def test_a_link_to_a_view_opens_it(page: "Page", served: tuple[FastAPI, str], view: str, landmark: str) -> None:
    page.goto(f"{served[1]}/studies/1?view={view}&profile=3.4.5")
    page.wait_for_selector(landmark)
    page.wait_for_selector("#study-radar-figure .js-plotly-plot .scatterlayer")
    assert page.locator("#study-radar-scores thead th").count() == 4
    assert page.url.endswith(f"view={view}&profile=3.4.5")
