"""One study: its verdict in words, methods x metrics as the evidence, and every number's way back to its runs."""

import asyncio
from typing import Any

from dash import ALL, Input, Output, State, callback, ctx, dcc, html, no_update, register_page

from app.client import ApiProblem, AtlasClient
from app.language import tr
from app.schemas import Comparison, StudyView
from app.ui.cells import Matrix
from app.ui.session import client
from app.ui.states import empty, error, worker_is_down
from app.ui.study import actions, advantage, evidence, front, head, profile, review, sweeps, tabs
from app.ui.study.chosen import Chosen, profile_of
from app.ui.study.trade_off import TradeOff


def title(study_id: str = "", **_: str) -> str:
    """The tab's title."""
    return f"{tr('Study {id}', id=study_id)} · PEFT Atlas"


register_page(__name__, path_template="/studies/<study_id>", name="Study", title=title)
for part in (actions, evidence, front, profile, review, sweeps):
    part.register()

TICK_MS = 2_000


async def layout(study_id: str = "", **query: str) -> Any:
    """The whole head at once; figures follow when the browser has said its colours and width.

    The address may say all that is seen: view, order, hidden rows and columns, profile, trade-off (x, y, z, floor) and
    sweep.
    """
    if not (study_id.isascii() and study_id.isdigit()):
        return _not_a_study(study_id)
    api = client()
    try:
        view, comparison = await _read(api, int(study_id))
        swept, said, approvals = await asyncio.gather(
            api.sweeps(view.id), api.comments(view.id), api.approvals(view.id)
        )
        parts = await _head_parts(api, view, Matrix(comparison, view.metric))
    except ApiProblem as problem:
        return error(tr("This study could not be read"), problem.detail)
    matrix = Matrix(comparison, view.metric)
    return html.Div(
        [
            dcc.Store(id="study-id", data=view.id),
            dcc.Store(id="study-version", data=_version(view)),
            dcc.Interval(id="study-tick", interval=TICK_MS, disabled=not _live(view)),
            dcc.Location(id="study-go", refresh="callback-nav"),
            html.Header(
                [
                    html.Div([head.title(view), review.tags(view)]),
                    html.Div(
                        [
                            html.Div(actions.buttons(view), id="study-actions"),
                            html.Div(id="study-copied", className="quiet study-copied", role="status"),
                        ]
                    ),
                ],
                className="page-head",
            ),
            html.Div(parts, id="study-head"),
            html.Div(id="study-extended", role="status"),
            evidence.panel(matrix, Chosen.from_query(query, matrix)),
            advantage.panel(matrix),
            front.panel(matrix, TradeOff.from_query(query, matrix)),
            profile.panel(matrix, profile_of(query, matrix)),
            sweeps.panel(swept, query.get("sweep")),
            review.panel(said, approvals),
            actions.confirmations(view),
        ],
        className="study",
    )


def _live(view: StudyView) -> bool:
    return view.status in ("queued", "running")


def _not_a_study(name: str) -> Any:
    why = tr("“{name}” is not the number of a study.", name=name[:40])
    return empty(tr("There is no such study"), why, [(tr("All studies"), "/studies")])


async def _read(api: AtlasClient, study: int) -> tuple[StudyView, Comparison]:
    return await asyncio.gather(api.study(study), api.comparison(study))


async def _hardware(api: AtlasClient, view: StudyView) -> str | None:
    """The device of a run that has ended, in its own words."""
    ended = (await api.runs(study_id=view.id, status="succeeded", limit=1)).items
    environment = (await api.run(ended[0].id)).environment if ended else None
    return str(environment["device_name"]) if environment and "device_name" in environment else None


def _version(view: StudyView) -> str:
    """Changes exactly when something of the study has changed."""
    approved = view.approval.id if view.approval else 0
    return f"{view.status} {view.updated_at.isoformat()} {view.counts.model_dump_json()} {view.comments} {approved}"


async def _head_parts(api: AtlasClient, view: StudyView, matrix: Matrix) -> list[Any]:
    hardware, workers = await asyncio.gather(_hardware(api, view), api.devices())
    down = worker_is_down(workers, view.counts.queued)
    return [
        head.facts(view, hardware),
        head.verdict(matrix.comparison),
        *head.small_splits(view),
        *head.flags(matrix),
        *head.partial(view),
        *([down] if down is not None else []),
    ]


@callback(
    Output("study-head", "children"),
    Output("study-actions", "children"),
    Output("study-advantage", "children"),
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
            return [no_update] * 5
        matrix = Matrix(await api.comparison(study), view.metric)
        parts = await _head_parts(api, view, matrix)
    except ApiProblem:
        # The next tick asks again; what is on screen stays true until then.
        return [no_update] * 5
    return parts, actions.buttons(view), advantage.content(matrix), version, not _live(view)


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
