"""One study: its verdict in words, methods x metrics as the evidence, and every number's way back to its runs."""

import asyncio
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Input, Output, State, callback, ctx, dcc, html, no_update, register_page

from app.client import ApiProblem, AtlasClient
from app.schemas import Comparison, RunView, StudyView
from app.ui.cells import QUALITY, Matrix
from app.ui.charts.radar import MOST_METHODS, default_choice
from app.ui.session import client
from app.ui.states import empty, error, loading
from app.ui.study import actions, front, head, sweeps, tabs
from app.ui.study.differences import differences
from app.ui.study.shown import Shown, in_place
from app.ui.study.trade_off import TradeOff
from app.ui.study.views import evidence_view, radar_view
from app.ui.theme import palette

register_page(__name__, path_template="/studies/<study_id>", name="Study", title="Study · PEFT Atlas")
front.register()
sweeps.register()

VIEWS = ("Heatmap", "Table", "Differences", "Tuning", "Seeds", "Failures")
TICK_MS = 2_000
RUNS_A_PAGE = 200


async def layout(study_id: str = "", **query: str) -> Any:
    """The whole head at once; figures follow when the browser has said its colours and width.

    The address may say which trade-off (x, y, z, floor) and which sweep is shown.
    """
    if not (study_id.isascii() and study_id.isdigit()):
        return _not_a_study(study_id)
    try:
        view, comparison = await _read(client(), int(study_id))
        swept = await client().sweeps(view.id)
    except ApiProblem as problem:
        return error("This study could not be read", problem.detail)
    matrix = Matrix(comparison, view.metric)
    running = view.status in ("queued", "running")
    return html.Div(
        [
            dcc.Store(id="study-id", data=view.id),
            dcc.Store(id="study-version", data=_version(view)),
            dcc.Store(id="study-shown"),
            dcc.Store(id="study-radar-shown"),
            dcc.Interval(id="study-tick", interval=TICK_MS, disabled=not running),
            dcc.Location(id="study-go", refresh="callback-nav"),
            html.Header([head.title(view), html.Div(actions.buttons(view), id="study-actions")], className="page-head"),
            html.Div(_head_parts(view, matrix, await _hardware(client(), view)), id="study-head"),
            html.Div(id="study-extended", role="status"),
            _main_panel(matrix),
            front.panel(matrix, TradeOff.from_query(query, matrix)),
            _radar_panel(matrix),
            sweeps.panel(swept, query.get("sweep")),
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
        *head.small_splits(view),
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
    Output("study-shown", "data"),
    Input("study-view", "value"),
    Input("study-sort", "value"),
    Input("scheme-now", "data"),
    Input("narrow-now", "data"),
    Input("study-version", "data"),
    State("study-id", "data"),
    State("study-shown", "data"),
)
async def show_evidence(
    name: str, sort: str, scheme: str | None, narrow: bool | None, _: str, study: int, shown: str | None
) -> Any:
    """The chosen view of the same comparison, once the browser has said its colours and width."""
    if scheme is None or narrow is None:
        return no_update, no_update
    api = client()
    try:
        view, comparison = await _read(api, study)
        runs = await _all_runs(api, study) if name in ("Seeds", "Failures") else []
        tested = await api.significance(study) if name == "Differences" else None
    except ApiProblem as problem:
        return error("The comparison could not be read", problem.detail), "error"
    matrix = Matrix(comparison, view.metric)
    if tested is not None:
        return in_place(Shown(name, differences(tested, [row.id for row in matrix.ordered(QUALITY)])), shown)
    return in_place(evidence_view(name, view, matrix, runs, sort, palette(scheme), narrow=narrow), shown)


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
    Output("study-radar-shown", "data"),
    Input("study-chosen", "value"),
    Input("scheme-now", "data"),
    Input("narrow-now", "data"),
    Input("study-version", "data"),
    State("study-id", "data"),
    State("study-radar-shown", "data"),
)
async def show_radar(
    chosen: list[str], scheme: str | None, narrow: bool | None, _: str, study: int, shown: str | None
) -> Any:
    """The profiles of the chosen methods."""
    if scheme is None or narrow is None:
        return no_update, no_update
    try:
        view, comparison = await _read(client(), study)
    except ApiProblem as problem:
        return error("The comparison could not be read", problem.detail), "error"
    wanted = [int(configuration) for configuration in chosen]
    return in_place(radar_view(Matrix(comparison, view.metric), wanted, palette(scheme), narrow=narrow), shown)


@callback(
    Output("study-extended", "children"),
    Output("study-tick", "disabled", allow_duplicate=True),
    Input({"type": "add-points", "configuration": ALL}, "n_clicks"),
    State("study-id", "data"),
    prevent_initial_call=True,
)
async def add_points(clicks: list[int | None], study: int) -> Any:
    """Queue two more learning rates beyond the edge of a grid, and follow what becomes of them."""
    if not any(clicks) or not isinstance(ctx.triggered_id, dict):
        return no_update, no_update
    wanted = ctx.triggered_id["configuration"]
    api = client()
    try:
        rows = {row.id: row for row in (await api.comparison(study)).configurations}
        points = tabs.points_beyond(rows[wanted]) if wanted in rows else None
        if points is None:
            return tabs.nothing_to_add(), False
        await api.extend_study(study, {"learning_rates": {str(wanted): list(points)}})
    except ApiProblem as problem:
        return tabs.not_added(problem.detail), no_update
    return tabs.added(rows[wanted]), False


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
