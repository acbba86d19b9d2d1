"""Which methods a new study has: presets and cards to choose from, and what the base model and task allow."""

from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Input, Output, State, clientside_callback, ctx, dcc, html, no_update

from app.client import ApiProblem
from app.language import mark, tr
from app.schemas import MethodCard, PresetCard
from app.ui.elements import panel
from app.ui.launch.cards import fact, method_cards, search_field
from app.ui.launch.hyperparameters import Row
from app.ui.launch.opening import OWN, REFERENCES, Filling
from app.ui.policy import reading
from app.ui.session import client

REFERENCE_TITLES = {"untuned": mark("Untuned"), "head_only": mark("Head only"), "full": mark("Full fine-tuning")}


def method_panel(methods: list[MethodCard], presets: list[PresetCard], base_model: str, form: Filling) -> html.Section:
    """Presets, every method but the references, and the references, which come with every study unless unchecked."""
    chips = [_chip(preset.key, preset.title, preset.summary) for preset in presets]
    offered = [card for card in methods if not card.reference]
    body = [
        html.Div([html.Span(tr("Presets"), className="quiet"), *chips, _chip("", tr("None"), "")], className="row-of"),
        html.P(id="preset-note", className="quiet", role="status"),
        html.Div(id="methods-problem", role="status"),
        *method_cards(offered, base_model),
        _references(form),
        dcc.Store(id="methods-chosen", data=form.rows),
        dcc.Store(id="preset-chosen", data=form.preset),
        dcc.Store(id="references-offered", data=references_offered(methods)),
    ]
    return panel(tr("Which methods?"), body, search_field())


def _references(form: Filling) -> html.Div:
    """The rows that the others are compared with."""
    boxes = [dmc.Checkbox(value=name, label=tr(title), size="xs") for name, title in REFERENCE_TITLES.items()]
    return html.Div(
        [
            dmc.CheckboxGroup(
                html.Div(boxes, className="row-of"),
                id="study-references",
                label=tr("Measured beside them, where the task can have them"),
                description=tr(
                    "Untuned is the floor of the quality scale, full fine-tuning its other end: without them nothing"
                    " is recommended."
                ),
                value=form.references,
            ),
            html.P(
                tr("Every method has a grid of learning rates of its own; the best on validation is taken."),
                className="quiet",
            ),
        ],
        className="references-note",
    )


def _chip(key: str, title: str, summary: str) -> html.Button:
    return html.Button(
        title,
        id={"type": "preset", "name": key},
        className="chip",
        type="button",
        title=summary,
        **{"aria-pressed": "false"},
    )


def references_offered(cards: list[MethodCard]) -> list[str]:
    """The reference rows that the base model and task can have."""
    return [card.name for card in cards if card.name in REFERENCES and card.not_offered is None]


async def choose_methods(
    _toggles: list[int],
    _presets: list[int],
    chosen: list[Row],
    base_model: str,
    path: str,
    task: str,
    kind: str,
    kinds: dict[str, str],
) -> Any:
    """A card adds or removes its method, a preset replaces them all with the rows that the base model can have."""
    if not any(_toggles) and not any(_presets):
        return no_update, no_update, no_update
    if ctx.triggered_id["type"] == "preset":
        key = ctx.triggered_id["name"]
        try:
            known = await client().presets(
                base_model=path if base_model == OWN else base_model, kind=kinds.get(task, kind)
            )
        except ApiProblem as problem:
            return no_update, no_update, problem.detail
        rows, note = _preset_rows(next((card for card in known if card.key == key), None))
        return rows, key, note
    method = ctx.triggered_id["method"]
    others = [row for row in chosen if row["method"] != method]
    return (others if len(others) < len(chosen) else [*chosen, {"method": method, "fixed": {}, "label": ""}]), "", ""


def _preset_rows(preset: PresetCard | None) -> tuple[list[Row], str]:
    if preset is None:
        return [], ""
    entries = [entry for entry in preset.entries if entry.not_offered is None and entry.method not in REFERENCES]
    rows = [{"method": entry.method, "fixed": entry.hyperparameters, "label": entry.label} for entry in entries]
    left_out = [entry.label for entry in preset.entries if entry.not_offered is not None]
    if not left_out:
        return rows, preset.summary
    names = ", ".join(left_out)
    return rows, tr("{summary} Not offered here: {names}; their cards say why.", summary=preset.summary, names=names)


async def describe_methods(
    base_model: str,
    path: str,
    task: str,
    kind: str,
    kinds: dict[str, str],
    identities: list[dict[str, str]],
    chosen: list[Row],
) -> Any:
    """What each method would train on the base model and task now chosen, and what they cannot have."""
    asked = path.strip() if base_model == OWN else base_model
    try:
        cards = await _cards(asked, kinds.get(task, kind))
    except ApiProblem as problem:
        return [""] * len(identities), [False] * len(identities), no_update, no_update, _note(problem.detail)
    known = {card.name: card for card in cards}
    shown = [known[identity["method"]] for identity in identities]
    disabled = [card.not_offered is not None for card in shown]
    kept = [row for row in chosen if known[row["method"]].not_offered is None]
    reasons = {card.not_offered for card in shown}
    if len(reasons) == 1 and all(disabled):
        # One sentence that holds for all stands above them once. What is chosen waits for another base model or task.
        return [""] * len(shown), disabled, no_update, [], _note(reasons.pop())
    left_out = dict.fromkeys(known[row["method"]].title for row in chosen if row not in kept)
    names = ", ".join(left_out)
    note = _note(tr("No longer chosen, for the reason on the card: {names}.", names=names)) if left_out else None
    rows = no_update if len(kept) == len(chosen) else kept
    return [fact(card, asked) for card in shown], disabled, rows, references_offered(cards), note


async def _cards(base_model: str, kind: str) -> list[MethodCard]:
    if not base_model:
        asked = tr("Give the folder of your base model to see what its methods train.")
        raise ApiProblem(422, "Not valid", asked, [])
    return await client().methods(base_model=base_model, kind=kind)


def _note(text: str | None) -> html.P:
    return html.P(text, className="note note-warn")


def register() -> None:
    """Declare what the panel does. By each application anew, for Dash gives callbacks to the first that it serves."""
    reading(
        Output("methods-chosen", "data"),
        Output("preset-chosen", "data"),
        Output("preset-note", "children"),
        Input({"type": "method-toggle", "method": ALL}, "n_clicks"),
        Input({"type": "preset", "name": ALL}, "n_clicks"),
        State("methods-chosen", "data"),
        State("study-base-model", "value"),
        State("study-base-model-path", "value"),
        State("study-task", "value"),
        State("study-kind", "value"),
        State("task-kinds", "data"),
        prevent_initial_call=True,
    )(choose_methods)
    reading(
        Output({"type": "method-fact", "method": ALL}, "children"),
        Output({"type": "method-toggle", "method": ALL}, "disabled"),
        Output("methods-chosen", "data", allow_duplicate=True),
        Output("references-offered", "data"),
        Output("methods-problem", "children"),
        Input("study-base-model", "value"),
        Input("study-base-model-path", "value"),
        Input("study-task", "value"),
        Input("study-kind", "value"),
        State("task-kinds", "data"),
        State({"type": "method-fact", "method": ALL}, "id"),
        State("methods-chosen", "data"),
        prevent_initial_call=True,
    )(describe_methods)
    clientside_callback(
        """(chosen, presets) => presets.map(id => String(id.name !== '' && id.name === chosen))""",
        Output({"type": "preset", "name": ALL}, "aria-pressed"),
        Input("preset-chosen", "data"),
        State({"type": "preset", "name": ALL}, "id"),
    )
