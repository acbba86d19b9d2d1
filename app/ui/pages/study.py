"""One study: its verdict in words, methods x metrics as the evidence, and every number's way back to its runs."""

import asyncio
from dataclasses import dataclass
from typing import Any

from dash import ALL, Input, Output, State, ctx, dcc, html, no_update, register_page

from app.client import ApiProblem, AtlasClient
from app.language import tr
from app.schemas import StudyView, WorkerView
from app.ui import live
from app.ui.cells import Matrix
from app.ui.policy import reading, writing
from app.ui.session import client
from app.ui.states import empty, error, same_when_alive, worker_is_down
from app.ui.still import still_inside
from app.ui.study import actions, advantage, below, evidence, front, head, profile, review, sharing, sweeps, tabs
from app.ui.study.chosen import Chosen, profile_of
from app.ui.study.trade_off import TradeOff


def title(study_id: str = "", **_: str) -> str:
    """The tab's title."""
    return tr("Study {id} · PEFT Atlas", id=study_id)


register_page(__name__, path_template="/studies/<study_id>", name="Study", title=title)
for part in (actions, advantage, below, evidence, front, profile, review, sharing, sweeps):
    part.register()


@dataclass(frozen=True)
class StudyNow:
    """What tells that something on the page is another: the study without the age of its last run's progress, which is
    no news here, and the workers that live."""

    view: StudyView
    workers: list[WorkerView]

    @property
    def live(self) -> bool:
        return self.view.status in ("queued", "running")

    @property
    def version(self) -> str:
        """Changes exactly when something on the page has changed."""
        return live.version_of(self)


async def _read(api: AtlasClient, what: str) -> StudyNow:
    view, workers = await asyncio.gather(api.study(int(what)), api.devices())
    return StudyNow(view.model_copy(update={"updated_at": view.created_at}), same_when_alive(workers))


live.follow("study", _read, ended=lambda now: not now.live)


async def layout(study_id: str = "", **query: str) -> Any:
    """The whole head at once; figures follow when the browser has said its colours and width.

    The address may say all that is seen: view, order, hidden rows and columns, profile, trade-off (x, y, z, floor) and
    sweep.
    """
    if not (study_id.isascii() and study_id.isdigit()):
        return _not_a_study(study_id)
    api, study = client(), int(study_id)
    try:
        now = await live.read("study", study_id)
        view = now.view
        comparison, swept, said, approvals, shared = await asyncio.gather(
            api.comparison(study),
            api.sweeps(study),
            api.comments(study),
            api.approvals(study),
            sharing.read(api, study),
        )
        matrix = Matrix(comparison, view.metric)
        parts = await _head_parts(api, now, matrix)
    except ApiProblem as problem:
        return error(tr("This study could not be read"), problem.detail)
    return html.Div(
        [
            dcc.Store(id="study-id", data=view.id),
            dcc.Store(id="study-version", data=now.version),
            html.Div(live.following("study", study_id, now), id="study-follow"),
            below.waiting(),
            dcc.Location(id="study-left", refresh="callback-nav"),
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
            sharing.panel(shared),
            actions.confirmations(view),
        ],
        className="study",
    )


def _not_a_study(name: str) -> Any:
    why = tr("“{name}” is not the number of a study.", name=name[:40])
    return empty(tr("There is no such study"), why, [(tr("All studies"), "/studies")])


async def _hardware(api: AtlasClient, view: StudyView) -> str | None:
    """The device of a run that has ended, in its own words."""
    ended = (await api.runs(study_id=view.id, status="succeeded", limit=1)).items
    environment = (await api.run(ended[0].id)).environment if ended else None
    return str(environment["device_name"]) if environment and "device_name" in environment else None


async def _head_parts(api: AtlasClient, now: StudyNow, matrix: Matrix) -> list[Any]:
    view = now.view
    down = worker_is_down(now.workers, view.counts.queued)
    said = [
        head.facts(view, await _hardware(api, view)),
        head.verdict(matrix.comparison),
        *head.small_splits(view),
        *head.flags(matrix),
        *head.partial(view),
        *([down] if down is not None else []),
    ]
    return [still_inside(part) for part in said]


@reading(
    Output("study-head", "children"),
    Output("study-status", "children"),
    Output("study-version", "data"),
    Input("study-live", "data"),
    State("study-id", "data"),
    prevent_initial_call=True,
)
async def follow(version: str, study: int) -> Any:
    """What the study is and shows, when something of it has changed; the panels follow its version."""
    api = client()
    try:
        now = await live.latest("study", str(study))
        matrix = Matrix(await api.comparison(study), now.view.metric)
        parts = await _head_parts(api, now, matrix)
    except ApiProblem:
        # What is on screen stays true until the next change is told.
        return [no_update] * 3
    return parts, head.tags(now.view), version


@writing(
    Output("study-extended", "children"),
    Output("study-follow", "children"),
    Input({"type": "add-points", "configuration": ALL}, "n_clicks"),
    State("study-id", "data"),
    prevent_initial_call=True,
)
async def add_points(clicks: list[int | None], study: int) -> Any:
    """Queue learning rates beyond the edge of a grid, or the edge itself, and follow what becomes of them."""
    if not any(clicks) or not isinstance(ctx.triggered_id, dict):
        return no_update, no_update
    wanted = ctx.triggered_id["configuration"]
    api = client()
    try:
        rows = {row.id: row for row in (await api.comparison(study)).configurations}
        points = tabs.points_to_add(rows[wanted]) if wanted in rows else None
        if points is None:
            return tabs.nothing_to_add(), no_update
        await api.extend_study(study, {"learning_rates": {str(wanted): list(points)}})
    except ApiProblem as problem:
        return tabs.not_added(problem.detail), no_update
    return tabs.added(rows[wanted]), live.following("study", str(study))


@writing(
    Output("study-cancel-ask", "opened"),
    Output("study-cancel-problem", "children"),
    Input("study-cancel", "n_clicks"),
    Input("study-cancel-no", "n_clicks"),
    Input("study-cancel-yes", "n_clicks"),
    State("study-id", "data"),
    prevent_initial_call=True,
)
async def cancel(ask: int | None, _no: int | None, _yes: int | None, study: int) -> Any:
    """Ask, then cancel; the page follows what becomes of it."""
    if ctx.triggered_id != "study-cancel-yes":
        return ctx.triggered_id == "study-cancel" and bool(ask), ""
    try:
        await client().cancel_study(study)
    except ApiProblem as problem:
        return True, problem.detail
    return False, ""


@writing(
    Output("study-delete-ask", "opened"),
    Output("study-delete-problem", "children"),
    Output("study-left", "href"),
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
