"""People in a real browser: invited, logged in, given another role, logged out; with tokens, and a log of it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe

from app.db.session import system_session
from app.main import create_app
from app.settings import Settings
from tests.app.api.accounts import PASSWORD, with_people
from tests.flow.conftest import Serve
from tests.flow.finished_study import insert

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, serve: Serve) -> Iterator[str]:
    app = with_people(create_app(Settings(home=Path(tmp_path_factory.mktemp("home")))))
    with system_session(app.state.engine) as session:
        insert(session, team_id=1)
    with serve(app) as url:
        yield url


@pytest.fixture
def context(browser: "Browser") -> "Iterator[BrowserContext]":
    made = browser.new_context(viewport={"width": 1280, "height": 860})
    yield made
    made.close()


def page_of(context: "BrowserContext", address: str, name: str, path: str) -> "Page":
    """A page of somebody's, who came by the door; nothing may be written to its console."""
    page = context.new_page()
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.on("console", lambda said: pytest.fail(said.text) if said.type == "error" else None)
    page.goto(f"{address}{path}")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}{path}")
    page.wait_for_selector(".who-name")
    return page


def violations(page: "Page") -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {node['target']}" for one in found for node in one["nodes"]]


def test_somebody_is_invited_joins_and_gets_another_role(
    browser: "Browser", context: "BrowserContext", address: str
) -> None:
    team = page_of(context, address, "ada", "/team")
    team.get_by_label("For whom (optional)").fill("Kim <b>")
    team.get_by_role("button", name="Make a link").click()
    team.wait_for_function("() => document.getElementById('team-invitation-once').value")
    link = team.get_by_label("The link").input_value()
    assert re.fullmatch(re.escape(address) + r"/invitations/[\w-]{43}", link)
    assert violations(team) == []
    other = browser.new_context()
    joining = other.new_page()
    joining.goto(link)
    assert violations(joining) == []
    joining.get_by_label("Your name here").fill("kim")
    joining.get_by_label("Password").first.fill(PASSWORD)
    joining.keyboard.press("Enter")
    joining.wait_for_selector(".who-name:has-text('kim')")
    team.reload()
    team.get_by_label("Role of kim").click()
    team.get_by_role("option", name="viewer").click()
    team.get_by_text("kim is viewer now.").wait_for()
    joining.wait_for_selector(".who-looks")
    assert joining.locator(".nav-link[href='/studies/new']").is_hidden()
    assert joining.locator(".nav-link[href='/admin']").is_hidden()
    team.once("dialog", lambda asked: asked.accept())
    team.get_by_role("button", name="Remove kim").click()
    team.get_by_text("kim is no longer in the team.").wait_for()
    joining.wait_for_url(f"{address}/login**")
    other.close()


def test_a_token_is_made_copied_and_revoked(context: "BrowserContext", address: str) -> None:
    page = page_of(context, address, "max", "/account")
    assert violations(page) == []
    page.get_by_label("What it is for").fill("nightly <i>run</i>")
    page.get_by_role("button", name="Make a token").click()
    page.wait_for_function("() => document.getElementById('account-token-once').value")
    secret = page.get_by_label("The new token").input_value()
    given = {"authorization": f"Bearer {secret}"}
    assert httpx.get(f"{address}/api/v1/studies", headers=given).status_code == 200
    page.once("dialog", lambda asked: asked.accept())
    page.get_by_role("button", name="Revoke the token nightly <i>run</i>").click()
    page.locator("#account-tokens .tag", has_text="revoked").wait_for()
    assert httpx.get(f"{address}/api/v1/studies", headers=given).status_code == 401
    page.reload()
    page.wait_for_selector("#account-tokens table")
    assert secret not in page.content()


def test_a_viewer_is_not_offered_what_they_may_not_do(context: "BrowserContext", address: str) -> None:
    page = page_of(context, address, "vera", "/studies/1")
    page.wait_for_selector(".who-looks")
    page.locator("#study-copy").wait_for()
    for hidden in ("#study-approve", "#study-delete", "#study-comment-send"):
        assert page.locator(hidden).is_hidden()
    page.goto(f"{address}/team")
    page.wait_for_selector("#team-members table")
    assert page.locator("#invitations, #team-audit").count() == 0


def test_logging_out_everywhere_leads_to_the_door(context: "BrowserContext", address: str) -> None:
    page = page_of(context, address, "max", "/account")
    page.once("dialog", lambda asked: asked.accept())
    page.get_by_role("button", name="Log out everywhere").click()
    page.wait_for_url(f"{address}/login**")
    assert violations(page) == []


def test_an_operator_makes_and_disables_a_user(context: "BrowserContext", address: str) -> None:
    page = page_of(context, address, "ada", "/admin")
    page.get_by_text("Add a user with a password").click()
    page.locator("#admin-user-name").fill("Lee")
    page.locator("#admin-user-password").fill(PASSWORD)
    page.get_by_role("button", name="Add the user").click()
    page.get_by_text("lee can log in now.").wait_for()
    page.once("dialog", lambda asked: asked.accept())
    page.get_by_role("button", name="Disable lee").click()
    page.get_by_text("lee is logged out and stays out.").wait_for()
    page.get_by_role("button", name="Let lee in again").wait_for()
    assert violations(page) == []


def test_an_operator_limits_a_team(context: "BrowserContext", address: str) -> None:
    page = page_of(context, address, "ada", "/admin")
    page.get_by_label("Runs that may wait").fill("40")
    page.get_by_label("Gigabytes that may be kept").fill("2")
    page.get_by_role("button", name="Set the limits").click()
    page.get_by_text("The limits of local are set.").wait_for()
    row = page.locator("#admin-limits tbody tr").first
    assert "at most 40" in row.inner_text().replace("\xa0", " ")
    assert "2.00 GB" in row.inner_text().replace("\xa0", " ").replace("\u202f", " ")
    page.get_by_label("Runs that may wait").fill("")
    page.get_by_role("button", name="Set the limits").click()
    row.get_by_text("no limit").wait_for()


def test_a_teams_hub_token_is_kept_and_forgotten_and_never_shown(context: "BrowserContext", address: str) -> None:
    page = page_of(context, address, "ada", "/team")
    page.get_by_label("New token").fill("hf_a_token_of_the_team")
    page.get_by_role("button", name="Keep the token").click()
    page.get_by_text("The token is kept.").wait_for()
    assert page.get_by_label("New token").input_value() == ""
    assert violations(page) == []
    page.reload()
    page.get_by_text("Set by ada").wait_for()
    assert "hf_a_token_of_the_team" not in page.content()
    page.once("dialog", lambda asked: asked.accept())
    page.get_by_role("button", name="Forget the token").click()
    page.get_by_text("The token is forgotten.").wait_for()
    page.get_by_text("The team has none of its own").wait_for()
