"""Who works through the queue; each can be paused and resumed."""

from typing import Any

from dash import dcc, html

from app.language import filled, mark, tr
from app.schemas import WorkerView

COLUMNS = (mark("Worker"), mark("Device"), mark("State"))


def worker_rows(workers: list[WorkerView]) -> Any:
    """The workers that live; how to start one where none does."""
    if not workers:
        command = html.Code("peft-atlas worker")
        return html.P(filled("No worker is running. Start one with {command}.", command=command), className="quiet")
    heads = [*(html.Th(tr(title)) for title in COLUMNS), html.Th(html.Span(tr("Actions"), className="for-ears"))]
    body = html.Tbody([_worker(worker) for worker in workers])
    table = html.Table([html.Thead(html.Tr(heads)), body], className="plain stacks")
    return html.Div(table, className="table-scroll")


def _worker(worker: WorkerView) -> html.Tr:
    device = [worker.device, html.Div(str(worker.device_info.get("name", "")), className="quiet")]
    return html.Tr([html.Td(cell) for cell in (worker.name, device, _state(worker), _button(worker))])


def _state(worker: WorkerView) -> list[Any]:
    if worker.paused:
        finishes = tr("finishes what it runs, then rests") if worker.busy else tr("takes no run")
        return [html.Span(tr("paused"), className="tag tag-warn"), html.Div(finishes, className="quiet")]
    if worker.run_id is None:
        return [tr("Training") if worker.busy else tr("Waiting for runs")]
    return [dcc.Link(tr("Training"), href=f"/runs/{worker.run_id}")]


def _button(worker: WorkerView) -> html.Button:
    action, words, spoken = "pause-worker", tr("Pause"), tr("Pause worker {name}", name=worker.name)
    if worker.paused:
        action, words, spoken = "resume-worker", tr("Resume"), tr("Resume worker {name}", name=worker.name)
    return html.Button(
        words,
        id={"type": "queue-do", "action": action, "on": worker.id},
        className="button button-plain",
        type="button",
        **{"aria-label": spoken},
    )
