"""What somebody sees before they are known: where to log in, or to show the first-visit key. Pages without scripts."""

from html import escape
from string import Template
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from app.api.context import AsAnyone, OpenContext
from app.api.gate import DOOR, IDENTITY
from app.api.session_cookie import address_of, forget_session, keep_key, keep_session
from app.colours import DARK, LIGHT, Palette
from app.errors import AtlasError
from app.language import language, mark, tr
from app.services.accounts import first_visit, sessions, users

router = APIRouter(tags=[IDENTITY], include_in_schema=False)
OPEN_FILES = ("/assets/door.css", "/assets/favicon.svg", "/favicon.ico")
COLOURS = ("page", "surface", "line", "strong", "ink", "ink_2", "accent", "button", "bad", "bad_soft")
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
        return _page(_log_in_form(next), tr("Log in"))
    if request.state.key is None:
        return RedirectResponse(safe(next), 303)
    if key:
        return _enter_with_key(request, key, next)
    return _page(_key_form(next), tr("First visit"))


@router.post(DOOR)
def enter(
    here: AsAnyone, request: Request, name: Field = "", password: Field = "", key: Field = "", next: Field = "/"
) -> Response:
    """Log in by name and password, or show the first-visit key; then go where one wanted to."""
    if not users.accounts_exist(here.engine):
        return _enter_with_key(request, key, next)
    try:
        made = sessions.log_in(here.engine, name, password, address_of(request))
    except AtlasError as refusal:
        return _page(_log_in_form(next, name), tr("Log in"), refusal)
    _end_earlier(here, request)
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


def _end_earlier(here: OpenContext, request: Request) -> None:
    if request.state.credentials.session is not None:
        sessions.log_out(here.engine, request.state.credentials.session)


def _enter_with_key(request: Request, given: str, next: str) -> Response:
    key = request.state.key
    if key is None or not first_visit.is_key(key, given):
        return _page(_key_form(next), tr("First visit"), AtlasError(tr(WRONG_KEY)), status=401)
    answer = RedirectResponse(safe(next), 303)
    keep_key(answer, request, key)
    return answer


def _log_in_form(next: str, name: str = "") -> str:
    who = _input("name", tr("Name"), f'value="{escape(name)}" autocomplete="username" autocapitalize="none" autofocus')
    password = _input("password", tr("Password"), 'type="password" autocomplete="current-password"')
    return who + password + _send(next, tr("Log in"))


def _key_form(next: str) -> str:
    why = tr("This machine may have other users, so the first visit needs the key that the command printed.")
    key = _input("key", tr("Key"), 'type="password" autocomplete="off" autofocus')
    send = _send(next, tr("Open"))
    return f"<p>{escape(why)}</p>{key}{send}"


def _input(name: str, label: str, attributes: str) -> str:
    return f'<label for="{name}">{escape(label)}</label><input id="{name}" name="{name}" {attributes} required>'


def _send(next: str, words: str) -> str:
    return f'<input type="hidden" name="next" value="{escape(next)}"><button>{escape(words)}</button>'


def _page(form: str, title: str, refusal: AtlasError | None = None, status: int | None = None) -> HTMLResponse:
    told = f'<p class="door-refusal" role="alert">{escape(refusal.detail)}</p>' if refusal else ""
    html = PAGE.substitute(
        language=language(),
        title=escape(title),
        light=_variables(LIGHT),
        dark=_variables(DARK),
        told=told,
        form=form,
        action=quote(DOOR),
    )
    return HTMLResponse(html, status or (refusal.status if refusal else 200), headers={"cache-control": "no-store"})


def _variables(palette: Palette) -> str:
    return "".join(f"--{name.replace('_', '-')}:{getattr(palette, name)};" for name in COLOURS)


PAGE = Template("""<!doctype html>
<html lang="$language">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title · PEFT Atlas</title>
<link rel="icon" href="/assets/favicon.svg">
<style>:root{color-scheme:light dark;$light}@media (prefers-color-scheme:dark){:root{$dark}}</style>
<link rel="stylesheet" href="/assets/door.css">
</head>
<body class="door">
<main>
<h1>PEFT Atlas</h1>
<h2>$title</h2>
$told
<form method="post" action="$action">$form</form>
</main>
</body>
</html>
""")
