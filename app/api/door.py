"""What somebody sees before they are known: where to log in, or to show the first-visit key. Pages without scripts."""

from html import escape
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from app.api.context import AsAnyone, OpenContext
from app.api.gate import DOOR, IDENTITY
from app.api.plain_page import asked, carried, form, paragraph, plain_page, way_on
from app.api.session_cookie import address_of, end_earlier, forget_session, keep_key, keep_session
from app.errors import AtlasError, Unauthenticated
from app.language import mark, tr
from app.services.accounts import first_visit, sessions, users
from app.settings import Settings

router = APIRouter(tags=[IDENTITY], include_in_schema=False)
OPEN_FILES = ("/assets/door.css", "/assets/favicon.svg", "/favicon.ico")
WRONG_KEY = mark(
    "This is not the key. Open the address that the command printed, or paste what the file first-visit-key holds in "
    "the home folder."
)

Next = Annotated[str, Query(max_length=2000)]
Field = Annotated[str, Form(max_length=2000)]


@router.get(DOOR)
def show_door(
    here: AsAnyone, request: Request, next: Next = "/", key: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """The form to log in; where nobody has an account, the one for the first-visit key, which a link may bring."""
    if users.accounts_exist(here.engine):
        return _log_in_page(here, next)
    if request.state.key is None:
        return RedirectResponse(safe(next), 303)
    if key:
        return _enter_with_key(request, key, next)
    return _key_page(next)


@router.post(DOOR)
def enter(  # nosec B107  # an empty field of a form, no password
    here: AsAnyone, request: Request, name: Field = "", password: Field = "", key: Field = "", next: Field = "/"
) -> Response:
    """Log in by name and password, or show the first-visit key; then go where one wanted to."""
    if not users.accounts_exist(here.engine):
        return _enter_with_key(request, key, next)
    try:
        made = sessions.log_in(here.engine, name, password, address_of(request))
    except AtlasError as refusal:
        return _log_in_page(here, next, name, refusal)
    end_earlier(here.engine, request)
    answer = RedirectResponse(safe(next), 303)
    keep_session(answer, request, made.token)
    return answer


@router.post("/logout")
def leave(here: AsAnyone, request: Request) -> Response:
    """End the session and go back to the door."""
    answer = RedirectResponse(DOOR, 303)
    forget_session(here.engine, request, answer)
    return answer


def safe(next: str) -> str:
    """Where to go on: a path of this server, never an address elsewhere."""
    inside = next.startswith("/") and not next.startswith(("//", "/\\")) and next.isprintable()
    return next if inside else "/"


def _enter_with_key(request: Request, given: str, next: str) -> Response:
    key = request.state.key
    if key is None or not first_visit.is_key(key, given):
        return _key_page(next, Unauthenticated(tr(WRONG_KEY)))
    answer = RedirectResponse(safe(next), 303)
    keep_key(answer, request, key)
    return answer


def _log_in_page(here: OpenContext, next: str, name: str = "", refusal: AtlasError | None = None) -> Response:
    who = asked("name", tr("Name"), f'value="{escape(name)}" autocomplete="username" autocapitalize="none" autofocus')
    password = asked("password", tr("Password"), 'type="password" autocomplete="current-password"')
    body = form(DOOR, who + password + carried("next", next), tr("Log in"))
    return plain_page(tr("Log in"), body, refusal, beside=elsewhere(here.settings, next=next))


def elsewhere(settings: Settings, **carried: str) -> str:
    """The way to log in at the identity provider, where there is one."""
    if not settings.oidc_on:
        return ""
    return way_on(f"/auth/oidc/login?{urlencode(carried)}", tr("Log in with {provider}", provider=settings.oidc_name))


def _key_page(next: str, refusal: AtlasError | None = None) -> Response:
    why = tr("This machine may have other users, so the first visit needs the key that the command printed.")
    key = asked("key", tr("Key"), 'type="password" autocomplete="off" autofocus')
    body = paragraph(why) + form(DOOR, key + carried("next", next), tr("Open"))
    return plain_page(tr("First visit"), body, refusal)
