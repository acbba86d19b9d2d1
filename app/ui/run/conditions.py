"""Under which conditions a run was made: its attempts, its environment and its specification."""

import json
from typing import Any

from dash import dcc, html

from app.language import mark, tr
from app.schemas import AttemptView, RunDetail
from app.ui.elements import facts, moment, panel
from app.ui.numbers import format_value
from app.ui.run.copying import copy_button

OUTCOMES = {
    "succeeded": mark("succeeded"),
    "failed": mark("failed"),
    "cancelled": mark("cancelled"),
    "lost": mark("lost: its worker fell silent"),
    "returned": mark("returned: its worker was stopped in order"),
    "parted": mark("parted from the runs it trained with, to be tried alone"),
}


def conditions(run: RunDetail) -> Any:
    """The panels that there is something for."""
    return html.Div([*_attempts(run), *_environment(run), *_specification(run)], className="run-column")


def _attempts(run: RunDetail) -> list[Any]:
    if not run.attempts:
        return []
    titles = [tr("Attempt"), tr("Worker"), tr("From"), tr("Until"), tr("Went on from"), tr("How it ended")]
    head = html.Thead(html.Tr([html.Th(title, scope="col") for title in titles]))
    body = html.Tbody([_attempt(row, titles) for row in run.attempts])
    table = html.Div(
        html.Table([head, body], className="plain stacks run-attempts"), className="table-scroll", tabIndex="0"
    )
    links = []
    if run.retry_of is not None:
        links = [html.P(dcc.Link(tr("In place of run {run}", run=run.retry_of), href=f"/runs/{run.retry_of}"))]
    return [panel(tr("Attempts"), [table, *links])]


def _attempt(row: AttemptView, titles: list[str]) -> html.Tr:
    """Stacked on a phone, each cell brings its title."""
    resumed = tr("step {step}", step=row.resumed_from_step) if row.resumed_from_step else tr("the start")
    outcome = tr(OUTCOMES[row.outcome]) if row.outcome in OUTCOMES else tr("still at it")
    ended: list[Any] = [outcome, *([html.Div(row.reason, className="quiet")] if row.reason else [])]
    until = moment(row.ended_at) if row.ended_at else "–"
    cells = (str(row.attempt), row.worker, moment(row.started_at), until, resumed, ended)
    return html.Tr([html.Td(cell, **{"data-title": title}) for cell, title in zip(cells, titles, strict=True)])


def _environment(run: RunDetail) -> list[Any]:
    if not run.environment:
        return []
    known = {
        name.removesuffix("_bytes").replace("_", " "): _told(name, value)
        for name, value in run.environment.items()
        if value is not None
    }
    return [panel(tr("Environment"), facts(known))]


def _told(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return tr("yes") if value else tr("no")
    if name.endswith("_bytes") and isinstance(value, int):
        return format_value(value, "bytes")
    return str(value)


def _specification(run: RunDetail) -> list[Any]:
    if not run.spec:
        return []
    text = html.Pre(json.dumps(run.spec, indent=2), className="spec mono", tabIndex="0", id="run-spec-text")
    copy = copy_button("run-spec-text")
    return [panel(tr("Specification"), html.Details([html.Summary(tr("As the worker was given it")), text]), copy)]
