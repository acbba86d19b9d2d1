"""Showing a study to people without an account: share links, publications, and the two pages that anybody may read."""

from html import escape
from string import Template
from typing import Annotated

from fastapi import APIRouter, Response
from fastapi import Path as PathParameter
from fastapi.responses import HTMLResponse

from app.api.context import AsAdmin, AsAnyone, AsMember, AsViewer, RowId
from app.errors import NotFound
from app.language import language, tr
from app.schemas import NewShare, Page, PublicationView, ShareRequest, ShareView
from app.services import publications, shares

router = APIRouter(prefix="/studies/{study_id}", tags=["sharing"])
pages = APIRouter(include_in_schema=False)

REPORT_HEADERS = {
    # The report has no script and loads nothing; its styles stand in it.
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    # The address is what opens it: it goes to no other site, no cache and no search engine.
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "x-robots-tag": "noindex, nofollow",
}

Token = Annotated[str, PathParameter(max_length=2000)]


@router.get("/shares")
def list_shares(here: AsViewer, study_id: RowId) -> Page[ShareView]:
    """The study's share links, the newest first, without what opens them."""
    return Page[ShareView](items=shares.list_shares(here.engine, here.caller, study_id))


@router.post("/shares", status_code=201)
def create_share(here: AsMember, study_id: RowId, share: ShareRequest) -> NewShare:
    """Make a link by which anybody reads the study's report. What opens it is told this once."""
    return shares.create_share(here.engine, here.caller, study_id, share)


@router.delete("/shares/{share_id}", status_code=204)
def revoke_share(here: AsMember, study_id: RowId, share_id: RowId) -> None:
    """Have a link open nothing any more, at once."""
    shares.revoke_share(here.engine, here.caller, study_id, share_id)


@router.get("/publications")
def list_publications(here: AsViewer, study_id: RowId) -> Page[PublicationView]:
    """What was published of the study, the newest first."""
    return Page[PublicationView](items=publications.list_publications(here.engine, here.caller, study_id))


@router.post("/publications", status_code=201)
def publish(here: AsAdmin, study_id: RowId) -> PublicationView:
    """Publish the study's report as it is now, for everybody who knows its address."""
    return publications.publish(here.engine, here.caller, study_id)


@router.delete("/publications/{publication_id}")
def withdraw(here: AsAdmin, study_id: RowId, publication_id: RowId) -> PublicationView:
    """Take a published report back, at once."""
    return publications.withdraw(here.engine, here.caller, study_id, publication_id)


@pages.get("/shared/{token}")
def show_shared(here: AsAnyone, token: Token) -> Response:
    """A study's report as it is now. Open to anybody: whoever has the link was given it, and its token cannot be
    guessed."""
    try:
        return HTMLResponse(shares.shared_report(here.engine, token), headers=REPORT_HEADERS)
    except NotFound:
        return _nothing_here()


@pages.get("/published/{slug}")
def show_published(here: AsAnyone, slug: Token) -> Response:
    """A report as it was published. Open to anybody: that is what publishing means."""
    try:
        return HTMLResponse(publications.published_report(here.engine, slug), headers=REPORT_HEADERS)
    except NotFound:
        return _nothing_here()


def _nothing_here() -> HTMLResponse:
    """The same page whatever the reason, so that it tells nothing of what there is."""
    html = NOTHING.substitute(
        language=language(),
        title=escape(tr("There is nothing here")),
        words=escape(
            tr("The link has expired, was taken back, or is not whole. Ask whoever gave it to you for another one.")
        ),
    )
    return HTMLResponse(html, 404, headers=REPORT_HEADERS)


NOTHING = Template("""<!doctype html>
<html lang="$language">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title · PEFT Atlas</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:20vh auto 0;padding:0 1.25rem}</style>
</head>
<body><main><h1>$title</h1><p>$words</p></main></body>
</html>
""")
