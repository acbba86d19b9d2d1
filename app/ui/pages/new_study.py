"""New study: one form whose method part is generated from the methods' own schemas.

Element ids that tests and scripts may rely on: `study-name`, `study-task`, `study-kind`, `study-dataset`,
`study-text-column` (and -label-, -pair-, -choices-, -group-), `study-base-model`, `study-base-model-path`,
`study-length-kind`, `study-length`, `study-batch`, `study-max-length`, `study-seeds`, `study-grid`,
`study-evaluations`, `study-patience`, `study-accumulation`, `study-checkpointing`, `study-device`,
`study-references`, `launch-study`, `launch-problem`;
{"type": "preset", "name": KEY}; {"type": "method-toggle", "method": NAME};
{"type": "hyperparameter", "method": NAME, "field": FIELD}.
"""

from typing import Any

from dash import ALL, Input, Output, State, callback, dcc, html, no_update, register_page

from app.client import ApiProblem, AtlasClient
from app.schemas import MethodCard, PresetCard
from app.ui.elements import facts, page_head, panel
from app.ui.launch import cards, hyperparameters, methods, task
from app.ui.launch.budget import budget_document, budget_panel
from app.ui.launch.filling import OWN, REFERENCES, Catalogues, Filling, fill, offered_only, with_kept
from app.ui.launch.hyperparameters import Row, method_entries
from app.ui.launch.methods import method_panel
from app.ui.launch.task import ROLES, task_document, task_panel
from app.ui.numbers import by_formula, show
from app.ui.session import client
from app.ui.states import error

register_page(__name__, path="/studies/new", name="New study", title="New study · PEFT Atlas")
for part in (task, cards, hyperparameters, methods):
    part.register()


async def layout(**query: str) -> Any:
    """The form, from what the catalogues hold now, filled in with what the address asks for."""
    api = client()
    try:
        tasks, kinds, models = await api.tasks(), await api.task_kinds(), await api.base_models()
        if not models:
            return error("There is no base model yet", "Run `make assets`, or put one under models in the home folder.")
        there = Catalogues(
            tasks, kinds, models, await api.presets(models[0].name, kind="classification"), await api.metrics()
        )
        form = fill(query, there)
        methods, presets = await _offered(api, form, there)
    except ApiProblem as problem:
        return error("The catalogues could not be read", problem.detail)
    return html.Div(
        [
            dcc.Location(id="study-go", refresh="callback-nav"),
            dcc.Store(id="study-kept", data=form.kept),
            page_head("New study", "Every method gets the same data, steps and tuning budget."),
            *_from_link(form),
            html.Div(
                [
                    html.Div(
                        [
                            task_panel(tasks, kinds, models, form),
                            method_panel(methods, presets, form.folder or form.base_model, form),
                            budget_panel(form),
                        ],
                        className="new-main",
                    ),
                    html.Div(_launch_panel(), className="new-side"),
                ],
                className="new-grid",
            ),
        ]
    )


async def _offered(api: AtlasClient, form: Filling, there: Catalogues) -> tuple[list[MethodCard], list[PresetCard]]:
    """The methods and presets with what the form's base model and task cannot have; a base model that cannot be read
    gives way to the first."""
    kind = next((task.kind for task in there.tasks if task.name == form.task), form.kind)
    try:
        asked = form.folder or form.base_model
        methods, presets = await api.methods(asked, kind=kind), await api.presets(asked, kind=kind)
    except ApiProblem as problem:
        if not form.folder:
            raise
        form.notes.append(f"The base model “{form.folder}” cannot be read: {problem.detail}")
        form.folder, form.base_model = "", there.models[0].name
        return await _offered(api, form, there)
    offered_only(form, {card.name: card.not_offered for card in methods}, {card.name: card.title for card in methods})
    return methods, presets


def _from_link(form: Filling) -> list[Any]:
    """What the link filled in beyond the fields, and what of it does not exist."""
    told = html.Ul([html.Li(text) for text in form.told], className="note-list")
    notes = html.Ul([html.Li(text) for text in form.notes], className="note-list")
    away = html.A("Start from an empty form", href="/studies/new")
    filled = html.Div(
        [html.B("Filled in from a link. "), "Check it and launch. ", away, *([told] if form.told else [])],
        id="study-linked",
        className="note note-plain",
        role="status",
    )
    ignored = html.Div(
        [html.B("Left out, for it is not there:"), notes], id="study-ignored", className="note note-warn", role="status"
    )
    return [*([filled] if form.linked else []), *([ignored] if form.notes else [])]


def _launch_panel() -> html.Section:
    launch = html.Button("Launch", id="launch-study", className="button", type="button")
    body = [
        html.Div(id="study-size", **{"data-region": "evidence"}),
        html.Div(id="launch-problem", className="problem", role="alert"),
        launch,
    ]
    return panel("Launch", body)


@callback(
    Output("study-size", "children"),
    Input("methods-chosen", "data"),
    Input("references-offered", "data"),
    Input("study-references", "value"),
    Input("study-seeds", "value"),
    Input("study-grid", "value"),
)
async def count_runs(chosen: list[Row], offered: list[str], wanted: list[str], seeds: Any, grid: str) -> Any:
    """How many runs the study will queue; the sum is spelled out."""
    if not isinstance(seeds, int) or seeds < 1:
        return html.P("Give a number of seeds.", className="quiet")
    if not offered:
        return html.P("Nothing can be run: this base model cannot do this kind of task.", className="quiet")
    references = set(offered) & set(wanted)
    points = _tuning_runs(int(grid))
    tuned_references = len(references - {"untuned"})
    tuned, untuned = len(chosen) + tuned_references, len(references & {"untuned"})
    per_row = points + seeds + 1
    own = sum(_tuning_runs(len(row["learning_rates"])) - points for row in chosen if "learning_rates" in row)
    total = tuned * per_row + untuned * (seeds + 1) + own
    asked = f"tuned {tuned}, grid {points}, seeds {seeds}, untuned {untuned}, own {own}"
    return [
        html.Div([_exact(total, f"queued_runs({asked})"), " runs"], className="estimate-big"),
        facts(
            {
                "Tuned rows": _exact(tuned, f"tuned_rows(methods {len(chosen)}, references {tuned_references})"),
                "Runs for each: learning rates, seeds, cost probe": _exact(per_row, f"runs_of_a_row({asked})"),
            }
        ),
    ]


def _tuning_runs(rates: int) -> int:
    """A single learning rate is taken as it is."""
    return rates if rates > 1 else 0


def _exact(value: int, formula: str) -> html.Span:
    return show(by_formula(value, "count", formula, exact=True))


@callback(
    output=(Output("study-go", "href"), Output("launch-problem", "children")),
    inputs={"clicks": Input("launch-study", "n_clicks")},
    state={
        "chosen": State("methods-chosen", "data"),
        "field": {
            name: State(f"study-{name}", "value")
            for name in (
                *("name", "task", "dataset", "kind", "base-model", "base-model-path", "length-kind", "length", "batch"),
                *(
                    "max-length",
                    "seeds",
                    "grid",
                    "evaluations",
                    "patience",
                    "accumulation",
                    "checkpointing",
                    "device",
                    "references",
                ),
            )
        },
        "columns": {role: State(f"study-{role}-column", "value") for role in ROLES},
        "kind_columns": State("kind-columns", "data"),
        "kept": State("study-kept", "data"),
        "values": State({"type": "hyperparameter", "method": ALL, "field": ALL}, "value"),
        "identities": State({"type": "hyperparameter", "method": ALL, "field": ALL}, "id"),
    },
    running=[(Output("launch-study", "disabled"), True, False)],
    prevent_initial_call=True,
)
async def launch(
    clicks: int | None,
    chosen: list[Row],
    field: dict[str, Any],
    columns: dict[str, str],
    kind_columns: dict[str, dict[str, dict[str, str]]],
    kept: dict[str, Any],
    values: list[Any],
    identities: list[dict[str, str]],
) -> Any:
    """Post the study document; a refusal is shown in the API's own words."""
    if not clicks:
        return no_update, no_update
    if not chosen:
        return no_update, _problem(ApiProblem(422, "Not valid", "Choose at least one method.", []))
    kind = field["kind"]
    document = {
        "name": field["name"],
        "base_model": field["base-model-path"] if field["base-model"] == OWN else field["base-model"],
        "task": task_document(field["task"], field["dataset"], kind, columns, kind_columns[kind]),
        "budget": budget_document(field),
        "seeds": field["seeds"],
        "grid_points": int(field["grid"]),
        "methods": method_entries(chosen, values, identities),
        "references": [name for name in REFERENCES if name in field["references"]],
        "device": None if field["device"] == "any" else field["device"],
    }
    try:
        study = await client().create_study(with_kept(document, kept))
    except ApiProblem as problem:
        return no_update, _problem(problem)
    return f"/studies/{study.id}", None


def _problem(problem: ApiProblem) -> html.Div:
    listed = [html.Li([html.B(found["field"] + " "), found["message"]]) for found in problem.errors]
    return html.Div(
        [html.B("Not launched. "), html.Ul(listed) if listed else problem.detail], className="note note-bad"
    )
