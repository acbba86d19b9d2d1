"""Logging in at an identity provider, by OpenID Connect; only where the settings name one."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from app.api.context import AsAnyone, OpenContext
from app.api.door import end_earlier, safe
from app.api.gate import DOOR, IDENTITY
from app.api.plain_page import plain_page, way_on
from app.api.session_cookie import address_of, is_secure, keep_session
from app.errors import AtlasError, NotFound
from app.language import tr
from app.services import audit
from app.services.accounts import identities, openid, sessions

router = APIRouter(prefix="/auth/oidc", tags=[IDENTITY], include_in_schema=False)

STATE_COOKIE = "peft_atlas_oidc"
PATH = "/auth/oidc"
"""Where alone the browser sends it."""


@router.get("/login")
def go_to_provider(
    here: AsAnyone,
    request: Request,
    next: Annotated[str, Query(max_length=2000)] = "/",
    invitation: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Send the browser to the identity provider. Open, for whoever logs in is not known yet."""
    try:
        begun = openid.begin(_on(here).settings, _callback(request), safe(next), invitation)
    except AtlasError as refusal:
        return _told(refusal)
    answer = RedirectResponse(begun.url, 303)
    answer.set_cookie(
        STATE_COOKIE,
        begun.cookie,
        max_age=openid.SECONDS_TO_FINISH,
        path=PATH,
        httponly=True,
        samesite="lax",
        secure=is_secure(request),
    )
    return answer


@router.get("/callback")
def come_back(here: AsAnyone, request: Request) -> Response:
    """Begin a session for whom the provider has let in. Open, for whoever logs in is not known yet."""
    try:
        cookie = request.cookies.get(STATE_COOKIE, "")
        found = openid.finish(_on(here).settings, _callback(request), cookie, request.query_params)
        user_id = identities.user_of(here.engine, here.settings, found.person, found.invitation)
        made = sessions.begin_session(here.engine, user_id)
    except AtlasError as refusal:
        audit.record(here.engine, None, "log_in_refused", detail={"address": address_of(request), "by": "oidc"})
        return _forgotten(request, _told(refusal))
    end_earlier(here, request)
    answer = RedirectResponse(found.next, 303)
    keep_session(answer, request, made.token)
    return _forgotten(request, answer)


def _on(here: OpenContext) -> OpenContext:
    if not here.settings.oidc_on:
        raise NotFound(tr("Nobody logs in at an identity provider here."))
    return here


def _callback(request: Request) -> str:
    return str(request.base_url).rstrip("/") + PATH + "/callback"


def _told(refusal: AtlasError) -> Response:
    return plain_page(tr("Log in"), way_on(DOOR, tr("Back to the login")), refusal)


def _forgotten(request: Request, answer: Response) -> Response:
    """What was begun is over, whatever came of it."""
    answer.delete_cookie(STATE_COOKIE, path=PATH, httponly=True, samesite="lax", secure=is_secure(request))
    return answer
