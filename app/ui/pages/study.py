"""One study: its verdict in words, methods x metrics as the evidence, and every number's way back to its runs."""

import asyncio
from typing import Any

import dash_mantine_components as dmc
from dash import Input, Output, State, callback, ctx, dcc, html, no_update, register_page

from app.client import ApiProblem, AtlasClient
from app.schemas import Comparison, RunView, StudyView
from app.ui.cells import QUALITY, Matrix
from app.ui.charts.dot_list import dot_list
from app.ui.charts.heatmap import heatmap
from app.ui.charts.radar import MOST_METHODS, default_choice, radar
from app.ui.session import client
from app.ui.states import empty, error, loading
from app.ui.study import actions, head, tabs
from app.ui.study.figures import figure_sentence, heatmap_legend, profile_note, profile_table, table_note
from app.ui.study.grid import comparison_grid
from app.ui.theme import Palette, palette

register_page(__name__, path_template="/studies/<study_id>", name="Study", title="Study · PEFT Atlas")

VIEWS = ("Heatmap", "Table", "Tuning", "Seeds", "Failures")
TICK_MS = 2_000
GRAPH = {"displayModeBar": False, "responsive": True}
RUNS_A_PAGE = 200


async def layout(study_id: str = "", **_: str) -> Any:
    """The whole head at once; figures follow when the browser has said its colours and width."""
    if not (study_id.isascii() and study_id.isdigit()):
        return _not_a_study(study_id)
    try:
        view, comparison = await _read(client(), int(study_id))
    except ApiProblem as problem:
        return error("This study could not be read", problem.detail)
    matrix = Matrix(comparison, view.metric)
    running = view.status in ("queued", "running")
    return html.Div(
        [
            dcc.Store(id="study-id", data=view.id),
            dcc.Store(id="study-version", data=_version(view)),
            dcc.Interval(id="study-tick", interval=TICK_MS, disabled=not running),
            dcc.Location(id="study-go", refresh="callback-nav"),
            html.Header([head.title(view), html.Div(actions.buttons(view), id="study-actions")], className="page-head"),
            html.Div(_head_parts(view, matrix, await _hardware(client(), view)), id="study-head"),
            _main_panel(matrix),
            _radar_panel(matrix),
            actions.confirmations(view),
        ],
        className="study",
    )


def _not_a_study(name: str) -> Any:
    return empty(
        "There is no such study", f"“{name[:40]}” is not the number of a study.", [("All studies", "/studies")]
    )


async def _read(api: AtlasClient, study: int) -> tuple[StudyView, Comparison]:
    return await asyncio.gather(api.study(study), api.comparison(study))


async def _hardware(api: AtlasClient, view: StudyView) -> str | None:
    """The device of a run that has ended, in its own words."""
    ended = (await api.runs(study_id=view.id, status="succeeded", limit=1)).items
    environment = (await api.run(ended[0].id)).environment if ended else None
    return str(environment["device_name"]) if environment and "device_name" in environment else None


def _version(view: StudyView) -> str:
    """Changes exactly when something of the study has changed."""
    return f"{view.status} {view.updated_at.isoformat()} {view.counts.model_dump_json()}"


def _head_parts(view: StudyView, matrix: Matrix, hardware: str | None) -> list[Any]:
    return [
        head.facts(view, hardware),
        head.verdict(matrix.comparison),
        *head.flags(matrix),
        *head.partial(view),
    ]


def _main_panel(matrix: Matrix) -> html.Section:
    columns = [card for card in matrix.columns if matrix.measured(card.key)] or matrix.columns
    return html.Section(
        [
            html.Div(
                [
                    html.H2("Methods × metrics"),
                    html.Div(
                        [
                            dmc.SegmentedControl(id="study-view", data=list(VIEWS), value=VIEWS[0], size="xs"),
                            dmc.Select(
                                id="study-sort",
                                data=[{"value": card.key, "label": matrix.title(card)} for card in columns],
                                value=QUALITY,
                                allowDeselect=False,
                                size="xs",
                                w=150,
                                leftSection=html.Span("By", className="quiet"),
                                leftSectionWidth=30,
                                attributes={
                                    "input": {"aria-label": "Sort by, and on a narrow screen the metric shown"}
                                },
                            ),
                        ],
                        className="panel-tools",
                    ),
                ],
                className="panel-head",
            ),
            html.Div(loading(rows=len(matrix.comparison.configurations)), id="study-evidence"),
        ],
        className="panel",
        id="study-panel",
        **{"data-region": "evidence"},
    )


def _radar_panel(matrix: Matrix) -> html.Section:
    choice = dmc.MultiSelect(
        id="study-chosen",
        data=[{"value": str(row.id), "label": row.label} for row in matrix.comparison.configurations],
        value=[str(configuration) for configuration in default_choice(matrix)],
        maxValues=MOST_METHODS,
        searchable=False,
        placeholder="Choose methods",
        size="xs",
        attributes={"input": {"aria-label": "Methods of the profile, at most six"}},
    )
    return html.Section(
        [
            html.Div(
                [html.H2("Profile of up to six"), html.Div(choice, **{"data-label": "names of methods"})],
                className="panel-head radar-head",
            ),
            html.Div(loading(rows=5), id="study-radar"),
        ],
        className="panel",
        **{"data-region": "evidence"},
    )


@callback(
    Output("study-head", "children"),
    Output("study-actions", "children"),
    Output("study-version", "data"),
    Output("study-tick", "disabled"),
    Input("study-tick", "n_intervals"),
    State("study-id", "data"),
    State("study-version", "data"),
    prevent_initial_call=True,
)
async def follow(_: int, study: int, seen: str) -> Any:
    """Every two seconds while runs are missing: nothing is sent unless something has changed."""
    api = client()
    try:
        view = await api.study(study)
        version = _version(view)
        if version == seen:
            return no_update, no_update, no_update, no_update
        comparison = await api.comparison(study)
        hardware = await _hardware(api, view)
    except ApiProblem:
        # The next tick asks again; what is on screen stays true until then.
        return no_update, no_update, no_update, no_update
    ended = view.status not in ("queued", "running")
    return _head_parts(view, Matrix(comparison, view.metric), hardware), actions.buttons(view), version, ended


@callback(
    Output("study-evidence", "children"),
    Input("study-view", "value"),
    Input("study-sort", "value"),
    Input("scheme-now", "data"),
    Input("narrow-now", "data"),
    Input("study-version", "data"),
    State("study-id", "data"),
)
async def show_evidence(view_name: str, sort: str, scheme: str | None, narrow: bool | None, _: str, study: int) -> Any:
    """The chosen view of the same comparison, once the browser has said its colours and width."""
    if scheme is None or narrow is None:
        return no_update
    api = client()
    try:
        view, comparison = await _read(api, study)
        runs = await _all_runs(api, study) if view_name in ("Seeds", "Failures") else []
    except ApiProblem as problem:
        return error("The comparison could not be read", problem.detail)
    matrix = Matrix(comparison, view.metric)
    if (
        view_name != "Failures"
        and not any(cell.mean is not None for cell in comparison.cells)
        and view_name != "Tuning"
    ):
        return _nothing_yet(view)
    if view_name == "Heatmap":
        return _figure(view, matrix, sort, palette(scheme), narrow=bool(narrow))
    return _table_view(view_name, matrix, runs, sort)


def _table_view(name: str, matrix: Matrix, runs: list[RunView], sort: str) -> Any:
    if name == "Table":
        return html.Div([table_note(matrix), comparison_grid(matrix, sort=sort)])
    if name == "Tuning":
        return tabs.tuning(matrix)
    return tabs.seeds(matrix, runs) if name == "Seeds" else tabs.failures(runs)


def _figure(view: StudyView, matrix: Matrix, sort: str, colours: Palette, *, narrow: bool) -> html.Div:
    seeds = view.document.seeds if isinstance(view.document.seeds, int) else len(view.document.seeds)
    figure = (
        dot_list(matrix, sort, colours, seeds=seeds) if narrow else heatmap(matrix, colours, seeds=seeds, sort=sort)
    )
    return html.Div(
        [
            html.P(figure_sentence(matrix), id="study-figure-sentence", className="visually-hidden"),
            html.Div(
                dcc.Graph(id="study-figure", figure=figure, config=GRAPH, style={"height": figure.layout.height}),
                role="img",
                **{"data-figure": "evidence", "aria-labelledby": "study-figure-sentence"},
            ),
            heatmap_legend(matrix, narrow=narrow),
        ]
    )


def _nothing_yet(view: StudyView) -> html.Div:
    queue = ("Open the queue", f"/runs?study_id={view.id}")
    if view.status in ("queued", "running"):
        return empty("No finished run yet", "The first row appears when a method has one reporting run.", [queue])
    return empty(
        "Nothing was measured", "Every run of this study failed or was cancelled; the Failures tab says why.", [queue]
    )


async def _all_runs(api: AtlasClient, study: int) -> list[RunView]:
    """Every run of a study, page by page, oldest first."""
    found: list[RunView] = []
    cursor = None
    while True:
        page = await api.runs(study_id=study, order="oldest", limit=RUNS_A_PAGE, cursor=cursor)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


@callback(
    Output("study-radar", "children"),
    Input("study-chosen", "value"),
    Input("scheme-now", "data"),
    Input("narrow-now", "data"),
    Input("study-version", "data"),
    State("study-id", "data"),
)
async def show_radar(chosen: list[str], scheme: str | None, narrow: bool | None, _: str, study: int) -> Any:
    """The profiles of the chosen methods on the axes that all of them have."""
    if scheme is None or narrow is None:
        return no_update
    try:
        view, comparison = await _read(client(), study)
    except ApiProblem as problem:
        return error("The comparison could not be read", problem.detail)
    matrix = Matrix(comparison, view.metric)
    wanted = [int(one) for one in chosen] or default_choice(matrix)
    note, axes = profile_note(matrix, wanted)
    if len(axes) < 3:
        return html.Div(
            [
                note,
                html.P(
                    "A profile needs three metrics that every chosen method has a score in.", className="study-quiet"
                ),
            ]
        )
    figure = radar(matrix, wanted, palette(scheme), narrow=bool(narrow))
    graph = dcc.Graph(id="study-radar-figure", figure=figure, config=GRAPH, style={"height": figure.layout.height})
    image = html.Div(graph, role="img", **{"data-figure": "evidence", "aria-labelledby": "study-radar-sentence"})
    scores = profile_table(matrix, wanted, axes)
    return html.Div([html.Div(note, id="study-radar-sentence"), html.Div([image, scores], className="radar-grid")])


@callback(
    Output("study-cancel-ask", "opened"),
    Output("study-cancel-problem", "children"),
    Input("study-cancel", "n_clicks"),
    Input("study-cancel-no", "n_clicks"),
    Input("study-cancel-yes", "n_clicks"),
    State("study-id", "data"),
    prevent_initial_call=True,
)
async def cancel(ask: int | None, _no: int | None, _yes: int | None, study: int) -> Any:
    """Ask, then cancel; the next tick shows it."""
    if ctx.triggered_id != "study-cancel-yes":
        return ctx.triggered_id == "study-cancel" and bool(ask), ""
    try:
        await client().cancel_study(study)
    except ApiProblem as problem:
        return True, problem.detail
    return False, ""


@callback(
    Output("study-delete-ask", "opened"),
    Output("study-delete-problem", "children"),
    Output("study-go", "href"),
    Input("study-delete", "n_clicks"),
    Input("study-delete-no", "n_clicks"),
    Input("study-delete-yes", "n_clicks"),
    State("study-id", "data"),
    prevent_initial_call=True,
)
async def delete(ask: int | None, _no: int | None, _yes: int | None, study: int) -> Any:
    """Ask, then delete and go to the list."""
    if ctx.triggered_id != "study-delete-yes":
        return ctx.triggered_id == "study-delete" and bool(ask), "", no_update
    try:
        await client().delete_study(study)
    except ApiProblem as problem:
        return True, problem.detail, no_update
    return False, "", "/studies"
