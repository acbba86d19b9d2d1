"""Where an invitation is accepted: a page without scripts, for whoever has its link."""

from html import escape
from typing import Annotated

from fastapi import APIRouter, Form, Path, Request
from fastapi.responses import RedirectResponse, Response

from app.api.context import AsAnyone, OpenContext
from app.api.door import elsewhere, end_earlier
from app.api.gate import IDENTITY
from app.api.guard import same_origin
from app.api.plain_page import asked, carried, form, new_password, paragraph, plain_page
from app.api.session_cookie import address_of, keep_session
from app.errors import AtlasError, Forbidden
from app.language import mark, tr
from app.services.accounts import invitations, sessions
from app.services.callers import Caller

router = APIRouter(tags=[IDENTITY], include_in_schema=False)

WHAT_ROLES_MAY = {
    "viewer": mark("As a viewer you see all that the team has, and change nothing."),
    "member": mark("As a member you launch studies, comment and approve."),
    "admin": mark("As an administrator you also invite others and say who may do what."),
}
Secret = Annotated[str, Path(max_length=200)]
Field = Annotated[str, Form(max_length=1000)]


@router.get("/invitations/{secret}")
def show_invitation(here: AsAnyone, request: Request, secret: Secret) -> Response:
    """What the invitation leads to, and the forms that accept it. Open, for whoever is invited is not known yet."""
    return _page(here, request, secret)


@router.post("/invitations/{secret}")
def accept_invitation(  # nosec B107  # an empty field of a form, no password
    here: AsAnyone,
    request: Request,
    secret: Secret,
    name: Field = "",
    password: Field = "",
    who: Field = "new",
) -> Response:
    """Join the team: as somebody new, with an account's name and password, or as whoever the browser is logged in as.
    Open, for whoever is invited is not known yet."""
    try:
        if who == "present":
            return _join_as_present(here, request, secret)
        invitations.check_invitation(here.engine, secret)
        if who == "new":
            user_id = invitations.accept_as_new(here.engine, secret, name, password)
        else:
            user_id = sessions.authenticate(here.engine, name, password, address_of(request))
            invitations.accept(here.engine, secret, user_id)
        made = sessions.begin_session(here.engine, user_id)
    except AtlasError as refusal:
        return _page(here, request, secret, name, refusal)
    end_earlier(here, request)
    answer = RedirectResponse("/", 303)
    keep_session(answer, request, made.token)
    return answer


def _join_as_present(here: OpenContext, request: Request, secret: str) -> Response:
    if not same_origin(request.headers.get("origin", ""), request.headers.get("host", "")):
        raise Forbidden(tr("This request came from a page of another site, which may neither read nor write here."))
    caller = _present(here, request)
    if caller is None or caller.user_id is None:
        raise Forbidden(tr("You are logged out. Choose how to join."))
    team = invitations.accept(here.engine, secret, caller.user_id)
    sessions.choose_team(here.engine, caller, request.state.credentials.session, team)
    return RedirectResponse("/", 303)


def _present(here: OpenContext, request: Request) -> Caller | None:
    """Who the browser is logged in as. The gate has not asked, for this page is open."""
    token = request.state.credentials.session
    found = sessions.find_session(here.engine, token) if token is not None else None
    return found.caller if found else None


def _page(
    here: OpenContext, request: Request, secret: str, name: str = "", refusal: AtlasError | None = None
) -> Response:
    try:
        team, role = invitations.check_invitation(here.engine, secret)
    except AtlasError as invalid:
        return plain_page(tr("Invitation"), "", invalid)
    present = _present(here, request)
    forms = _join_forms(secret, name) if present is None else _join_form(secret, present.user)
    beside = "" if present else elsewhere(here.settings, invitation=secret)
    words = paragraph(tr(WHAT_ROLES_MAY[role]))
    return plain_page(tr("Join the team {team}", team=team), words + forms, refusal, beside=beside)


def _join_form(secret: str, user: str) -> str:
    return form(_path(secret), carried("who", "present"), tr("Join as {user}", user=user))


def _join_forms(secret: str, name: str) -> str:
    kept = f'value="{escape(name)}" autocomplete="username" autocapitalize="none"'
    new = asked("name", tr("Your name here"), f"{kept} autofocus") + new_password(
        tr("Password"), tr("At least 12 characters. A few words in a row do well.")
    )
    old = asked("old-name", tr("Name"), kept, sent_as="name") + asked(
        "old-password", tr("Password"), 'type="password" autocomplete="current-password"', sent_as="password"
    )
    joining = form(_path(secret), carried("who", "old") + old, tr("Join"))
    return (
        form(_path(secret), carried("who", "new") + new, tr("Make the account and join"))
        + f"<details><summary>{escape(tr('I have an account already'))}</summary>{joining}</details>"
    )


def _path(secret: str) -> str:
    return f"/invitations/{secret}"
