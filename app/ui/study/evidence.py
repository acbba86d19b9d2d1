"""The panel "Methods x metrics": its views, and which rows and columns they show in which order."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import dash_mantine_components as dmc
from dash import Input, Output, State, clientside_callback, ctx, dcc, html, no_update
from plotly.utils import PlotlyJSONEncoder

from app.client import ApiProblem, AtlasClient
from app.language import tr
from app.schemas import RunView, StudyView
from app.ui.cells import QUALITY, Matrix
from app.ui.policy import reading
from app.ui.session import client
from app.ui.states import error, loading
from app.ui.study import tabs
from app.ui.study.address import keep_in_address
from app.ui.study.chosen import VIEWS, Chosen
from app.ui.study.differences import differences
from app.ui.study.environment import environment_view
from app.ui.study.predicted import predicted_view
from app.ui.study.shown import Shown, in_place
from app.ui.study.views import heatmap_view, nothing_yet, table_view
from app.ui.theme import Palette, palette

RUNS_A_PAGE = 200
OF_ROWS = ("heatmap", "table")
"""The views whose rows can be sorted, hidden and paged."""
SORT_BY_HEAD = """(clicked, sort, worst) => {
    const name = clicked && clicked.annotation && clicked.annotation.name;
    const same = window.dash_clientside.no_update;
    if (!name) return [same, same];
    return name === sort ? [same, !worst] : [name, false];
}"""
"""A click on the head of a column sorts by it; one more the other way round."""
MAKE_BOXES = "(_, boxes) => JSON.parse(boxes)"


def panel(matrix: Matrix, chosen: Chosen) -> html.Section:
    """The panel with its controls; the view follows when the browser has said its colours and width."""
    rows = min(len(chosen.listed(matrix)), 25)
    return html.Section(
        [
            dcc.Store(id="study-shown"),
            dcc.Store(id="study-seen"),
            html.Div(
                [html.H2(tr("Methods × metrics")), html.Div(_tools(matrix, chosen), className="panel-tools")],
                className="panel-head",
            ),
            _view_choice(chosen),
            html.Div(
                loading(rows=rows, height=21),
                id="study-evidence",
                className="study-evidence",
                style=_room(matrix, chosen),
            ),
            html.Div(
                dmc.Pagination(
                    id="study-page",
                    total=chosen.pages(matrix),
                    value=chosen.page,
                    size="sm",
                    hideWithOnePage=True,
                    withControls=False,
                ),
                className="study-pages",
            ),
        ],
        className="panel",
        id="study-panel",
        **{"data-region": "evidence"},
    )


def _room(matrix: Matrix, chosen: Chosen) -> dict[str, int]:
    """How many rows the view takes, so that nothing below it moves when they arrive."""
    return {"--rows": len(chosen.on_page(matrix))} if chosen.view in OF_ROWS else {}


def _view_choice(chosen: Chosen) -> html.Div:
    choice = dmc.SegmentedControl(
        id="study-view",
        data=[{"value": key, "label": tr(title)} for key, title in VIEWS.items()],
        value=chosen.view,
        size="xs",
    )
    return html.Div(choice, className="study-views", role="group", **{"aria-label": tr("View")})


def _tools(matrix: Matrix, chosen: Chosen) -> list[Any]:
    known = [card for card in matrix.columns if matrix.measured(card.key)] or matrix.columns
    sort = dmc.Select(
        id="study-sort",
        data=[{"value": card.key, "label": matrix.title(card)} for card in known],
        value=chosen.sort,
        allowDeselect=False,
        size="xs",
        w=170,
        leftSection=html.Span(tr("By"), className="quiet"),
        leftSectionWidth=40,
        attributes={"input": {"aria-label": tr("Sort by, and on a narrow screen the metric shown")}},
    )
    order = dmc.Checkbox(id="study-order", label=tr("Worst first"), checked=chosen.worst_first, size="xs")
    rows = [(str(row.id), row.label) for row in matrix.ordered(QUALITY)]
    fixed = {str(matrix.comparison.reference)}
    shown_rows = [key for key, _ in rows if int(key) not in chosen.rows]
    columns = [(card.key, matrix.title(card)) for card in matrix.columns]
    shown_columns = [key for key, _ in columns if key not in chosen.columns]
    return [
        sort,
        order,
        _choice("study-rows", tr("Rows"), tr("Rows shown"), rows, shown_rows, fixed),
        _choice("study-columns", tr("Columns"), tr("Columns shown"), columns, shown_columns, set()),
    ]


def _choice(
    name: str, button: str, label: str, options: list[tuple[str, str]], value: list[str], fixed: set[str]
) -> dmc.Popover:
    """A button that opens a list of what is shown; what is `fixed` cannot be hidden. Its boxes are made when it is."""
    boxes = [dmc.Checkbox(value=key, label=title, size="xs", disabled=key in fixed) for key, title in options]
    room = {"data-label": label, "data-boxes": json.dumps(boxes, cls=PlotlyJSONEncoder)}
    group = dmc.CheckboxGroup(
        html.Div(id=f"{name}-boxes", className="shown-choice", **room), id=name, value=value, label=label, size="xs"
    )
    everything = html.Button(
        tr("Show all"), id=f"{name}-all", className="button button-plain", type="button", **{"data-label": label}
    )
    return dmc.Popover(
        [
            dmc.PopoverTarget(dmc.Button(button, id=f"{name}-open", variant="default", size="xs")),
            dmc.PopoverDropdown([group, everything]),
        ],
        position="bottom-end",
        shadow="md",
        trapFocus=True,
        withRoles=False,
        returnFocus=True,
        keepMounted=True,
    )


def register() -> None:
    """Declare what the panel does. By each application anew, for Dash gives callbacks to the first that it serves."""
    keep_in_address("study-seen")
    clientside_callback(
        SORT_BY_HEAD,
        Output("study-sort", "value"),
        Output("study-order", "checked"),
        Input("study-figure", "clickAnnotationData"),
        State("study-sort", "value"),
        State("study-order", "checked"),
        prevent_initial_call=True,
    )
    for name in ("study-rows", "study-columns"):
        clientside_callback(
            MAKE_BOXES,
            Output(f"{name}-boxes", "children"),
            Input(f"{name}-open", "n_clicks"),
            State(f"{name}-boxes", "data-boxes"),
            prevent_initial_call=True,
        )
        reading(
            Output(name, "value"),
            Input(f"{name}-all", "n_clicks"),
            State("study-id", "data"),
            prevent_initial_call=True,
        )(show_all)
    reading(
        Output("study-evidence", "children"),
        Output("study-shown", "data"),
        Output("study-seen", "data"),
        Output("study-page", "total"),
        Output("study-page", "value"),
        Output("study-evidence", "style"),
        Input("study-view", "value"),
        Input("study-sort", "value"),
        Input("study-order", "checked"),
        Input("study-rows", "value"),
        Input("study-columns", "value"),
        Input("study-page", "value"),
        Input("scheme-now", "data"),
        Input("narrow-now", "data"),
        Input("study-version", "data"),
        State("study-id", "data"),
        State("study-shown", "data"),
    )(show_evidence)


async def show_all(_: int | None, study: int) -> Any:
    """Every row, or every column."""
    try:
        comparison = await client().comparison(study)
    except ApiProblem:
        return no_update
    if ctx.triggered_id == "study-rows-all":
        return [str(row.id) for row in comparison.configurations]
    return [card.key for card in comparison.metrics if card.in_heatmap]


async def show_evidence(
    name: str,
    sort: str,
    worst: bool | None,
    rows: list[str],
    columns: list[str],
    page: int | None,
    scheme: str | None,
    narrow: bool | None,
    _: str,
    study: int,
    shown: str | None,
) -> Any:
    """The chosen view of the same comparison, once the browser has said its colours and width."""
    if scheme is None or narrow is None:
        return [no_update] * 6
    api = client()
    try:
        view, comparison = await asyncio.gather(api.study(study), api.comparison(study))
        matrix = Matrix(comparison, view.metric)
        chosen = Chosen(
            view=name,
            sort=sort if sort in matrix.cards else QUALITY,
            worst_first=bool(worst),
            rows=frozenset(matrix.configurations) - {int(row) for row in rows} - {comparison.reference or 0},
            columns=frozenset(card.key for card in matrix.columns) - set(columns),
            page=page or 1,
        ).within(matrix)
        new = await _view(api, chosen, view, matrix, palette(scheme), narrow=narrow)
    except ApiProblem as problem:
        return error(tr("The comparison could not be read"), problem.detail), "error", *[no_update] * 4
    pages = chosen.pages(matrix) if name in OF_ROWS[:1] else 1
    return *in_place(new, shown), chosen.query(), pages, chosen.page, _room(matrix, chosen)


async def _view(
    api: AtlasClient, chosen: Chosen, view: StudyView, matrix: Matrix, colours: Palette, *, narrow: bool
) -> Shown:
    """The view with what it needs besides the comparison."""
    if chosen.view in WITHOUT_CELLS:
        return Shown(chosen.view, await WITHOUT_CELLS[chosen.view](api, matrix))
    if not any(cell.mean is not None for cell in matrix.comparison.cells):
        return Shown("nothing", nothing_yet(view))
    if chosen.view == "seeds":
        return Shown(chosen.view, tabs.seeds(matrix, await _all_runs(api, view.id)))
    if chosen.view == "table":
        return table_view(matrix, chosen)
    return heatmap_view(view, matrix, chosen, colours, narrow=narrow)


async def _differences(api: AtlasClient, matrix: Matrix) -> html.Div:
    order = [row.id for row in matrix.ordered(QUALITY)]
    return differences(await api.significance(matrix.comparison.study), order)


async def _predicted(api: AtlasClient, matrix: Matrix) -> html.Div:
    return predicted_view(await api.predicted_costs(matrix.comparison.study))


async def _environment(api: AtlasClient, matrix: Matrix) -> html.Div:
    return environment_view(await api.environments(matrix.comparison.study))


async def _tuning(_: AtlasClient, matrix: Matrix) -> html.Div:
    return tabs.tuning(matrix)


async def _failures(api: AtlasClient, matrix: Matrix) -> html.Div:
    return tabs.failures(await _all_runs(api, matrix.comparison.study))


WITHOUT_CELLS: dict[str, Callable[[AtlasClient, Matrix], Awaitable[html.Div]]] = {
    "differences": _differences,
    "predicted": _predicted,
    "environment": _environment,
    "tuning": _tuning,
    "failures": _failures,
}
"""The views that have something to say before a value is measured."""


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
