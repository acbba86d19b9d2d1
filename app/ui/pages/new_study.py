"""New study: the textbook's seven steps as a wizard, its method part generated from the methods' own schemas.

Every step is in the page at once and one of them is shown. The form stands in the address while it is filled in, so
that a reload or a link shows the same.

Element ids that tests and scripts may rely on: `study-name`, `study-task`, `study-kind`, `study-dataset`,
`study-text-column` (and -label-, -pair-, -choices-, -group-), `study-base-model`, `study-base-model-path`,
`study-length-kind`, `study-length`, `study-batch`, `study-max-length`, `study-seeds`, `study-grid`,
`study-evaluations`, `study-patience`, `study-accumulation`, `study-checkpointing`, `study-device`,
`study-references`, `study-size`, `step-next`, `step-back`, `launch-study`, `launch-problem`;
{"type": "step", "number": 1..7}; {"type": "preset", "name": KEY}; {"type": "method-toggle", "method": NAME};
{"type": "hyperparameter", "method": NAME, "field": FIELD}.
"""

from typing import Any

from dash import Input, Output, State, dcc, html, no_update, register_page

from app.client import ApiProblem, AtlasClient
from app.language import tr
from app.schemas import BaseModelCard, DatasetView, MethodCard, PresetCard, WorkerView
from app.ui.elements import page_head
from app.ui.launch import cards, documents, estimate, hyperparameters, methods, model, preview, review, steps, task
from app.ui.launch.baseline import baseline_step
from app.ui.launch.budget import budget_panel
from app.ui.launch.draft import document_of, form_as
from app.ui.launch.estimate import estimate_panel
from app.ui.launch.filling import fill
from app.ui.launch.hyperparameters import hyperparameter_step
from app.ui.launch.methods import method_panel
from app.ui.launch.opening import Catalogues, Filling, offered_only
from app.ui.policy import writing
from app.ui.session import client
from app.ui.states import error


def page_title() -> str:
    """The browser's title."""
    return tr("New study · PEFT Atlas")


register_page(__name__, path="/studies/new", name="New study", title=page_title)
for part in (task, preview, model, cards, hyperparameters, methods, steps, estimate, review, documents):
    part.register()


async def layout(**query: str) -> Any:
    """The wizard, from what the catalogues hold now, filled in with what the address asks for."""
    api = client()
    try:
        models = await api.base_models()
        if not models:
            return error(
                tr("There is no base model yet"),
                tr("Run `make assets`, or put one under models in the home folder."),
            )
        there = Catalogues(
            await api.tasks(),
            await api.task_kinds(),
            models,
            await api.presets(models[0].name, kind="classification"),
            await api.metrics(),
        )
        form = fill(query, there)
        offered, presets = await _offered(api, form, there)
        uploaded, workers = await api.datasets(), await api.devices()
    except ApiProblem as problem:
        return error(tr("The catalogues could not be read"), problem.detail)
    return _wizard(form, there, offered, presets, uploaded, workers)


def _wizard(
    form: Filling,
    there: Catalogues,
    offered: list[MethodCard],
    presets: list[PresetCard],
    uploaded: list[DatasetView],
    workers: list[WorkerView],
) -> html.Div:
    base, choosable = form.folder or form.base_model, [card for card in offered if not card.reference]
    models: list[BaseModelCard] = list(there.models)
    bodies = [
        task.task_step(list(there.tasks), list(there.kinds), uploaded, form),
        [method_panel(offered, presets, base, form)],
        hyperparameter_step(choosable, form.values, form.grid, form.tuning),
        model.model_step(models, form),
        [budget_panel(form)],
        baseline_step(),
        review.review_step(),
    ]
    main = html.Div(steps.step_panels(form.step, bodies), className="new-main")
    side = html.Div([estimate_panel(workers, form), steps.step_buttons(form.step)], className="new-side")
    head = page_head(
        tr("New study"), tr("Every method gets the same data, steps and tuning budget."), documents.document_buttons()
    )
    stores = [
        dcc.Location(id="study-go", refresh="callback-nav"),
        dcc.Store(id="study-fill"),
        dcc.Store(id="study-kept", data=form.kept),
        dcc.Store(id="study-problems"),
        dcc.Store(id="study-address"),
        *steps.step_store(form.step),
    ]
    grid = html.Div([main, side], className="new-grid")
    windows = documents.document_windows()
    return html.Div([*stores, head, steps.stepper(form.step), *_from_link(form), grid, *windows], className="new-study")


async def _offered(api: AtlasClient, form: Filling, there: Catalogues) -> tuple[list[MethodCard], list[PresetCard]]:
    """The methods and presets with what the form's base model and task cannot have; a base model that cannot be read
    gives way to the first."""
    kind = next((found.kind for found in there.tasks if found.name == form.task), form.kind)
    try:
        asked = form.folder or form.base_model
        offered, presets = await api.methods(asked, kind=kind), await api.presets(asked, kind=kind)
    except ApiProblem as problem:
        if not form.folder:
            raise
        form.notes.append(tr("The base model “{name}” cannot be read: {why}", name=form.folder, why=problem.detail))
        form.folder, form.base_model = "", there.models[0].name
        return await _offered(api, form, there)
    offered_only(form, {card.name: card.not_offered for card in offered}, {card.name: card.title for card in offered})
    return offered, presets


def _from_link(form: Filling) -> list[Any]:
    """What the link filled in beyond the fields, and what of it does not exist. Of the form's own address only that."""
    told = html.Ul([html.Li(text) for text in form.told], className="note-list")
    notes = html.Ul([html.Li(text) for text in form.notes], className="note-list")
    away = html.A(tr("Start from an empty form"), href="/studies/new")
    filled_in = html.Div(
        [
            html.B(tr("Filled in from a link.")),
            " ",
            tr("Check it and launch."),
            " ",
            away,
            *([told] if form.told else []),
        ],
        id="study-linked",
        className="note note-plain",
        role="status",
    )
    ignored = html.Div(
        [html.B(tr("Left out, for it is not there:")), notes],
        id="study-ignored",
        className="note note-warn",
        role="status",
    )
    shown = form.linked and (not form.draft or bool(form.told))
    return [*([filled_in] if shown else []), *([ignored] if form.notes else [])]


@writing(
    output=(Output("study-go", "href"), Output("launch-problem", "children")),
    inputs={"clicks": Input("launch-study", "n_clicks")},
    state={"form": form_as(State)},
    running=[(Output("launch-study", "disabled"), True, False)],
    prevent_initial_call=True,
)
async def launch(clicks: int | None, form: dict[str, Any]) -> Any:
    """Post the study document; a refusal is shown in the API's own words."""
    if not clicks:
        return no_update, no_update
    if not form["chosen"]:
        return no_update, _problem(ApiProblem(422, "Not valid", tr("Choose at least one method."), []))
    try:
        study = await client().create_study(document_of(form))
    except ApiProblem as problem:
        return no_update, _problem(problem)
    return f"/studies/{study.id}", None


def _problem(problem: ApiProblem) -> html.Div:
    listed = [html.Li([html.B(found["field"]), " ", found["message"]]) for found in problem.errors]
    return html.Div(
        [html.B(tr("Not launched.")), " ", html.Ul(listed) if listed else problem.detail], className="note note-bad"
    )
