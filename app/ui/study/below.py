"""What lies below the first panel of a study waits until that one is drawn: who has come sees it sooner."""

from dash import Input, Output, clientside_callback, dcc

LATEST_MS = 1_000
WHEN_IDLE = f"""(shown) => {{
    const same = window.dash_clientside.no_update;
    if (!shown) return same;
    const idle = window.requestIdleCallback || ((then) => setTimeout(then, 50));
    return new Promise((drawn) => requestAnimationFrame(() => idle(() => drawn(true), {{timeout: {LATEST_MS}}})));
}}"""
"""In the browser, once the evidence has come: a frame later, when it has nothing else to do."""


def waiting() -> dcc.Store:
    """Empty until the panels below may begin."""
    return dcc.Store(id="study-below")


def register() -> None:
    """Declare when it begins. By each application anew, for Dash gives callbacks to the first that it serves."""
    clientside_callback(WHEN_IDLE, Output("study-below", "data"), Input("study-shown", "data"))
