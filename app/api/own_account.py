"""Where a browser changes its password: the form of the account's page comes here, for a session's cookie is set by an
answer to the browser itself, never by a page's callback."""

from html import escape
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from app.api.context import AsViewer
from app.api.gate import IDENTITY
from app.api.plain_page import asked, form, new_password, plain_page, way_on
from app.api.session_cookie import address_of, keep_session
from app.errors import AtlasError
from app.language import tr
from app.services.accounts import sessions

router = APIRouter(tags=[IDENTITY], include_in_schema=False)

ACCOUNT, PASSWORD = "/account", "/account/password"
Field = Annotated[str, Form(max_length=1000)]


@router.post(PASSWORD)
def change_password(  # nosec B107  # an empty field of a form, no password
    here: AsViewer, request: Request, present: Field = "", password: Field = ""
) -> Response:
    """Give oneself another password: every session of one's own ends, and this browser gets a new one."""
    try:
        made = sessions.change_password(here.engine, here.caller, present, password, address_of(request))
    except AtlasError as refusal:
        return plain_page(tr("Change the password"), _form(here.caller.user), refusal)
    answer = RedirectResponse(f"{ACCOUNT}?changed=password", 303)
    keep_session(answer, request, made.token)
    return answer


def _form(user: str) -> str:
    who = f'<input type="hidden" name="username" autocomplete="username" value="{escape(user)}">'
    present = asked("present", tr("Present password"), 'type="password" autocomplete="current-password" autofocus')
    new = new_password(tr("New password"), tr("At least 12 characters. A few words in a row do well."))
    return form(PASSWORD, who + present + new, tr("Change the password")) + way_on(ACCOUNT, tr("Back to the account"))
