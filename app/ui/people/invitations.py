"""The panel of a team's invitations: making a link, which is shown once, and revoking it."""

from typing import Any, cast

import dash_mantine_components as dmc
from dash import ALL, Input, Output, State, ctx, html, no_update

from app.client import ApiProblem
from app.language import filled, mark, tr
from app.schemas import LONGEST_INVITATION_NOTE, InvitationEntry, InvitationView
from app.ui.elements import moment
from app.ui.people import shown_once
from app.ui.people.words import asks, refusal, role_options, role_words, state_tag, table
from app.ui.policy import writing
from app.ui.session import client

LIFETIMES = {"1": mark("a day"), "7": mark("7 days"), "30": mark("30 days")}


def invitations_panel(listed: list[InvitationView]) -> html.Section:
    why = tr("A link lets one person join the team, with a new account or the one they have. Send it to them alone.")
    return html.Section(
        [
            html.Div(html.H2(tr("Invitations")), className="panel-head"),
            html.P(why, className="quiet"),
            html.Div(_fields(), className="people-form"),
            html.Div(id="team-invitation-note-line", role="status"),
            shown_once.shown_once("team-invitation", tr("The link")),
            html.Div(invitations_table(listed), id="team-invitations"),
        ],
        className="panel",
        id="invitations",
    )


def _fields() -> list[Any]:
    lifetimes = [{"value": days, "label": tr(words)} for days, words in LIFETIMES.items()]
    longest = {"input": {"maxLength": LONGEST_INVITATION_NOTE}}
    return [
        dmc.TextInput(id="team-invitation-note", label=tr("For whom (optional)"), value="", attributes=longest),
        dmc.Select(
            id="team-invitation-role", label=tr("Role"), value="member", data=role_options(), allowDeselect=False
        ),
        dmc.Select(id="team-invitation-days", label=tr("Valid for"), value="7", data=lifetimes, allowDeselect=False),
        html.Button(tr("Make a link"), id="team-invitation-make", className="button", type="button"),
    ]


def invitations_table(listed: list[InvitationView]) -> Any:
    """The newest first."""
    if not listed:
        return html.P(tr("Nobody has been invited yet."), className="quiet")
    titles = (tr("For"), tr("Role"), tr("State"), tr("Made by"), "")
    return table(titles, [_row(one) for one in listed])


def _row(one: InvitationView) -> list[Any]:
    if one.state == "used":
        after: list[Any] = [" ", html.Span(tr("by {user}", user=one.used_by), className="quiet")]
    elif one.state == "open":
        after = [html.Div(filled("until {when}", when=moment(one.expires_at)), className="quiet")]
    else:
        after = []
    name = one.note or tr("no note")
    question = tr("Revoke this invitation ({name})? Its link opens nothing any more.", name=name)
    spoken = tr("Revoke the invitation {name}", name=name)
    revoke = asks({"type": "team-invitation-revoke", "invitation": one.id}, tr("Revoke"), spoken, question)
    return [
        html.B(one.note) if one.note else html.Span(tr("no note"), className="quiet"),
        role_words(one.role),
        [state_tag(one.state), *after],
        [one.created_by, html.Div(moment(one.created_at), className="quiet")],
        revoke if one.state == "open" else "",
    ]


def register() -> None:
    """Declared by the page, for Dash gives callbacks to the first application that it serves."""
    shown_once.register("team-invitation")
    writing(
        Output("team-invitations", "children"),
        Output("team-invitation-secret", "data"),
        Output("team-invitation-note-line", "children"),
        Output("team-invitation-note", "value"),
        Input("team-invitation-make", "n_clicks"),
        State("team-invitation-note", "value"),
        State("team-invitation-role", "value"),
        State("team-invitation-days", "value"),
        prevent_initial_call=True,
    )(make)
    writing(
        Output("team-invitations", "children", allow_duplicate=True),
        Output("team-invitation-note-line", "children", allow_duplicate=True),
        Input({"type": "team-invitation-revoke", "invitation": ALL}, "submit_n_clicks"),
        prevent_initial_call=True,
    )(revoke)


async def make(clicks: int | None, note: str | None, role: str, days: str) -> Any:
    """Make an invitation and show its link."""
    if not clicks:
        return [no_update] * 4
    api = client()
    try:
        entry = InvitationEntry(role=cast(Any, role), note=(note or "")[:LONGEST_INVITATION_NOTE], days=int(days))
        made = await api.invite(entry)
        return invitations_table(await api.invitations()), made.path, None, ""
    except ApiProblem as problem:
        return no_update, no_update, refusal(problem), no_update


async def revoke(answers: list[int | None]) -> Any:
    """Make an invitation's link useless."""
    asked = ctx.triggered_id
    if not isinstance(asked, dict) or not any(answers):
        return no_update, no_update
    api = client()
    try:
        await api.revoke_invitation(asked["invitation"])
        return invitations_table(await api.invitations()), None
    except ApiProblem as problem:
        return no_update, refusal(problem)
