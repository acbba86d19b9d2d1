"""The head of a run's page: what it is, how it stands, why it ended so, how far it is, and what can be asked of it."""

from typing import Any

from dash import dcc, html

from app.language import filled, mark, tr, trn
from app.schemas import MethodEntry, RunDetail, StudyDocument, WorkerView
from app.ui.elements import page_head, progress_bar, progress_words, status_tag
from app.ui.launch.link import study_address
from app.ui.numbers import by_formula, format_value, show
from app.ui.states import worker_is_down

PURPOSES = {
    "tune": mark("tuning: validation only"),
    "report": mark("reporting: test split"),
    "probe": mark("cost probe, alone"),
}
PHASES = {
    "downloading": mark("downloading"),
    "loading": mark("loading"),
    "training": mark("training"),
    "evaluating": mark("evaluating"),
    "measuring": mark("measuring"),
}
STOPPABLE = ("queued", "running")


def head(run: RunDetail, document: StudyDocument | None) -> list[Any]:
    """Title, status, reason and what can be done. document: of its study, for a new one like it."""
    above = html.Nav(
        [
            dcc.Link(tr("Studies"), href="/studies"),
            " / ",
            dcc.Link(run.study_name, href=f"/studies/{run.study_id}"),
            " / ",
            html.Span(tr("Run {run}", run=run.id)),
        ],
        className="breadcrumb",
        **{"aria-label": tr("Breadcrumb")},
    )
    name = tr("{label}, seed {seed}", label=run.label, seed=run.seed)
    tags = [status_tag(run.status), html.Span(tr(PURPOSES[run.purpose]), className="tag tag-plain")]
    if run.stalled:
        tags.append(html.Span(tr("stalled: alive and silent for ten minutes"), className="tag tag-warn"))
    if run.source == "imported":
        tags.append(html.Span(tr("imported"), className="tag tag-warn"))
    mark_of_family = html.Span(className=f"family family-{run.family}", **{"aria-hidden": "true"})
    answer = html.Span([mark_of_family, *tags], className="row-of", **{"data-id": str(run.id)})
    return [page_head(name, answer, _actions(run, document), above), *_reason(run)]


def _reason(run: RunDetail) -> list[Any]:
    if not run.reason:
        return []
    tone = "note-bad" if run.status == "failed" else "note-warn"
    return [html.Div([html.B(tr("Why:")), " ", run.reason], className=f"note {tone}")]


def _actions(run: RunDetail, document: StudyDocument | None) -> list[Any]:
    """One button that does something now, and a link to New study, filled in like this run."""
    found: list[Any] = []
    if run.status in STOPPABLE:
        words = tr("Stopping") if run.cancel_requested else tr("Cancel run")
        found.append(html.Button(words, id="run-act", className="button button-plain", disabled=run.cancel_requested))
    elif run.status in ("failed", "cancelled") and run.source == "measured":
        found.append(html.Button(tr("Retry"), id="run-act", className="button"))
    if document is not None and run.source == "measured" and run.spec is not None:
        words = tr("Retry with other settings") if run.status == "failed" else tr("New study like this")
        found.append(dcc.Link(words, href=study_address(like(run, document)), className="button button-plain"))
    return found


def like(run: RunDetail, document: StudyDocument) -> StudyDocument:
    """The study's document with this run's method alone, at this run's learning rate."""
    spec = run.spec or {}
    rates = [run.learning_rate] if run.learning_rate is not None else None
    entry = MethodEntry(method=run.method, hyperparameters=spec.get("hyperparameters", {}), learning_rates=rates)
    name = tr("{study}: {label} again", study=document.name, label=run.label)[:200]
    return document.model_copy(update={"name": name, "methods": [entry], "references": []})


# -- how far it is ----------------------------------------------------------------------------------------------------


def progress(run: RunDetail, workers: list[WorkerView]) -> html.Section:
    """Steps and time left while it lasts; where it waits, for what. workers: who could take it then."""
    if run.status == "queued":
        down = worker_is_down(workers, 1)
        return html.Section([*_waiting(run), *([down] if down else [])], className="panel run-progress")
    steps = html.Div([html.Span(progress_words(run), className="big"), " ", html.Span(_what(run), className="quiet")])
    line = html.Div([steps, html.Div(_left(run)), html.Div(_who(run), className="quiet")], className="run-far")
    return html.Section([line, progress_bar(run)], className="panel run-progress", **{"aria-label": tr("Progress")})


def _what(run: RunDetail) -> str:
    if run.phase == "downloading":
        return tr("downloaded")
    return tr("steps")


def _left(run: RunDetail) -> list[Any]:
    if run.status != "running":
        return []
    phase = tr(PHASES[run.phase]) if run.phase in PHASES else (run.phase or "")
    if run.eta_seconds is None:
        return [html.B(phase)]
    left = tr("{time} left", time=format_value(run.eta_seconds, "seconds"))
    return [html.B(left), html.Span(f" · {phase}", className="quiet")]


def _who(run: RunDetail) -> str:
    parts = [tr("attempt {attempt}", attempt=run.attempt)]
    if run.learning_rate is not None:
        parts.append(tr("learning rate {rate}", rate=format_value(run.learning_rate, "learning_rate")))
    if run.rung_steps is not None:
        parts.append(trn("first rung, {count} step", "first rung, {count} steps", run.rung_steps))
    if run.worker:
        parts.append(tr("worker {worker}", worker=run.worker))
    return " · ".join(parts)


def _waiting(run: RunDetail) -> list[Any]:
    """For what it waits, and how many runs are before it."""
    if run.learning_rate is None and run.purpose != "tune" and run.method != "untuned":
        why = tr("Waiting for its learning rate, which its tuning runs choose.")
    else:
        why = tr("Waiting for a worker.")
    return [html.P([html.B(why), " ", *_place(run)], **{"data-region": "evidence"})]


def _place(run: RunDetail) -> list[Any]:
    if run.runs_before is None:
        return []
    if run.runs_before == 0:
        return [tr("It is the next in the queue.")]
    before = show(by_formula(run.runs_before, "count", f"runs_before(run {run.id})", exact=True))
    queue = dcc.Link(tr("queue"), href="/runs")
    return filled("Runs before it in the {queue}: {count}.", queue=queue, count=before)
