"""New study: one form whose method part is generated from the methods' own schemas.

Element ids that tests and scripts may rely on: `study-name`, `study-task`, `study-kind`, `study-dataset`,
`study-text-column` (and -label-, -pair-, -choices-, -group-), `study-base-model`, `study-base-model-path`,
`study-length-kind`, `study-length`, `study-batch`, `study-max-length`, `study-seeds`, `study-grid`,
`study-evaluations`, `study-patience`, `study-accumulation`, `study-checkpointing`, `launch-study`, `launch-problem`;
{"type": "preset", "name": KEY}; {"type": "method-toggle", "method": NAME};
{"type": "hyperparameter", "method": NAME, "field": FIELD}.
"""

from typing import Any

from dash import ALL, Input, Output, State, callback, dcc, html, no_update, register_page

from app.client import ApiProblem
from app.ui.elements import facts, page_head, panel
from app.ui.launch.budget import budget_document, budget_panel
from app.ui.launch.hyperparameters import Row, method_entries
from app.ui.launch.methods import method_panel
from app.ui.launch.task import OWN, ROLES, task_document, task_panel
from app.ui.numbers import by_formula, show
from app.ui.session import client
from app.ui.states import error

register_page(__name__, path="/studies/new", name="New study", title="New study · PEFT Atlas")


async def layout(preset: str = "", **_: str) -> Any:
    """The form, from what the catalogues hold now; an address that names a preset has its methods chosen."""
    api = client()
    try:
        tasks, kinds, models = await api.tasks(), await api.task_kinds(), await api.base_models()
        if not models:
            return error("There is no base model yet", "Run `make assets`, or put one under models in the home folder.")
        first, kind = models[0].name, tasks[0].kind if tasks else "classification"
        methods, presets = await api.methods(first, kind=kind), await api.presets(first, kind=kind)
    except ApiProblem as problem:
        return error("The catalogues could not be read", problem.detail)
    return html.Div(
        [
            dcc.Location(id="study-go", refresh="callback-nav"),
            page_head("New study", "Every method gets the same data, steps and tuning budget."),
            html.Div(
                [
                    html.Div(
                        [
                            task_panel(tasks, kinds, models),
                            method_panel(methods, presets, first, preset),
                            budget_panel(),
                        ],
                        className="new-main",
                    ),
                    html.Div(_launch_panel(), className="new-side"),
                ],
                className="new-grid",
            ),
        ]
    )


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
    Input("study-seeds", "value"),
    Input("study-grid", "value"),
)
async def count_runs(chosen: list[Row], references: list[str], seeds: Any, grid: str) -> Any:
    """How many runs the study will queue; the sum is spelled out."""
    if not isinstance(seeds, int) or seeds < 1:
        return html.P("Give a number of seeds.", className="quiet")
    if not references:
        return html.P("Nothing can be run: this base model cannot do this kind of task.", className="quiet")
    points = int(grid) if int(grid) > 1 else 0
    tuned_references = len(set(references) - {"untuned"})
    tuned = len(chosen) + tuned_references
    per_row = points + seeds + 1
    total = tuned * per_row + seeds + 1
    asked = f"tuned {tuned}, grid {points}, seeds {seeds}"
    return [
        html.Div([_exact(total, f"queued_runs({asked})"), " runs"], className="estimate-big"),
        facts(
            {
                "Tuned rows": _exact(tuned, f"tuned_rows(methods {len(chosen)}, references {tuned_references})"),
                "Runs for each: learning rates, seeds, cost probe": _exact(per_row, f"runs_of_a_row({asked})"),
            }
        ),
    ]


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
                *("max-length", "seeds", "grid", "evaluations", "patience", "accumulation", "checkpointing"),
            )
        },
        "columns": {role: State(f"study-{role}-column", "value") for role in ROLES},
        "kind_columns": State("kind-columns", "data"),
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
