"""One's own team: its people; for administrators also invitations and the audit log."""

import asyncio
from typing import Any

from dash import dcc, html, register_page

from app.client import ApiProblem, AtlasClient
from app.language import spaced, tr, trn
from app.schemas import HubTokenView, MemberView, SessionView
from app.ui.elements import page_head
from app.ui.people import audit_log, hub_token, invitations, members
from app.ui.people.limits import limits_panel
from app.ui.people.words import without_accounts
from app.ui.session import client
from app.ui.states import error


def page_title(**_: str) -> str:
    return tr("Your team · PEFT Atlas")


register_page(__name__, path="/team", name="Team", title=page_title)


async def layout(**_query: str) -> Any:
    """Everything as it is now."""
    api = client()
    try:
        session = await api.who_am_i()
        if not session.accounts:
            return without_accounts(tr("Your team"), session)
        people, limits, token = await asyncio.gather(api.members(), api.team_limits(), api.hub_token())
        below = await _for_administrators(api, token) if session.role == "admin" else []
    except ApiProblem as problem:
        return error(tr("The team could not be read"), problem.detail)
    account = dcc.Link(tr("Your account"), href="/account", className="button button-plain")
    head = page_head(tr("Team {team}", team=session.team), _answer(people, session), [account])
    return html.Div(
        [head, members.members_panel(people, session), limits_panel(limits, None if below else token), *below],
        className="people",
    )


def _answer(people: list[MemberView], session: SessionView) -> str:
    count = trn("{count} person belongs to it.", "{count} people belong to it.", len(people))
    if session.role == "admin":
        return count
    admins = ", ".join(one.user for one in people if one.role == "admin")
    return spaced([count, tr("It is administered by {names}.", names=admins)])


async def _for_administrators(api: AtlasClient, token: HubTokenView) -> list[Any]:
    invited, done = await asyncio.gather(api.invitations(), api.audit())
    return [
        invitations.invitations_panel(invited),
        hub_token.hub_token_panel(token),
        audit_log.audit_panel("team", tr("What was done in this team"), done),
    ]


members.register()
invitations.register()
hub_token.register()
audit_log.register("team")
