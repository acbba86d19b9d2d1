"""What the queue's buttons ask for. A run that trains is stopped only after a second word."""

from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Input, Output, State, clientside_callback, html

from app.client import ApiProblem, AtlasClient
from app.language import tr
from app.ui.queue.studies import PLACES

# In the browser, for buttons come and go with the rows, and none of that is a click.
CLICKED = """function(clicks) {
    const {triggered, triggered_id: id} = window.dash_clientside.callback_context;
    const none = window.dash_clientside.no_update;
    if (!id || !triggered.some(({value}) => value)) return [none, none, none];
    if (id.action === 'stop-run') return [none, id.on, true];
    return [{action: id.action, on: id.on, at: Date.now()}, none, none];
}"""
ANSWERED = """function(yes, no, run) {
    const none = window.dash_clientside.no_update;
    const stop = window.dash_clientside.callback_context.triggered_id === 'queue-stop-yes' && yes;
    return [stop ? {action: 'cancel-run', on: run, at: Date.now()} : none, false];
}"""


def confirmation() -> dmc.Modal:
    """Asks before a running run is stopped, and says what is lost."""
    return dmc.Modal(
        [
            html.P(tr("What it has learned so far does not count. The run can be tried again later.")),
            html.Div(
                [
                    dmc.Button(tr("Keep running"), id="queue-stop-no", variant="default"),
                    dmc.Button(tr("Stop the run"), id="queue-stop-yes", color="red"),
                ],
                className="modal-actions",
            ),
        ],
        id="queue-stop-ask",
        title=tr("Stop this run?"),
        closeButtonProps={"aria-label": tr("Close")},
        centered=True,
        opened=False,
    )


def register() -> None:
    """A click is {action, on, at} in the store `queue-click`."""
    clientside_callback(
        CLICKED,
        Output("queue-click", "data"),
        Output("queue-stop-run", "data"),
        Output("queue-stop-ask", "opened"),
        Input({"type": "queue-do", "action": ALL, "on": ALL}, "n_clicks"),
        prevent_initial_call=True,
    )
    clientside_callback(
        ANSWERED,
        Output("queue-click", "data", allow_duplicate=True),
        Output("queue-stop-ask", "opened", allow_duplicate=True),
        Input("queue-stop-yes", "n_clicks"),
        Input("queue-stop-no", "n_clicks"),
        State("queue-stop-run", "data"),
        prevent_initial_call=True,
    )


async def ask(api: AtlasClient, click: dict[str, Any]) -> html.Div | None:
    """Do what a button says; the refusal, if any."""
    action, on = click["action"], click["on"]
    try:
        match action:
            case "cancel-run":
                await api.cancel_run(on)
            case "retry-run":
                await api.retry_run(on)
            case "pause-worker":
                await api.pause_worker(on)
            case "resume-worker":
                await api.resume_worker(on)
            case "first" | "normal" | "later":
                await api.prioritise_study(on, PLACES[action][1])
    except ApiProblem as problem:
        return html.Div(problem.detail, className="note note-bad", role="alert")
    return None
