"""One's own account: who one is, one's teams, password and API tokens."""

import asyncio
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Input, Output, clientside_callback, ctx, dcc, html, no_update, register_page

from app.client import ApiProblem
from app.language import tr
from app.schemas import SessionView
from app.ui.elements import page_head
from app.ui.people import tokens
from app.ui.people.tokens import tokens_panel
from app.ui.people.words import asks, done, refusal, role_words, table, without_accounts
from app.ui.policy import writing
from app.ui.session import client
from app.ui.states import error

SHORTEST_PASSWORD = 12
ANEW = """(done) => {
    if (done) window.location.reload();
    return window.dash_clientside.no_update;
}"""
"""What every page shows is another's now, and so is the websocket's caller."""


def page_title(**_: str) -> str:
    return tr("Your account · PEFT Atlas")


register_page(__name__, path="/account", name="Account", title=page_title)


async def layout(changed: str = "", **_query: str) -> Any:
    """Everything as it is now. changed: what has just been changed by a form."""
    api = client()
    try:
        session, listed = await asyncio.gather(api.who_am_i(), api.tokens())
    except ApiProblem as problem:
        return error(tr("Your account could not be read"), problem.detail)
    if not session.accounts:
        return without_accounts(tr("Your account"), session)
    note = [done(tr("The password is changed. Every other browser of yours is logged out."))] if changed else []
    return html.Div(
        [
            dcc.Store(id="account-anew"),
            page_head(tr("Your account"), _who(session)),
            *note,
            html.Div(id="account-note", role="status"),
            html.Div([_teams(session), _password(session)], className="people-columns"),
            tokens_panel(listed, session.user),
            _everywhere(),
        ],
        className="people",
    )


def _who(session: SessionView) -> str:
    parts = {"user": session.user, "role": role_words(session.role), "team": session.team}
    if session.operator:
        return tr("You are {user}, {role} in the team {team}, and you operate this installation.", **parts)
    return tr("You are {user}, {role} in the team {team}.", **parts)


def _teams(session: SessionView) -> html.Section:
    rows = [[html.B(team.name), role_words(team.role), _show(team.name, session.team)] for team in session.teams]
    people = dcc.Link(tr("The team's people"), href="/team")
    head = html.Div([html.H2(tr("Your teams")), people], className="panel-head")
    return html.Section([head, table((tr("Team"), tr("Your role"), ""), rows)], className="panel")


def _show(name: str, shown: str) -> Any:
    if name == shown:
        return html.Span(tr("shown now"), className="tag")
    return html.Button(
        tr("Show"),
        id={"type": "account-team", "team": name},
        className="button button-plain button-small",
        type="button",
        **{"aria-label": tr("Show the team {team}", team=name)},
    )


def _password(session: SessionView) -> html.Section:
    """A form of the browser's own: the answer sets another cookie, which no callback can."""
    present = {"required": True, "autoComplete": "current-password"}
    new = {"required": True, "autoComplete": "new-password", "minLength": SHORTEST_PASSWORD}
    fields = [
        dcc.Input(type="hidden", name="username", value=session.user, autoComplete="username"),
        dmc.PasswordInput(
            name="present",
            label=tr("Present password"),
            attributes={"input": present},
        ),
        dmc.PasswordInput(
            name="password",
            label=tr("New password"),
            description=tr("At least 12 characters. A few words in a row do well."),
            attributes={"input": new},
        ),
        html.Button(tr("Change the password"), type="submit", className="button"),
    ]
    form = html.Form(fields, action="/account/password", method="POST", className="people-stack")
    return html.Section([html.Div(html.H2(tr("Password")), className="panel-head"), form], className="panel")


def _everywhere() -> html.Section:
    why = tr("Ends every session of yours, in this browser too. API tokens go on working until they are revoked.")
    question = tr("Log out everywhere? You log in again here as well.")
    button = asks("account-everywhere", tr("Log out everywhere"), tr("Log out everywhere"), question)
    head = html.Div([html.H2(tr("Sessions")), button], className="panel-head")
    return html.Section([head, html.P(why, className="quiet")], className="panel")


@writing(
    Output("account-anew", "data"),
    Output("account-note", "children"),
    Input({"type": "account-team", "team": ALL}, "n_clicks"),
    Input("account-everywhere", "submit_n_clicks"),
    prevent_initial_call=True,
)
async def change(shown: list[int | None], everywhere: int | None) -> Any:
    """Show another team, or end every session; then the page is loaded anew."""
    asked, api = ctx.triggered_id, client()
    if not any(shown) and not everywhere:
        return no_update, no_update
    try:
        if isinstance(asked, dict):
            await api.choose_team(asked["team"])
        else:
            await api.log_out_everywhere()
    except ApiProblem as problem:
        return no_update, refusal(problem)
    return True, None


clientside_callback(ANEW, Output("account-anew", "id"), Input("account-anew", "data"), prevent_initial_call=True)
tokens.register()
