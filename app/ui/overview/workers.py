"""Who works through the queue, and on what."""

from typing import Any

from dash import dcc, html

from app.language import filled, tr
from app.schemas import WorkerView
from app.ui.elements import facts, moment
from app.ui.numbers import format_value


def workers(found: list[WorkerView]) -> Any:
    """Each worker that lives; how to start one where none does."""
    if not found:
        command = html.Code("peft-atlas worker")
        words = filled("No worker is running. Start one with {command}.", command=command)
        return html.P(words, className="quiet")
    return [_worker(worker) for worker in found]


def _worker(worker: WorkerView) -> html.Div:
    info = worker.device_info
    memory = info.get("memory_bytes")
    named = " ".join(str(info.get("name", "")).split())
    shown = {
        tr("Device"): f"{worker.device} · {named}" if named else worker.device,
        tr("Cores"): str(info.get("cpu_count", "–")),
        tr("Memory"): format_value(float(memory), "bytes") if isinstance(memory, int | float) else "–",
        tr("Started"): moment(worker.started_at, relative=True),
    }
    head = html.Div([html.H3(worker.name), _state(worker)], className="row-of worker-name")
    return html.Div([head, facts(shown)])


def _state(worker: WorkerView) -> Any:
    if worker.run_id is not None:
        return dcc.Link(tr("training"), href=f"/runs/{worker.run_id}", className="tag")
    return (
        html.Span(tr("paused"), className="tag tag-warn") if worker.paused else html.Span(tr("idle"), className="tag")
    )
