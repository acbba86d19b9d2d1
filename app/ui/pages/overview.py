"""Overview: what waits for me, the studies with what they show, the queue, the workers."""

from dataclasses import dataclass
from typing import Any

from dash import Input, Output, dcc, html, no_update, register_page

from app.client import ApiProblem, AtlasClient
from app.language import tr
from app.schemas import RunView, StudyView, WorkerView
from app.ui import live
from app.ui.elements import page_head, panel
from app.ui.overview.queue import queue
from app.ui.overview.studies import study_table
from app.ui.overview.waiting import waiting
from app.ui.overview.workers import workers
from app.ui.policy import reading, writing
from app.ui.session import client
from app.ui.states import error, same_when_alive, worker_is_down

register_page(__name__, path="/", name="Overview", title=lambda: tr("Overview · PEFT Atlas"))

MOST_STUDIES = 50
"""Counted in the sentence; an older study that still waits is found by its name."""
MOST_ROWS = 20
MOST_RUNS = 50


@dataclass(frozen=True)
class OverviewNow:
    """Everything the page shows. workers: those that live."""

    studies: list[StudyView]
    runs: list[RunView]
    workers: list[WorkerView]


async def _read(api: AtlasClient, _what: str) -> OverviewNow:
    studies = (await api.studies(limit=MOST_STUDIES)).items
    runs = (await api.runs(status="running,queued", limit=MOST_RUNS)).items
    return OverviewNow(studies, runs, same_when_alive(await api.devices()))


live.follow("overview", _read)


async def layout(**_query: str) -> Any:
    """The whole page at once, so that nothing moves when it is there."""
    try:
        now = await live.read("overview")
    except ApiProblem as problem:
        return html.Div([live.following("overview"), *_frame(*_failed(problem))])
    return html.Div([live.following("overview", reading=now), *_frame(*_parts(now))])


def _frame(head: Any, problem: Any, studies: Any, runs: Any, devices: Any) -> list[Any]:
    evidence = {"data-region": "evidence"}
    return [
        dcc.Location(id="overview-go", refresh="callback-nav"),
        html.Div(head, id="overview-head"),
        html.Div(problem, id="overview-problem", className="problem"),
        _actions(),
        html.Div(
            [
                panel(
                    tr("Studies"),
                    html.Div(studies, id="overview-studies", **evidence),
                    dcc.Link(tr("all studies"), href="/studies"),
                ),
                html.Div(
                    [
                        panel(tr("Queue"), html.Div(runs, id="overview-queue"), dcc.Link(tr("all runs"), href="/runs")),
                        panel(tr("Workers and devices"), html.Div(devices, id="overview-workers")),
                    ],
                    className="overview-side",
                ),
            ],
            className="overview-grid",
        ),
    ]


def _parts(now: OverviewNow) -> tuple[Any, Any, Any, Any, Any]:
    return (
        page_head(tr("Overview"), waiting(now.studies), _ways()),
        worker_is_down(now.workers, len(now.runs)),
        study_table(now.studies[:MOST_ROWS]),
        queue(now.runs),
        workers(now.workers),
    )


def _failed(problem: ApiProblem) -> tuple[Any, Any, Any, Any, Any]:
    """What is on the page stays; where there is nothing yet, the parts are empty."""
    told = error(tr("The overview could not be read"), problem.detail)
    return page_head(tr("Overview"), "", _ways()), told, [], [], []


def _ways() -> list[Any]:
    return [
        dcc.Link(tr("Guide"), href="/guide", className="button button-plain"),
        dcc.Link(tr("Import results"), href="/import", className="button button-plain"),
    ]


def _actions() -> html.Div:
    run_it = html.Button(
        tr("Try the quickstart"), id="launch-quickstart", className="button button-plain", type="button"
    )
    recommend = dcc.Link(tr("Recommend"), href="/recommend", className="button button-plain")
    cards = (
        (
            tr("Compare methods on your task"),
            tr("Pick data, methods and a budget; see what fits before it runs."),
            dcc.Link(tr("New study"), href="/studies/new", className="button"),
        ),
        (tr("See it work in minutes"), tr("A small encoder, real tweets, seven rows, on this machine."), run_it),
        (tr("Which method for my case?"), tr("Five scenarios, answered from what was measured."), recommend),
    )
    return html.Div(
        [
            html.Section([html.H2(title), html.P(text, className="quiet"), action], className="panel")
            for title, text, action in cards
        ],
        className="overview-actions",
    )


@reading(
    Output("overview-head", "children"),
    Output("overview-problem", "children"),
    Output("overview-studies", "children"),
    Output("overview-queue", "children"),
    Output("overview-workers", "children"),
    Input("overview-live", "data"),
    prevent_initial_call=True,
)
async def refresh(_version: str) -> Any:
    """Everything on the page, when something of it has changed."""
    try:
        return _parts(await live.latest("overview"))
    except ApiProblem as problem:
        return no_update, _failed(problem)[1], no_update, no_update, no_update


@writing(
    Output("overview-go", "href"),
    Output("overview-problem", "children", allow_duplicate=True),
    Input("launch-quickstart", "n_clicks"),
    running=[(Output("launch-quickstart", "disabled"), True, False)],
    prevent_initial_call=True,
)
async def launch_quickstart(clicks: int | None) -> Any:
    """Queue the quickstart and go to it."""
    if not clicks:
        return no_update, no_update
    try:
        study = await client().create_quickstart()
    except ApiProblem as problem:
        return no_update, error(tr("The quickstart could not be launched"), problem.detail)
    return f"/studies/{study.id}", None
