"""Overview: what waits for me, the studies with what they show, the queue, the workers."""

from typing import Any

from dash import Input, Output, callback, dcc, html, no_update, register_page

from app.client import ApiProblem
from app.schemas import RunView, StudyView, WorkerView
from app.ui.elements import facts, page_head, panel, progress_bar, run_boxes, short_name, status_tag
from app.ui.numbers import by_formula, format_value, show
from app.ui.sentences import sentence
from app.ui.session import client
from app.ui.states import empty, error, worker_is_down

register_page(__name__, path="/", name="Overview", title="PEFT Atlas")

MOST_QUEUE_ROWS = 6
MOST_STUDIES = 20
REFRESH_MILLISECONDS = 2_000


def layout() -> Any:
    """The frame of the page; its parts come with the first tick."""
    return html.Div(
        [
            dcc.Interval(id="overview-tick", interval=REFRESH_MILLISECONDS),
            dcc.Location(id="overview-go", refresh="callback-nav"),
            html.Div(id="overview-head"),
            _actions(),
            html.Div(id="overview-problem", className="problem"),
            html.Div(
                [
                    panel("Studies", html.Div(id="overview-studies", **{"data-region": "evidence"})),
                    html.Div(
                        [
                            panel("Queue", html.Div(id="overview-queue"), html.A("all runs", href="/runs")),
                            panel("Workers and devices", html.Div(id="overview-workers")),
                        ],
                        className="overview-side",
                    ),
                ],
                className="overview-grid",
            ),
        ]
    )


def _actions() -> html.Div:
    run_it = html.Button("Try the quickstart", id="launch-quickstart", className="button button-plain", type="button")
    cards = (
        (
            "Compare methods on your task",
            "Pick data, methods and a budget.",
            _link("New study", "/studies/new", "button"),
        ),
        ("See it work in minutes", "A small encoder, real tweets, seven rows, on this machine.", run_it),
        (
            "Which method for my case?",
            "Five scenarios, answered from what was measured.",
            _link("Recommend", "/recommend"),
        ),
    )
    return html.Div(
        [
            html.Section([html.H3(title), html.P(text, className="quiet"), action], className="panel")
            for title, text, action in cards
        ],
        className="overview-actions",
    )


def _link(words: str, href: str, className: str = "button button-plain") -> dcc.Link:  # noqa: N803 (Dash's own name)
    return dcc.Link(words, href=href, className=className)


@callback(
    Output("overview-head", "children"),
    Output("overview-problem", "children"),
    Output("overview-studies", "children"),
    Output("overview-queue", "children"),
    Output("overview-workers", "children"),
    Input("overview-tick", "n_intervals"),
)
async def refresh(_ticks: int | None) -> Any:
    """Everything on the page, read again."""
    api = client()
    try:
        studies = (await api.studies(limit=MOST_STUDIES)).items
        runs = (await api.runs(status="running,queued", limit=50)).items
        workers = await api.devices()
    except ApiProblem as problem:
        return no_update, error("The overview could not be read", problem.detail), no_update, no_update, no_update
    return (
        page_head("Overview", _waiting(studies)),
        worker_is_down(workers, len(runs)),
        _study_table(studies),
        _queue(runs),
        _workers(workers),
    )


def _waiting(studies: list[StudyView]) -> list[Any]:
    """What waits for the reader, in one sentence."""
    if not studies:
        return ["Nothing has been measured yet. The quickstart takes minutes."]
    running = sum(study.status in ("running", "queued") for study in studies)
    failing = sum(study.failures > 0 for study in studies)
    ready = sum(study.status == "succeeded" for study in studies)
    parts = [(running, "under way"), (ready, "finished"), (failing, "with failures")]
    words: list[Any] = []
    for count, what in parts:
        if count:
            words += [", " if words else "", _counted(count, what)]
    return [*words, "."]


def _counted(count: int, what: str) -> html.Span:
    number = show(by_formula(count, "count", f"studies(state {what})", exact=True))
    return html.Span([number, f" {'study' if count == 1 else 'studies'} {what}"])


def _study_table(studies: list[StudyView]) -> Any:
    if not studies:
        why = "A study compares methods on one task with one budget. Launch one, or try the quickstart."
        return empty("No study yet", why, [("New study", "/studies/new")])
    head = html.Tr([html.Th(title) for title in ("Study", "What it shows so far", "Runs", "State")])
    return html.Div(
        html.Table([html.Thead(head), html.Tbody([_study_row(study) for study in studies])], className="plain stacks"),
        className="table-scroll",
    )


def _study_row(study: StudyView) -> html.Tr:
    name = dcc.Link(study.name, href=f"/studies/{study.id}", className="study-link")
    seeds = study.document.seeds
    count = len(seeds) if isinstance(seeds, list) else seeds
    about = f"{short_name(study.document.base_model)} · {count} {'seed' if count == 1 else 'seeds'}"
    return html.Tr(
        [
            html.Td(
                [html.Div(name, **{"data-id": str(study.id)}), html.Div(about, className="quiet", **{"data-label": ""})]
            ),
            html.Td(sentence(study.finding)),
            html.Td(run_boxes(study)),
            html.Td(status_tag(study.status)),
        ]
    )


def _queue(runs: list[RunView]) -> Any:
    if not runs:
        return html.P("Nothing is running or waiting.", className="quiet")
    ordered = sorted(runs, key=lambda run: run.status != "running")
    rows = [_queue_row(run) for run in ordered[:MOST_QUEUE_ROWS]]
    more = len(runs) - MOST_QUEUE_ROWS
    return [*rows, html.P(f"and {more} more", className="quiet")] if more > 0 else rows


def _queue_row(run: RunView) -> html.Div:
    left = "" if run.eta_seconds is None else f"≈ {format_value(run.eta_seconds, 'seconds')}"
    state = run.phase or run.status
    head = [
        dcc.Link(f"{run.label}, {run.purpose}", href=f"/runs/{run.id}"),
        html.Span(left or state, className="quiet"),
    ]
    return html.Div([html.Div(head, className="row"), progress_bar(run)], className="queue-item")


def _workers(workers: list[WorkerView]) -> Any:
    alive = [worker for worker in workers if worker.alive]
    if not alive:
        return html.P(["No worker is running. Start one with ", html.Code("peft-atlas worker"), "."], className="quiet")
    return [_worker(worker) for worker in alive]


def _worker(worker: WorkerView) -> html.Div:
    info = worker.device_info
    memory = info.get("memory_bytes")
    shown = {
        "Device": f"{worker.device}: {info.get('name', '')}",
        "Cores": str(info.get("cpu_count", "–")),
        "Memory": format_value(float(memory), "bytes") if isinstance(memory, int | float) else "–",
        "Heartbeat": f"{worker.seconds_since_heartbeat:.0f} s ago",
    }
    return html.Div([html.H3(worker.name), facts(shown)])


@callback(
    Output("overview-go", "href"),
    Output("overview-problem", "children", allow_duplicate=True),
    Input("launch-quickstart", "n_clicks"),
    prevent_initial_call=True,
)
async def launch_quickstart(clicks: int | None) -> Any:
    """Queue the quickstart and go to it."""
    if not clicks:
        return no_update, no_update
    try:
        study = await client().create_quickstart()
    except ApiProblem as problem:
        return no_update, error("The quickstart could not be launched", problem.detail)
    return f"/studies/{study.id}", None
