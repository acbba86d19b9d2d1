"""What a panel shows when it cannot show its answer: loading, empty, failed, partial. Each says what to do next."""

from collections.abc import Sequence
from typing import Any

from dash import html

from app.language import filled, tr
from app.schemas import WorkerView


def loading(rows: int = 6, height: int = 26) -> html.Div:
    """A skeleton in the shape of the answer; no spinner."""
    bars = {"--bars": rows, "--bar": f"{height}px"}
    return html.Div(className="state-loading", style=bars, **{"aria-busy": "true"})


def empty(title: str, why: str, actions: Sequence[tuple[str, str]] = ()) -> html.Div:
    """Nothing to show yet: why, and the next actions as (words, address), the first one the main one."""
    links = [
        html.A(words, href=address, className="button" if place == 0 else "button button-plain")
        for place, (words, address) in enumerate(actions)
    ]
    parts = [html.Div(className="state-icon icon icon-studies", **{"aria-hidden": "true"}), html.H3(title), html.P(why)]
    return html.Div([*parts, html.Div(links, className="state-actions")], className="state state-empty")


def error(title: str, detail: str) -> html.Div:
    """What failed, in the API's own sentence, and a way to try again."""
    again = html.A(tr("Try again"), href="", className="button")
    icon = html.Div(className="state-icon icon icon-warn", **{"aria-hidden": "true"})
    parts = [icon, html.H3(title), html.P(detail), html.Div(again, className="state-actions")]
    return html.Div(parts, className="state state-error", role="alert")


def partial(title: str, text: Any) -> html.Div:
    """A note above a figure that is real and not complete."""
    return html.Div([html.B(title), html.Span(text)], className="note note-warn", role="status")


def worker_is_down(workers: list[WorkerView], waiting: int) -> html.Div | None:
    """Runs wait and no worker takes one: what to do. None where all is well."""
    alive = [worker for worker in workers if worker.alive]
    if not waiting or any(not worker.paused for worker in alive):
        return None
    if alive:
        return partial(tr("Every worker is paused. "), tr("The queue waits until one is resumed. Results are safe."))
    said = filled(
        "The queue waits until one is: start it with {command}. Results are safe.",
        command=html.Code("peft-atlas worker"),
    )
    return partial(tr("No worker is running. "), said)


def same_when_alive(workers: list[WorkerView]) -> list[WorkerView]:
    """The workers that live, without the age of their heartbeat: it is no news, and pages follow news."""
    return [
        worker.model_copy(update={"heartbeat_at": worker.started_at, "seconds_since_heartbeat": 0.0})
        for worker in workers
        if worker.alive
    ]
