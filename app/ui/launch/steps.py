"""The seven steps of a new study: all reachable at once, one shown at a time, what was typed kept in each."""

from collections.abc import Sequence
from typing import Any

from dash import ALL, ClientsideFunction, Input, Output, State, clientside_callback, dcc, html

from app.language import mark, tr

STEPS = (
    mark("Task"),
    mark("Methods"),
    mark("Hyper-parameters"),
    mark("Model"),
    mark("Budget"),
    mark("Estimate"),
    mark("Launch"),
)
"""The textbook's workflow: task analysis, method selection, hyper-parameters, model preparation, training, evaluation
against the baseline, and what follows."""


def stepper(current: int) -> html.Nav:
    """One button for each step; the present one is said, and one with something wrong in it has an icon and a word."""
    entries = [html.Li(_button(number, tr(title), current)) for number, title in enumerate(STEPS, start=1)]
    return html.Nav(html.Ol(entries), className="stepper", **{"aria-label": tr("Steps")})


def _button(number: int, title: str, current: int) -> html.Button:
    state = {"aria-current": "step"} if number == current else {}
    return html.Button(
        [
            html.Span(str(number), className="step-mark", **{"aria-hidden": "true"}),
            html.Span(title, className="step-title"),
            html.Span("", id={"type": "step-word", "number": number}, className="step-word"),
        ],
        id={"type": "step", "number": number},
        className="step step-now" if number == current else "step",
        type="button",
        **state,
    )


def step_panels(current: int, bodies: Sequence[list[Any]]) -> list[html.Section]:
    """The steps' contents, all there and all but one hidden."""
    return [
        html.Section(
            [html.H2(tr(title), id=f"step-head-{number}", tabIndex="-1", className="visually-hidden"), *body],
            id={"type": "step-panel", "number": number},
            className="step-panel",
            hidden=number != current,
            **{"aria-labelledby": f"step-head-{number}"},
        )
        for number, (title, body) in enumerate(zip(STEPS, bodies, strict=True), start=1)
    ]


def step_buttons(current: int) -> html.Div:
    """Back and on, and on the last step the launch."""
    last = len(STEPS)
    return html.Div(
        [
            html.Button(
                tr("Back"), id="step-back", className="button button-plain", type="button", disabled=current == 1
            ),
            html.Button(
                tr("Next: {step}", step=tr(STEPS[min(current, last - 1)])),
                id="step-next",
                className="button",
                type="button",
                hidden=current == last,
            ),
            html.Button(tr("Launch"), id="launch-study", className="button", type="button", hidden=current != last),
        ],
        className="step-buttons",
    )


def step_store(current: int) -> list[dcc.Store]:
    """The present step, and the words that the browser puts together."""
    nexts = [tr("Next: {step}", step=tr(title)) for title in (*STEPS[1:], STEPS[-1])]
    words = {"nexts": nexts, "fix": tr("{count} to fix"), "done": tr("done")}
    return [dcc.Store(id="step-now", data=current), dcc.Store(id="step-words", data=words)]


def register() -> None:
    """Declare what the steps do. By each application anew, for Dash gives callbacks to the first that it serves."""
    clientside_callback(
        ClientsideFunction("launch", "move"),
        Output("step-now", "data"),
        Input({"type": "step", "number": ALL}, "n_clicks"),
        Input("step-back", "n_clicks"),
        Input("step-next", "n_clicks"),
        Input({"type": "step-link", "number": ALL, "place": ALL}, "n_clicks"),
        State("step-now", "data"),
        prevent_initial_call=True,
    )
    clientside_callback(
        ClientsideFunction("launch", "show"),
        Output({"type": "step-panel", "number": ALL}, "hidden"),
        Output({"type": "step", "number": ALL}, "className"),
        Output({"type": "step", "number": ALL}, "aria-current"),
        Output({"type": "step-word", "number": ALL}, "children"),
        Output("step-back", "disabled"),
        Output("step-next", "hidden"),
        Output("step-next", "children"),
        Output("launch-study", "hidden"),
        Input("step-now", "data"),
        Input("study-problems", "data"),
        State("step-words", "data"),
    )
    clientside_callback(
        ClientsideFunction("launch", "keep"),
        Output("study-address", "id"),
        Input("step-now", "data"),
        Input("study-address", "data"),
        prevent_initial_call=True,
    )
