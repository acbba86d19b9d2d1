"""The queue's runs: what each is, how far it is, who works on it, and what can be done about it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dash import dcc, html

from app.formats import THIN
from app.language import mark, tr
from app.schemas import Page, RunView
from app.ui.elements import moment, phase_words, progress_bar, progress_words, purpose_words, status_tag
from app.ui.numbers import format_value
from app.ui.queue.question import WAITING, Question
from app.ui.states import empty

COLUMNS = (mark("Run"), mark("Study"), mark("State"), mark("Progress"), mark("Worker"))
LONGEST_REASON = 160


def run_rows(page: Page[RunView], question: Question, devices: Mapping[str, str]) -> Any:
    """The table, what trains first, with the ways through a long list. devices: worker's name -> its device."""
    if not page.items:
        return _nothing(question)
    heads = [*(html.Th(tr(title)) for title in COLUMNS), html.Th(html.Span(tr("Actions"), className="for-ears"))]
    ordered = sorted(page.items, key=lambda run: run.status != "running")
    body = html.Tbody([_row(run, devices) for run in ordered])
    table = html.Table([html.Thead(html.Tr(heads)), body], className="plain stacks queue-table")
    return [html.Div(table, className="table-scroll"), _ways(page, question)]


def _nothing(question: Question) -> html.Div:
    every = (tr("All runs"), "/runs?status=all")
    if question != Question(status=question.status):
        return empty(tr("No run to show"), tr("No run is as the filters say."), [every])
    if question.status == WAITING:
        launched = tr("Runs appear here when a study is launched.")
        return empty(tr("No run to show"), launched, [(tr("New study"), "/studies/new"), every])
    return empty(tr("No run to show"), tr("No run is in this state."), [every])


def _ways(page: Page[RunView], question: Question) -> html.Nav | None:
    """Through the list: its next page, and back to the first."""
    links = []
    if question.cursor:
        links.append(_way(tr("First runs"), replace(question, cursor="")))
    if page.next_cursor:
        links.append(_way(tr("Further runs"), replace(question, cursor=page.next_cursor)))
    return html.Nav(links, className="queue-ways", **{"aria-label": tr("Pages of the list")}) if links else None


def _way(words: str, question: Question) -> dcc.Link:
    return dcc.Link(words, href=f"/runs?{question.text()}", className="button button-plain")


def _row(run: RunView, devices: Mapping[str, str]) -> html.Tr:
    family = html.Span(className=f"family family-{run.family}", **{"aria-hidden": "true"})
    rate = f" · {format_value(run.learning_rate, 'learning_rate')}" if run.learning_rate else ""
    about = tr("{purpose} · seed {seed}", purpose=purpose_words(run.purpose), seed=run.seed)
    name = [
        dcc.Link([family, run.label], href=f"/runs/{run.id}", className="study-link"),
        html.Div(f"{about}{rate}", className="quiet"),
    ]
    study = dcc.Link(run.study_name, href=f"/studies/{run.study_id}")
    cells = [name, study, _state(run), _progress(run), _worker(run, devices), _button(run)]
    return html.Tr([html.Td(cell) for cell in cells])


def _state(run: RunView) -> list[Any]:
    state: list[Any] = [status_tag(run.status)]
    if run.stalled:
        why = tr("No sign of progress for ten minutes")
        state.append(html.Span(tr("stalled"), className="tag tag-warn", title=why))
    if run.reason:
        state.append(html.Div(run.reason[:LONGEST_REASON], className="quiet"))
    return [html.Div(state, className="states")]


def _progress(run: RunView) -> Any:
    if run.status != "running":
        return html.Span(moment(run.ended_at), className="quiet") if run.ended_at else ""
    phase = phase_words(run.phase) if run.phase else ""
    words = f"{phase} {progress_words(run)}" if run.total_steps else phase
    if run.eta_seconds is not None:
        left = f"≈{THIN}{format_value(run.eta_seconds, 'seconds')}"
        words = tr("{progress} · {time} left", progress=words, time=left)
    return html.Div([progress_bar(run), html.Div(words, className="quiet")], className="queue-progress")


def _worker(run: RunView, devices: Mapping[str, str]) -> Any:
    if run.worker is None:
        return ""
    device = devices.get(run.worker)
    return [run.worker, html.Div(device, className="quiet")] if device else run.worker


def _button(run: RunView) -> Any:
    if run.status == "queued":
        return _asking(run, "cancel-run", tr("Cancel"), tr("Cancel {label}", label=run.label))
    if run.status == "running" and run.cancel_requested:
        return html.Button(tr("Stopping"), className="button button-plain", type="button", disabled=True)
    if run.status == "running":
        return _asking(run, "stop-run", tr("Stop"), tr("Stop {label}", label=run.label))
    if run.status in ("failed", "cancelled") and run.source == "measured":
        return _asking(run, "retry-run", tr("Retry"), tr("Retry {label}", label=run.label))
    return ""


def _asking(run: RunView, action: str, words: str, spoken: str) -> html.Button:
    return html.Button(
        words,
        id={"type": "queue-do", "action": action, "on": run.id},
        className="button button-plain",
        type="button",
        **{"aria-label": spoken},
    )
