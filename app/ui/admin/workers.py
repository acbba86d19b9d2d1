"""The panel of workers: who works on which device, and pausing one."""

from typing import Any

from dash import ALL, Input, Output, ctx, dcc, html, no_update

from app.client import ApiProblem
from app.language import filled, tr
from app.schemas import Number, WorkerView
from app.ui.elements import moment
from app.ui.numbers import format_number
from app.ui.policy import writing
from app.ui.session import client

COMMAND = "peft-atlas worker"


def workers_panel(workers: list[WorkerView]) -> html.Section:
    head = html.Div(html.H2(tr("Workers")), className="panel-head")
    return html.Section(
        [
            head,
            html.Div(id="admin-workers-note", className="problem", role="status"),
            html.Div(workers_table(workers), id="admin-workers"),
        ],
        className="panel",
        id="workers",
    )


def workers_table(workers: list[WorkerView]) -> Any:
    """Those alive first; those that have stopped since yesterday, without a button."""
    how = filled(
        "A worker claims runs and trains them on its device. Start one with {command}, here or on another machine that"
        " sees the same store and database.",
        command=html.Code(COMMAND),
    )
    start = html.P(how, className="quiet")
    if not workers:
        return [html.P(tr("No worker has been seen since yesterday. The queue waits until one runs.")), start]
    titles = (tr("Worker"), tr("Device"), tr("State"), tr("Last heard of"), "")
    head = html.Thead(html.Tr([html.Th(title, scope="col") for title in titles]))
    ordered = sorted(workers, key=lambda worker: not worker.alive)
    body = html.Tbody([_row(worker) for worker in ordered])
    return [html.Div(html.Table([head, body], className="plain stacks"), className="table-scroll"), start]


def _row(worker: WorkerView) -> html.Tr:
    cells = [html.B(worker.name), _device(worker), _state(worker), _heard(worker)]
    return html.Tr([html.Td(cell) for cell in [*cells, _button(worker)]])


def _heard(worker: WorkerView) -> Any:
    """The age of a living worker's heartbeat is no news."""
    return tr("just now") if worker.alive else moment(worker.heartbeat_at, relative=True)


def _device(worker: WorkerView) -> list[Any]:
    info = worker.device_info
    memory = info.get("memory_bytes")
    facts = [
        str(info.get("name", "")),
        *([_memory(float(memory))] if isinstance(memory, int | float) else []),
    ]
    return [worker.device, html.Div(" · ".join(fact for fact in facts if fact), className="quiet")]


def _memory(size: float) -> str:
    return format_number(Number(value=size, quantity="bytes", statistic="value", metric="peak_memory"))


def _state(worker: WorkerView) -> list[Any]:
    if not worker.alive:
        return [html.Span(tr("not running"), className="tag tag-plain")]
    work: Any = tr("Training") if worker.busy else tr("Waiting for runs")
    if worker.run_id is not None:
        work = dcc.Link(work, href=f"/runs/{worker.run_id}")
    if not worker.paused:
        return [html.Span(tr("alive"), className="tag"), " ", work]
    rests = tr("finishes what it runs, then rests") if worker.busy else tr("takes no run")
    return [html.Span(tr("paused"), className="tag tag-warn"), " ", rests]


def _button(worker: WorkerView) -> Any:
    if not worker.alive:
        return ""
    name = worker.name
    if worker.paused:
        action, words, spoken = "admin-resume", tr("Resume"), tr("Resume worker {name}", name=name)
    else:
        action, words, spoken = "admin-pause", tr("Pause"), tr("Pause worker {name}", name=name)
    return html.Button(
        words,
        id={"type": action, "worker": worker.id},
        className="button button-plain",
        type="button",
        **{"aria-label": spoken},
    )


def register() -> None:
    """Declared by the page, for Dash gives callbacks to the first application that it serves."""
    writing(
        Output("admin-workers", "children", allow_duplicate=True),
        Output("admin-workers-note", "children"),
        Input({"type": "admin-pause", "worker": ALL}, "n_clicks"),
        Input({"type": "admin-resume", "worker": ALL}, "n_clicks"),
        prevent_initial_call=True,
    )(change)


async def change(paused: list[int | None], resumed: list[int | None]) -> Any:
    """Pause or resume a worker; the refusal, if any, is told above the table."""
    asked = ctx.triggered_id
    if not isinstance(asked, dict) or not (any(paused) or any(resumed)):
        return no_update, no_update
    api = client()
    try:
        if asked["type"] == "admin-pause":
            await api.pause_worker(asked["worker"])
        else:
            await api.resume_worker(asked["worker"])
        return workers_table(await api.devices()), None
    except ApiProblem as problem:
        return no_update, html.Div(problem.detail, className="note note-bad", role="alert")
