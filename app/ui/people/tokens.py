"""The panel of API tokens: making one, which is shown once, and revoking."""

from typing import Any, cast

import dash_mantine_components as dmc
from dash import ALL, Input, Output, State, ctx, html, no_update

from app.client import ApiProblem
from app.language import filled, mark, tr
from app.schemas import LONGEST_TOKEN_NAME, TokenEntry, TokenView
from app.ui.elements import moment
from app.ui.people import shown_once
from app.ui.people.words import asks, refusal, state_tag, table
from app.ui.policy import writing
from app.ui.session import client

SCOPES = {
    "read": mark("read: sees what you see"),
    "write": mark("write: launches, comments, approves"),
    "admin": mark("admin: all that you may"),
}
LIFETIMES = {"7": mark("7 days"), "90": mark("90 days"), "365": mark("a year"), "": mark("until revoked")}


def tokens_panel(listed: list[TokenView], user: str) -> html.Section:
    """One's own tokens; an administrator's panel also lists the team's."""
    return html.Section(
        [
            html.Div(html.H2(tr("API tokens")), className="panel-head"),
            html.P(
                tr("What programs act with for you in this team, never with more than your role."),
                className="quiet",
            ),
            html.Div(_fields(), className="people-form"),
            html.Div(id="account-token-note", role="status"),
            shown_once.shown_once("account-token", tr("The new token")),
            html.Div(tokens_table(listed, user), id="account-tokens"),
        ],
        className="panel",
        id="tokens",
    )


def _fields() -> list[Any]:
    scopes = [{"value": scope, "label": tr(words)} for scope, words in SCOPES.items()]
    lifetimes = [{"value": days, "label": tr(words)} for days, words in LIFETIMES.items()]
    longest = {"input": {"maxLength": LONGEST_TOKEN_NAME}}
    return [
        dmc.TextInput(id="account-token-name", label=tr("What it is for"), value="", attributes=longest),
        dmc.Select(id="account-token-scope", label=tr("Scope"), value="read", data=scopes, allowDeselect=False),
        dmc.Select(id="account-token-days", label=tr("Valid for"), value="90", data=lifetimes, allowDeselect=False),
        html.Button(tr("Make a token"), id="account-token-make", className="button", type="button"),
    ]


def tokens_table(listed: list[TokenView], user: str) -> Any:
    """The newest first. Whose it is stands where it is somebody else's."""
    if not listed:
        return html.P(tr("There is no token yet."), className="quiet")
    titles = (tr("Token"), tr("Scope"), tr("State"), tr("Last used"), "")
    return table(titles, [_row(token, user) for token in listed])


def _row(token: TokenView, user: str) -> list[Any]:
    whose = [html.Div(token.user, className="quiet")] if token.user != user else []
    until = filled("until {when}", when=moment(token.expires_at)) if token.expires_at else []
    question = tr("Revoke the token {name}? What uses it stops working at once.", name=token.name)
    spoken = tr("Revoke the token {name}", name=token.name)
    revoke = asks({"type": "account-token-revoke", "token": token.id}, tr("Revoke"), spoken, question)
    return [
        [html.B(token.name), *whose],
        token.scope,
        [state_tag(token.state), html.Div(until if token.state == "valid" else [], className="quiet")],
        moment(token.last_used_at, relative=True) if token.last_used_at else tr("never"),
        revoke if token.state == "valid" else "",
    ]


def register() -> None:
    """Declared by the page, for Dash gives callbacks to the first application that it serves."""
    shown_once.register("account-token")
    writing(
        Output("account-tokens", "children"),
        Output("account-token-secret", "data"),
        Output("account-token-note", "children"),
        Output("account-token-name", "value"),
        Input("account-token-make", "n_clicks"),
        State("account-token-name", "value"),
        State("account-token-scope", "value"),
        State("account-token-days", "value"),
        prevent_initial_call=True,
    )(make)
    writing(
        Output("account-tokens", "children", allow_duplicate=True),
        Output("account-token-note", "children", allow_duplicate=True),
        Input({"type": "account-token-revoke", "token": ALL}, "submit_n_clicks"),
        prevent_initial_call=True,
    )(revoke)


async def make(clicks: int | None, name: str | None, scope: str, days: str) -> Any:
    """Make a token and show it."""
    if not clicks:
        return [no_update] * 4
    if not (name or "").strip():
        missing = html.Div(tr("Say what the token is for."), className="note note-bad", role="alert")
        return no_update, no_update, missing, no_update
    api = client()
    try:
        shown, lasts = (name or "")[:LONGEST_TOKEN_NAME], int(days) if days else None
        entry = TokenEntry(name=shown, scope=cast(Any, scope), days=lasts)
        made = await api.create_token(entry)
        return tokens_table(await api.tokens(), made.token.user), made.secret, None, ""
    except ApiProblem as problem:
        return no_update, no_update, refusal(problem), no_update


async def revoke(answers: list[int | None]) -> Any:
    """Make a token useless."""
    asked = ctx.triggered_id
    if not isinstance(asked, dict) or not any(answers):
        return no_update, no_update
    api = client()
    try:
        await api.revoke_token(asked["token"])
        return tokens_table(await api.tokens(), (await api.who_am_i()).user), None
    except ApiProblem as problem:
        return no_update, refusal(problem)
