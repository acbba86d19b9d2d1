"""A secret that was made just now: shown this once, to be copied."""

import dash_mantine_components as dmc
from dash import Input, Output, State, clientside_callback, dcc, html

from app.language import tr

SHOW = """(secret) => {
    if (!secret) return ['', true, ''];
    return [secret.startsWith('/') ? window.location.origin + secret : secret, false, ''];
}"""
COPY = """async (clicks, secret, words) => {
    if (!clicks) return window.dash_clientside.no_update;
    try {
        await navigator.clipboard.writeText(secret);
        return words.copied;
    } catch {
        return words.select;
    }
}"""
"""A browser gives its clipboard to pages of this machine and of https only."""


def shown_once(prefix: str, label: str) -> html.Div:
    """Hidden until a callback sets the store `{prefix}-secret`: a secret, or a path of this server."""
    words = {"copied": tr("Copied."), "select": tr("Select it and copy it.")}
    return html.Div(
        [
            dcc.Store(id=f"{prefix}-secret"),
            dcc.Store(id=f"{prefix}-copy-words", data=words),
            html.Div(
                [
                    dmc.TextInput(id=f"{prefix}-once", label=label, readOnly=True, value="", className="people-secret"),
                    html.Button(tr("Copy"), id=f"{prefix}-copy", className="button", type="button"),
                ],
                className="people-once-row",
            ),
            html.P(tr("It is shown this once: nobody can read it again."), className="quiet"),
            html.Div(id=f"{prefix}-copied", role="status", className="quiet"),
        ],
        id=f"{prefix}-once-box",
        className="people-once",
        hidden=True,
    )


def register(prefix: str) -> None:
    """Declare what the box does in the browser. By the page, for Dash hands callbacks to the first that it serves."""
    clientside_callback(
        SHOW,
        Output(f"{prefix}-once", "value"),
        Output(f"{prefix}-once-box", "hidden"),
        Output(f"{prefix}-copied", "children"),
        Input(f"{prefix}-secret", "data"),
    )
    clientside_callback(
        COPY,
        Output(f"{prefix}-copied", "children", allow_duplicate=True),
        Input(f"{prefix}-copy", "n_clicks"),
        State(f"{prefix}-once", "value"),
        State(f"{prefix}-copy-words", "data"),
        prevent_initial_call=True,
    )
