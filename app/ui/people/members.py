"""The panel of a team's members: who is what; for administrators also giving another role, and removing."""

import asyncio
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Input, Output, ctx, html, no_update

from app.client import ApiProblem, AtlasClient
from app.language import tr
from app.schemas import MemberView, Role, SessionView
from app.ui.elements import moment
from app.ui.people.words import ROLES, asks, done, refusal, role_words, table
from app.ui.policy import writing
from app.ui.session import client


def members_panel(members: list[MemberView], session: SessionView) -> html.Section:
    return html.Section(
        [
            html.Div(html.H2(tr("Members")), className="panel-head"),
            html.Div(id="team-members-note", role="status"),
            html.Div(members_table(members, session), id="team-members"),
        ],
        className="panel",
        id="members",
    )


def members_table(members: list[MemberView], session: SessionView) -> html.Div:
    """Administrators first."""
    if session.role != "admin":
        looked_at = [[_name(one), role_words(one.role), moment(one.since)] for one in members]
        return table((tr("Name"), tr("Role"), tr("Since")), looked_at)
    rows = [[_name(one), _role(one), moment(one.since), _remove(one, session)] for one in members]
    return table((tr("Name"), tr("Role"), tr("Since"), ""), rows)


def _name(one: MemberView) -> list[Any]:
    disabled = [" ", html.Span(tr("disabled"), className="tag tag-plain")] if one.disabled else []
    return [html.B(one.user), *disabled]


def _role(one: MemberView) -> dmc.Select:
    return dmc.Select(
        id={"type": "team-role", "user": one.user},
        value=one.role,
        data=[{"value": role, "label": tr(words)} for role, words in ROLES.items()],
        allowDeselect=False,
        size="xs",
        className="people-role",
        attributes={"input": {"aria-label": tr("Role of {user}", user=one.user)}},
    )


def _remove(one: MemberView, session: SessionView) -> Any:
    parts = {"user": one.user, "team": session.team}
    question = tr("Remove {user} from the team {team}? They see nothing of it any more.", **parts)
    spoken = tr("Remove {user}", user=one.user)
    return asks({"type": "team-remove", "user": one.user}, tr("Remove"), spoken, question)


def register() -> None:
    """Declared by the page, for Dash gives callbacks to the first application that it serves."""
    writing(
        Output("team-members", "children"),
        Output("team-members-note", "children"),
        Input({"type": "team-role", "user": ALL}, "value"),
        Input({"type": "team-remove", "user": ALL}, "submit_n_clicks"),
        prevent_initial_call=True,
    )(change)


async def change(_roles: list[str], removed: list[int | None]) -> Any:
    """Give a member another role, or take one out; a refusal puts the choice back."""
    asked = ctx.triggered_id
    if not isinstance(asked, dict):
        return no_update, no_update
    api = client()
    try:
        members, session = await asyncio.gather(api.members(), api.who_am_i())
    except ApiProblem as problem:
        return no_update, refusal(problem)
    try:
        if asked["type"] == "team-remove":
            words = await _removed(api, asked["user"]) if any(removed) else None
        else:
            words = await _changed(api, members, asked["user"], ctx.triggered[0]["value"])
        if words is None:
            return no_update, no_update
        return members_table(await api.members(), session), done(words)
    except ApiProblem as problem:
        return members_table(members, session), refusal(problem)


async def _removed(api: AtlasClient, user: str) -> str:
    await api.remove_member(user)
    return tr("{user} is no longer in the team.", user=user)


async def _changed(api: AtlasClient, members: list[MemberView], user: str, role: Role) -> str | None:
    """None where it is the role that they have: a table that is drawn says so once."""
    if role == next((one.role for one in members if one.user == user), None):
        return None
    await api.change_role(user, role)
    return tr("{user} is {role} now.", user=user, role=role_words(role))
