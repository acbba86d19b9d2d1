"""New study: one form whose method part is generated from the methods' own schemas.

Element ids that tests and scripts may rely on: `study-name`, `study-task`, `study-dataset`, `study-text-column`,
`study-label-column`, `study-base-model`, `study-base-model-path`, `study-length-kind`, `study-length`, `study-batch`,
`study-max-length`, `study-seeds`, `study-grid`, `launch-study`, `launch-problem`; {"type": "method-toggle",
"method": NAME}; {"type": "hyperparameter", "method": NAME, "field": FIELD}.
"""

from typing import Any

import dash_mantine_components as dmc
from dash import (
    ALL,
    MATCH,
    Input,
    Output,
    State,
    callback,
    clientside_callback,
    ctx,
    dcc,
    html,
    no_update,
    register_page,
)

from app.client import ApiProblem
from app.schemas import BaseModelCard, HyperparameterField, MethodCard, TaskCard
from app.ui.elements import facts, page_head, panel
from app.ui.numbers import by_formula, format_value, show
from app.ui.session import client
from app.ui.states import error

register_page(__name__, path="/studies/new", name="New study", title="New study · PEFT Atlas")

OWN = "own"
"""The choice of a dataset or a base model of one's own."""

PRESETS = {
    "The chapter's five": ("lora", "adapter", "prefix_tuning", "p_tuning_v2"),
    "Low-rank and adapter": ("lora", "adapter"),
    "Prefix family": ("prefix_tuning", "p_tuning_v2"),
    "None": (),
}
REFERENCES = ("untuned", "head_only", "full")


async def layout() -> Any:
    """The form, from what the catalogues hold now."""
    api = client()
    try:
        methods, tasks, models = await api.methods(), await api.tasks(), await api.base_models()
    except ApiProblem as problem:
        return error("The catalogues could not be read", problem.detail)
    offered = [card for card in methods if not card.reference]
    return html.Div(
        [
            dcc.Location(id="study-go", refresh="callback-nav"),
            dcc.Store(id="methods-chosen", data=list(PRESETS["Low-rank and adapter"])),
            page_head("New study", "Every method gets the same data, steps and tuning budget."),
            html.Div(
                [
                    html.Div(
                        [_task_panel(tasks, models), _method_panel(offered, models[0].name), _budget_panel()],
                        className="new-main",
                    ),
                    html.Div(_launch_panel(), className="new-side"),
                ],
                className="new-grid",
            ),
        ]
    )


def _task_panel(tasks: list[TaskCard], models: list[BaseModelCard]) -> html.Section:
    own_task = {"value": OWN, "label": "A CSV of my own"}
    own_model = {"value": OWN, "label": "A folder of my own"}
    fields = [
        _text("study-name", "Name", "New study", wide=True),
        dmc.Select(
            id="study-task",
            label="Task",
            value=tasks[0].name,
            allowDeselect=False,
            data=[*({"value": task.name, "label": task.title} for task in tasks), own_task],
        ),
        dmc.Select(
            id="study-base-model",
            label="Base model",
            value=models[0].name,
            allowDeselect=False,
            data=[*({"value": model.name, "label": _model_title(model)} for model in models), own_model],
        ),
        html.Div(
            [
                _text("study-dataset", "Dataset file", "", "Under the home's datasets folder, or an allowed root."),
                _text("study-text-column", "Text column", "text"),
                _text("study-label-column", "Label column", "label"),
            ],
            id="own-dataset",
            className="fields wide",
            style={"display": "none"},
        ),
        html.Div(
            _text("study-base-model-path", "Model folder", "", "Under the home's models folder, or an allowed root."),
            id="own-model",
            className="wide",
            style={"display": "none"},
        ),
    ]
    return panel("Task and base model", html.Div(fields, className="fields"))


def _model_title(model: BaseModelCard) -> str:
    return f"{model.name} ({model.model_type}, {format_value(model.parameters, 'count')} parameters)"


def _text(identity: str, label: str, value: str, description: str | None = None, *, wide: bool = False) -> Any:
    field = dmc.TextInput(id=identity, label=label, value=value, description=description)
    return html.Div(field, className="wide") if wide else field


def _method_panel(methods: list[MethodCard], base_model: str) -> html.Section:
    chips = [
        html.Button(name, id={"type": "preset", "name": name}, className="chip", type="button") for name in PRESETS
    ]
    body = [
        html.Div([html.Span("Presets", className="quiet"), *chips], className="row-of"),
        html.Div(
            [_method_card(card, base_model) for card in methods],
            className="method-cards",
            role="group",
            **{"aria-label": "Methods"},
        ),
        html.P("Full fine-tuning, head-only and untuned are always measured beside them.", className="quiet hyper"),
        html.Div([_method_form(card) for card in methods if card.hyperparameters]),
    ]
    return panel("Which methods?", body)


def _method_card(card: MethodCard, base_model: str) -> html.Button:
    tick = html.Span(html.Span(className="icon icon-check"), className="tick", **{"aria-hidden": "true"})
    mark = html.Span(className=f"family family-{card.family}", **{"aria-hidden": "true"})
    paper = f"{card.paper.authors} {card.paper.year}" if card.paper else ""
    parts: list[Any] = [
        html.Span([tick, card.title, mark], className="top"),
        html.Span(card.summary),
        html.Span(paper, className="label"),
    ]
    parts.append(html.Span(_fact(card, base_model), id={"type": "method-fact", "method": card.name}))
    return html.Button(
        parts,
        id={"type": "method-toggle", "method": card.name},
        className="method-card",
        type="button",
        title=card.trains,
        **{"aria-pressed": "false"},
    )


def _fact(card: MethodCard, base_model: str) -> html.Span:
    """How many parameters it trains on the chosen base model, or why it cannot."""
    if card.not_offered or card.trainable_parameters is None:
        return html.Span(f"not offered: {card.not_offered}", className="refused")
    trained = by_formula(
        card.trainable_parameters, "count", f"trainable_parameters(method {card.name}, base_model {base_model})"
    )
    return html.Span([show(trained), " trainable"], className="label", **{"data-region": "evidence"})


def _method_form(card: MethodCard) -> html.Div:
    fields = [_hyperparameter(card.name, field) for field in card.hyperparameters]
    return html.Div(
        [
            html.H3(f"{card.title}: hyper-parameters"),
            html.P(
                "Its learning rates are its own grid's, chosen on validation; the study lists them.", className="quiet"
            ),
            html.Div(fields, className="fields"),
        ],
        id={"type": "method-form", "method": card.name},
        className="hyper",
        style={"display": "none"},
    )


def _hyperparameter(method: str, field: HyperparameterField) -> Any:
    identity = {"type": "hyperparameter", "method": method, "field": field.name}
    described = field.effect
    if field.recommended:
        low, high = field.recommended
        described = f"{field.effect} Recommended {low:g} to {high:g}."
    if field.choices:
        data = [{"value": choice, "label": choice.replace("_", " ")} for choice in field.choices]
        return dmc.Select(
            id=identity, label=field.title, description=described, value=field.default, data=data, allowDeselect=False
        )
    if field.type == "boolean":
        return dmc.Switch(id=identity, label=field.title, description=described, checked=bool(field.default))
    if field.type == "string":
        return dmc.TextInput(id=identity, label=field.title, description=described, value=str(field.default))
    # Bounds are the API's to enforce: its sentence says what the model allows, which a form cannot know.
    return dmc.NumberInput(
        id=identity,
        label=field.title,
        description=described,
        value=field.default,
        allowDecimal=field.type == "number",
        step=1 if field.type == "integer" else 0.05,
        clampBehavior="none",
    )


def _budget_panel() -> html.Section:
    fields = [
        dmc.Select(
            id="study-length-kind",
            label="Length in",
            value="epochs",
            allowDeselect=False,
            data=[{"value": "epochs", "label": "epochs"}, {"value": "steps", "label": "optimizer steps"}],
        ),
        _number("study-length", "How many", 3),
        _number("study-batch", "Batch size", 8),
        _number("study-max-length", "Longest item, tokens", 64),
        _number("study-seeds", "Seeds", 5, "Three are a smoke test, five the default."),
        dmc.Select(
            id="study-grid",
            label="Learning rates per method",
            value="5",
            allowDeselect=False,
            data=[{"value": value, "label": label} for value, label in (("5", "5"), ("3", "3"), ("1", "1: no tuning"))],
        ),
    ]
    return panel("Budget, equal for all", html.Div(fields, className="fields"))


def _number(identity: str, label: str, value: int, description: str | None = None) -> Any:
    return dmc.NumberInput(
        id=identity, label=label, value=value, description=description, allowDecimal=False, clampBehavior="none"
    )


def _launch_panel() -> html.Section:
    launch = html.Button("Launch", id="launch-study", className="button", type="button")
    body = [
        html.Div(id="study-size", **{"data-region": "evidence"}),
        html.Div(id="launch-problem", className="problem", role="alert"),
        launch,
    ]
    return panel("Launch", body)


clientside_callback(
    """(task, model) => [
        {display: task === 'own' ? 'grid' : 'none'}, {display: model === 'own' ? 'block' : 'none'}
    ]""",
    Output("own-dataset", "style"),
    Output("own-model", "style"),
    Input("study-task", "value"),
    Input("study-base-model", "value"),
)


@callback(
    Output("methods-chosen", "data"),
    Input({"type": "method-toggle", "method": ALL}, "n_clicks"),
    Input({"type": "preset", "name": ALL}, "n_clicks"),
    State("methods-chosen", "data"),
    prevent_initial_call=True,
)
async def choose_methods(_toggles: list[int], _presets: list[int], chosen: list[str]) -> Any:
    """A card adds or removes its method, a preset replaces them all."""
    if not any(_toggles) and not any(_presets):
        return no_update
    if ctx.triggered_id["type"] == "preset":
        return list(PRESETS[ctx.triggered_id["name"]])
    method = ctx.triggered_id["method"]
    return [name for name in chosen if name != method] if method in chosen else [*chosen, method]


clientside_callback(
    """(chosen, toggles) => toggles.map(id => String(chosen.includes(id.method)))""",
    Output({"type": "method-toggle", "method": ALL}, "aria-pressed"),
    Input("methods-chosen", "data"),
    State({"type": "method-toggle", "method": ALL}, "id"),
)

clientside_callback(
    """(chosen, id) => ({display: chosen.includes(id.method) ? 'block' : 'none'})""",
    Output({"type": "method-form", "method": MATCH}, "style"),
    Input("methods-chosen", "data"),
    State({"type": "method-form", "method": MATCH}, "id"),
)


@callback(
    Output({"type": "method-fact", "method": ALL}, "children"),
    Input("study-base-model", "value"),
    Input("study-base-model-path", "value"),
    State({"type": "method-fact", "method": ALL}, "id"),
    prevent_initial_call=True,
)
async def describe_methods(base_model: str, path: str, identities: list[dict[str, str]]) -> list[Any]:
    """What each method would train on the base model now chosen; nothing for one that cannot be read."""
    chosen = path if base_model == OWN else base_model
    try:
        cards = await client().methods(base_model=chosen)
    except ApiProblem:
        return ["" for _ in identities]
    known = {card.name: card for card in cards}
    return [_fact(known[identity["method"]], chosen) for identity in identities]


@callback(
    Output("study-size", "children"),
    Input("methods-chosen", "data"),
    Input("study-seeds", "value"),
    Input("study-grid", "value"),
)
async def count_runs(chosen: list[str], seeds: Any, grid: str) -> Any:
    """How many runs the study will queue; the sum is spelled out."""
    if not isinstance(seeds, int) or seeds < 1:
        return html.P("Give a number of seeds.", className="quiet")
    points = int(grid) if int(grid) > 1 else 0
    tuned = len(set(chosen) | set(REFERENCES)) - 1
    per_row = points + seeds + 1
    total = tuned * per_row + seeds + 1
    asked = f"tuned {tuned}, grid {points}, seeds {seeds}"
    return [
        html.Div([_exact(total, f"queued_runs({asked})"), " runs"], className="estimate-big"),
        facts(
            {
                "Tuned rows": _exact(tuned, f"tuned_rows(methods {len(chosen)})"),
                "Runs for each: learning rates, seeds, cost probe": _exact(per_row, f"runs_of_a_row({asked})"),
            }
        ),
    ]


def _exact(value: int, formula: str) -> html.Span:
    return show(by_formula(value, "count", formula, exact=True))


@callback(
    Output("study-go", "href"),
    Output("launch-problem", "children"),
    Input("launch-study", "n_clicks"),
    State("methods-chosen", "data"),
    State("study-name", "value"),
    State("study-task", "value"),
    State("study-dataset", "value"),
    State("study-text-column", "value"),
    State("study-label-column", "value"),
    State("study-base-model", "value"),
    State("study-base-model-path", "value"),
    State("study-length-kind", "value"),
    State("study-length", "value"),
    State("study-batch", "value"),
    State("study-max-length", "value"),
    State("study-seeds", "value"),
    State("study-grid", "value"),
    State({"type": "hyperparameter", "method": ALL, "field": ALL}, "value"),
    State({"type": "hyperparameter", "method": ALL, "field": ALL}, "id"),
    running=[(Output("launch-study", "disabled"), True, False)],
    prevent_initial_call=True,
)
async def launch(
    clicks: int | None,
    chosen: list[str],
    name: str,
    task: str,
    dataset: str,
    text_column: str,
    label_column: str,
    base_model: str,
    base_model_path: str,
    length_kind: str,
    length: Any,
    batch: Any,
    max_length: Any,
    seeds: Any,
    grid: str,
    values: list[Any],
    identities: list[dict[str, str]],
) -> Any:
    """Post the study document; a refusal is shown in the API's own words."""
    if not clicks:
        return no_update, no_update
    own_values: dict[str, dict[str, Any]] = {}
    for identity, value in zip(identities, values, strict=True):
        own_values.setdefault(identity["method"], {})[identity["field"]] = value
    document = {
        "name": name,
        "base_model": base_model_path if base_model == OWN else base_model,
        "task": {"dataset": dataset, "text": text_column, "label": label_column} if task == OWN else task,
        "budget": {length_kind: length, "batch_size": batch, "max_length": max_length},
        "seeds": seeds,
        "grid_points": int(grid),
        "methods": [{"method": method, "hyperparameters": own_values.get(method, {})} for method in chosen],
    }
    try:
        study = await client().create_study(document)
    except ApiProblem as problem:
        return no_update, _problem(problem)
    return f"/studies/{study.id}", None


def _problem(problem: ApiProblem) -> html.Div:
    listed = [html.Li([html.B(found["field"] + " "), found["message"]]) for found in problem.errors]
    return html.Div(
        [html.B("Not launched. "), html.Ul(listed) if listed else problem.detail], className="note note-bad"
    )
