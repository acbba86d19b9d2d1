"""The panel of a team's own token of the model hub: setting it, which shows it never again, and forgetting it."""

from typing import Any

import dash_mantine_components as dmc
from dash import Input, Output, State, html, no_update

from app.client import ApiProblem
from app.language import tr
from app.schemas import HubTokenView
from app.ui.elements import moment
from app.ui.people.words import asks, done, refusal
from app.ui.policy import writing
from app.ui.session import client

LONGEST_TOKEN = 1_000


def hub_token_panel(token: HubTokenView) -> html.Section:
    why = tr(
        "What this team's studies download goes with its own token: gated models that the token opens stay this team's."
        " It is kept encrypted and is not shown again."
    )
    return html.Section(
        [
            html.Div(html.H2(tr("Token of the model hub")), className="panel-head"),
            html.P(why, className="quiet"),
            html.Div(id="team-hub-note", role="status"),
            html.Div(state(token), id="team-hub-state"),
            html.Div(_fields(), className="people-form"),
        ],
        className="panel",
        id="hub-token",
    )


def state(token: HubTokenView) -> html.Div:
    """Whether there is one, and the way to be rid of it."""
    if not token.is_set or token.set_at is None:
        return html.Div(tr("The team has none of its own: the installation's is used."))
    said = html.Span([tr("Set by {user}", user=token.set_by), ", ", moment(token.set_at)])
    question = tr("Forget the team's token? Its studies go with the installation's from then on.")
    return html.Div(
        [said, asks("team-hub-forget", tr("Forget it"), tr("Forget the token"), question)], className="row-of"
    )


def _fields() -> list[Any]:
    own = {"input": {"autoComplete": "off", "maxLength": LONGEST_TOKEN}}
    return [
        dmc.PasswordInput(id="team-hub-token", label=tr("New token"), value="", attributes=own),
        html.Button(tr("Keep the token"), id="team-hub-keep", className="button", type="button"),
    ]


def register() -> None:
    """Declared by the page, for Dash gives callbacks to the first application that it serves."""
    writing(
        Output("team-hub-state", "children"),
        Output("team-hub-note", "children"),
        Output("team-hub-token", "value"),
        Input("team-hub-keep", "n_clicks"),
        State("team-hub-token", "value"),
        prevent_initial_call=True,
    )(keep)
    writing(
        Output("team-hub-state", "children", allow_duplicate=True),
        Output("team-hub-note", "children", allow_duplicate=True),
        Input("team-hub-forget", "submit_n_clicks"),
        prevent_initial_call=True,
    )(forget)


async def keep(clicks: int | None, token: str | None) -> Any:
    """Set the team's token, and empty the field."""
    if not clicks:
        return no_update, no_update, no_update
    try:
        kept = await client().set_hub_token((token or " ")[:LONGEST_TOKEN])
    except ApiProblem as problem:
        return no_update, refusal(problem), ""
    return state(kept), done(tr("The token is kept.")), ""


async def forget(answers: int | None) -> Any:
    """Have the team go with the installation's token again."""
    if not answers:
        return no_update, no_update
    api = client()
    try:
        await api.clear_hub_token()
        return state(await api.hub_token()), done(tr("The token is forgotten."))
    except ApiProblem as problem:
        return no_update, refusal(problem)
