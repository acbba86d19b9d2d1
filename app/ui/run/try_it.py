"""Try it: a text is asked, the run's model and its base answer side by side, and what was asked before stays."""

from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Input, Output, State, ctx, dcc, html, no_update

from app.client import ApiProblem
from app.language import filled, tr
from app.schemas import Asked, ExamplesView, ExampleView, PredictionView, PredictRequest
from app.ui.elements import panel
from app.ui.policy import reading, writing
from app.ui.run.answers import answer_card
from app.ui.session import client

MOST_CHARACTERS = 20_000
MOST_KEPT = 10
SHORT = 60


def try_panel(found: ExamplesView, label: str) -> html.Section:
    """The form for the kind of question that the run's task asks; where it has no model, why."""
    if found.missing is not None:
        return panel(tr("Try it"), html.P(found.missing, className="quiet", **{"data-id": str(found.run_id)}))
    ask = html.Button(tr("Ask both models"), id="run-ask", className="button", type="button")
    waits = html.Span(
        [html.Span(className="run-waits", **{"aria-hidden": "true"}), tr("A worker is answering…")],
        id="run-ask-waits",
        hidden=True,
        role="status",
        className="quiet",
    )
    form = [*_fields(found), html.Div([ask, waits], className="row-of")]
    room = html.Div(id="run-answers", className="run-answers", **{"aria-live": "polite"})
    before = dcc.Store(id="run-asked-before", storage_type="session", data={})
    return panel(
        tr("Try it"),
        [
            *_examples(found),
            *form,
            html.Div(id="run-ask-problem"),
            room,
            before,
            dcc.Store(id="run-asked-label", data=label),
        ],
        className="run-try",
    )


def _fields(found: ExamplesView) -> list[Any]:
    """A text; its second text and its choices where the task has them."""
    fields = [_textarea("run-ask-text", tr("First text") if found.pair else tr("Text"), rows=3)]
    fields.append(html.Div(_textarea("run-ask-pair", tr("Second text"), rows=2), hidden=not found.pair))
    fields += [
        dmc.TextInput(
            id={"type": "run-ask-choice", "index": place},
            label=tr("Choice {name}", name=name),
            size="xs",
            attributes={"input": {"maxLength": MOST_CHARACTERS}},
        )
        for place, name in enumerate(found.choices)
    ]
    return fields


def _textarea(name: str, label: str, rows: int) -> dmc.Textarea:
    longest = {"input": {"maxLength": MOST_CHARACTERS}}
    return dmc.Textarea(id=name, label=label, minRows=rows, maxRows=10, autosize=True, size="sm", attributes=longest)


def _examples(found: ExamplesView) -> list[Any]:
    """Items of the test split as buttons, which fill the fields."""
    if not found.examples:
        return []
    buttons = [_example_button(place, example) for place, example in enumerate(found.examples)]
    words = html.Div(
        tr("From the test split, which no run has trained on:"), className="quiet", id="run-examples-words"
    )
    group = html.Div(buttons, className="run-examples", role="group", **{"aria-labelledby": "run-examples-words"})
    return [words, group, dcc.Store(id="run-examples", data=[one.model_dump() for one in found.examples])]


def _example_button(place: int, example: ExampleView) -> html.Button:
    text = example.input.text
    shown = text if len(text) <= SHORT else f"{text[:SHORT]}…"
    right = html.Span(example.right, className="run-right") if example.right else None
    return html.Button(
        [html.Span(shown), right],
        id={"type": "run-example", "index": place},
        className="chip",
        type="button",
        title=tr("{text} Its label: {label}", text=text, label=example.right) if example.right else text,
    )


def register() -> None:
    """Declare what the panel does. By each application anew, for Dash gives callbacks to the first that it serves."""
    reading(
        Output("run-ask-text", "value"),
        Output("run-ask-pair", "value"),
        Output({"type": "run-ask-choice", "index": ALL}, "value"),
        Input({"type": "run-example", "index": ALL}, "n_clicks"),
        State("run-examples", "data"),
        State({"type": "run-ask-choice", "index": ALL}, "id"),
        prevent_initial_call=True,
    )(fill_in)
    writing(
        Output("run-asked-before", "data"),
        Output("run-ask-problem", "children"),
        Input("run-ask", "n_clicks"),
        State("run-ask-text", "value"),
        State("run-ask-pair", "value"),
        State({"type": "run-ask-choice", "index": ALL}, "value"),
        State("run-asked-before", "data"),
        State("run-id", "data"),
        running=[(Output("run-ask-waits", "hidden"), False, True), (Output("run-ask", "disabled"), True, False)],
        prevent_initial_call=True,
    )(ask)
    reading(
        Output("run-answers", "children"),
        Input("run-asked-before", "data"),
        State("run-asked-label", "data"),
        State("run-id", "data"),
    )(show_answers)


async def fill_in(clicks: list[int | None], examples: list[dict[str, Any]], choices: list[Any]) -> Any:
    """The fields hold the chosen item."""
    if not any(clicks) or not isinstance(ctx.triggered_id, dict):
        return no_update, no_update, [no_update] * len(choices)
    chosen = ExampleView.model_validate(examples[ctx.triggered_id["index"]]).input
    return chosen.text, chosen.pair or "", list(chosen.choices)


async def ask(
    clicks: int | None,
    text: str | None,
    pair: str | None,
    choices: list[str | None],
    before: dict[str, list[dict[str, Any]]] | None,
    run_id: int,
) -> Any:
    """Have a worker answer; its answer goes before those that are there."""
    if not clicks:
        return no_update, no_update
    if not (text or "").strip() or not all((choice or "").strip() for choice in choices):
        return no_update, _refused(tr("Type what the models are asked, in every field."))
    asked = Asked(text=text or "", pair=pair or None, choices=[choice or "" for choice in choices])
    try:
        told = await client().predict(run_id, PredictRequest(inputs=[asked]))
    except ApiProblem as problem:
        return no_update, _refused(problem.detail)
    kept = dict(before or {})
    kept[str(run_id)] = [told.model_dump(mode="json"), *kept.get(str(run_id), [])][:MOST_KEPT]
    return kept, None


def _refused(words: str) -> html.Div:
    return html.Div(words, className="note note-bad", role="alert")


async def show_answers(before: dict[str, list[dict[str, Any]]] | None, label: str, run_id: int) -> Any:
    """Everything that was asked of this run in this tab, the newest first."""
    told = [PredictionView.model_validate(one) for one in (before or {}).get(str(run_id), [])]
    if not told:
        return html.P(tr("The answers of the base model and of the run appear here, side by side."), className="quiet")
    newest, *older = [answer_card(one, label) for one in told]
    if not older:
        return [newest]
    summary = html.Summary(filled("Asked before: {count}", count=str(len(older))))
    return [newest, html.Details([summary, *older], className="more")]
