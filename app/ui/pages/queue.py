"""Queue: every run, filtered; cancel and retry; and who works through it, with pause and resume."""

from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Input, Output, callback, ctx, dcc, html, no_update, register_page

from app.client import ApiProblem
from app.schemas import Page, RunView, WorkerView
from app.ui.elements import page_head, panel, progress_bar, progress_words, status_tag
from app.ui.numbers import format_value
from app.ui.session import client
from app.ui.states import empty, error, worker_is_down

register_page(__name__, path="/runs", name="Queue", title="Queue · PEFT Atlas")

REFRESH_MILLISECONDS = 2_000
ROWS = 100
STATUSES = {
    "queued,running": "Waiting and running",
    "succeeded": "Succeeded",
    "failed": "Failed",
    "cancelled": "Cancelled",
    "": "All",
}
PURPOSES = {"": "All runs", "tune": "Tuning", "report": "Reporting", "probe": "Cost probes"}


async def layout(status: str = "queued,running", study_id: str = "", **_query: str) -> Any:
    """The filters; the rows come with the first tick."""
    try:
        studies = (await client().studies(limit=200)).items
    except ApiProblem as problem:
        return error("The queue could not be read", problem.detail)
    filters = html.Div(
        [
            dmc.Select(
                id="queue-status",
                value=status if status in STATUSES else "",
                data=[{"value": value, "label": label} for value, label in STATUSES.items()],
                allowDeselect=False,
                attributes={"input": {"aria-label": "Status"}},
            ),
            dmc.Select(
                id="queue-purpose",
                value="",
                data=[{"value": value, "label": label} for value, label in PURPOSES.items()],
                allowDeselect=False,
                attributes={"input": {"aria-label": "Purpose"}},
            ),
            dmc.Select(
                id="queue-study",
                value=study_id,
                data=[
                    {"value": "", "label": "All studies"},
                    *({"value": str(study.id), "label": study.name} for study in studies),
                ],
                allowDeselect=False,
                attributes={"input": {"aria-label": "Study"}},
            ),
        ],
        className="row-of",
    )
    return html.Div(
        [
            dcc.Interval(id="queue-tick", interval=REFRESH_MILLISECONDS),
            page_head("Queue", html.Span(id="queue-answer")),
            html.Div(id="queue-note", className="problem"),
            panel("Runs", html.Div(id="queue-rows"), filters),
            panel("Workers", html.Div(id="queue-workers")),
        ]
    )


@callback(
    Output("queue-answer", "children"),
    Output("queue-note", "children"),
    Output("queue-rows", "children"),
    Output("queue-workers", "children"),
    Input("queue-tick", "n_intervals"),
    Input("queue-status", "value"),
    Input("queue-purpose", "value"),
    Input("queue-study", "value"),
    Input({"type": "cancel-run", "run": ALL}, "n_clicks"),
    Input({"type": "retry-run", "run": ALL}, "n_clicks"),
    Input({"type": "pause-worker", "worker": ALL}, "n_clicks"),
    Input({"type": "resume-worker", "worker": ALL}, "n_clicks"),
)
async def refresh(_ticks: int | None, status: str, purpose: str, study: str, *clicks: list[int | None]) -> Any:
    """The rows as they are now, after what a button asked for."""
    api = client()
    refused = None
    try:
        if isinstance(ctx.triggered_id, dict) and any(map(any, clicks)):
            refused = await _ask(ctx.triggered_id)
        chosen = {"status": status or None, "purpose": purpose or None, "study_id": study or None}
        order = "oldest" if status.startswith("queued") else "newest"
        page = await api.runs(**chosen, order=order, limit=ROWS)
        workers = await api.devices()
    except ApiProblem as problem:
        return no_update, error("The queue could not be read", problem.detail), no_update, no_update
    waiting = sum(run.status == "queued" for run in page.items)
    return _answer(page), refused or worker_is_down(workers, waiting), _rows(page, status), _workers(workers)


async def _ask(button: dict[str, Any]) -> Any:
    """Do what a button says; the refusal, if any, is told above the rows."""
    api = client()
    try:
        match button:
            case {"type": "cancel-run", "run": run}:
                await api.cancel_run(run)
            case {"type": "retry-run", "run": run}:
                await api.retry_run(run)
            case {"type": "pause-worker", "worker": worker}:
                await api.pause_worker(worker)
            case {"type": "resume-worker", "worker": worker}:
                await api.resume_worker(worker)
    except ApiProblem as problem:
        return html.Div(problem.detail, className="note note-bad", role="alert")
    return None


def _answer(page: Page[RunView]) -> str:
    running = sum(run.status == "running" for run in page.items)
    if running:
        left = [run.eta_seconds for run in page.items if run.eta_seconds is not None]
        soon = f"; the next one ends in about {format_value(min(left), 'seconds')}" if left else ""
        return f"Training now{soon}."
    return "Nothing is running."


def _rows(page: Page[RunView], status: str) -> Any:
    if not page.items:
        why = (
            "Runs appear here when a study is launched." if status.startswith("queued") else "No run is in this state."
        )
        return empty("No run to show", why, [("New study", "/studies/new")])
    titles = ("Run", "Study", "State", "Progress", "Worker", "")
    head = html.Thead(html.Tr([html.Th(title) for title in titles]))
    ordered = sorted(page.items, key=lambda run: run.status != "running")
    table = html.Table([head, html.Tbody([_row(run) for run in ordered])], className="plain stacks")
    more = html.P(f"The first {ROWS} are shown; filter to see others.", className="quiet") if page.next_cursor else None
    return [html.Div(table, className="table-scroll"), more]


def _row(run: RunView) -> html.Tr:
    mark = html.Span(className=f"family family-{run.family}", **{"aria-hidden": "true"})
    rate = f" · {format_value(run.learning_rate, 'learning_rate')}" if run.learning_rate else ""
    name = [
        dcc.Link([mark, run.label], href=f"/runs/{run.id}", className="study-link"),
        html.Div(f"{run.purpose} · seed {run.seed}{rate}", className="quiet"),
    ]
    study = dcc.Link(run.study_name, href=f"/studies/{run.study_id}")
    state: list[Any] = [status_tag(run.status)]
    if run.stalled:
        state.append(html.Span("stalled", className="tag tag-warn"))
    if run.reason:
        state.append(html.Div(run.reason[:160], className="quiet"))
    cells = [name, study, state, _progress(run), run.worker or "–", _button(run)]
    return html.Tr([html.Td(cell) for cell in cells])


def _progress(run: RunView) -> Any:
    if run.status != "running":
        return "–"
    left = f" · {format_value(run.eta_seconds, 'seconds')} left" if run.eta_seconds is not None else ""
    steps = f"{run.phase} {progress_words(run)}" if run.total_steps else run.phase
    return html.Div([progress_bar(run), html.Div(f"{steps}{left}", className="quiet")])


def _button(run: RunView) -> Any:
    if run.status in ("queued", "running"):
        words = "Stopping" if run.cancel_requested else "Cancel"
        return html.Button(
            words,
            id={"type": "cancel-run", "run": run.id},
            className="button button-plain",
            disabled=run.cancel_requested,
        )
    if run.status in ("failed", "cancelled"):
        return html.Button("Retry", id={"type": "retry-run", "run": run.id}, className="button button-plain")
    return ""


def _workers(workers: list[WorkerView]) -> Any:
    alive = [worker for worker in workers if worker.alive]
    if not alive:
        return html.P(["No worker is running. Start one with ", html.Code("peft-atlas worker"), "."], className="quiet")
    head = html.Thead(html.Tr([html.Th(title) for title in ("Worker", "Device", "State", "")]))
    table = html.Table([head, html.Tbody([_worker(worker) for worker in alive])], className="plain stacks")
    return html.Div(table, className="table-scroll")


def _worker(worker: WorkerView) -> html.Tr:
    device = [worker.device, html.Div(str(worker.device_info.get("name", "")), className="quiet")]
    running = dcc.Link("Training", href=f"/runs/{worker.run_id}") if worker.run_id is not None else "Waiting for runs"
    state: list[Any] = [running]
    if worker.paused:
        finishes = "finishes what it runs, then rests" if worker.run_id is not None else "takes no run"
        state = [html.Span("paused", className="tag tag-warn"), html.Div(finishes, className="quiet")]
    action, words = ("resume-worker", "Resume") if worker.paused else ("pause-worker", "Pause")
    button = html.Button(
        words,
        id={"type": action, "worker": worker.id},
        className="button button-plain",
        **{"aria-label": f"{words} worker {worker.name}"},
    )
    return html.Tr([html.Td(cell) for cell in (worker.name, device, state, button)])
