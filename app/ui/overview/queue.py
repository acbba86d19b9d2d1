"""What trains and what waits, the next first."""

from typing import Any

from dash import dcc, html

from app.formats import THIN
from app.language import tr, trn
from app.schemas import RunView
from app.ui.elements import phase_words, progress_bar, purpose_words, status_words
from app.ui.numbers import format_value

MOST_ROWS = 6


def queue(runs: list[RunView]) -> Any:
    """The first few runs with their progress and the time they still take."""
    if not runs:
        return html.P(tr("Nothing is running or waiting."), className="quiet")
    ordered = sorted(runs, key=lambda run: run.status != "running")
    rows = [_row(run) for run in ordered[:MOST_ROWS]]
    more = len(runs) - MOST_ROWS
    return [*rows, html.P(trn("and {count} more", "and {count} more", more), className="quiet")] if more > 0 else rows


def _row(run: RunView) -> html.Div:
    left = None if run.eta_seconds is None else f"≈{THIN}{format_value(run.eta_seconds, 'seconds')}"
    state = phase_words(run.phase) if run.phase else status_words(run.status)
    name = tr("{label}, {purpose}", label=run.label, purpose=purpose_words(run.purpose))
    head = [dcc.Link(name, href=f"/runs/{run.id}"), html.Span(left or state, className="quiet")]
    return html.Div([html.Div(head, className="row"), progress_bar(run)], className="queue-item")
