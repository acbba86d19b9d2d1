"""Small pieces that several pages share."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dash import html

from app.language import filled, mark, tr
from app.schemas import RunView, StudyView
from app.ui.numbers import by_formula, format_value, show

STATUSES = {
    "queued": mark("queued"),
    "running": mark("running"),
    "succeeded": mark("succeeded"),
    "failed": mark("failed"),
    "cancelled": mark("cancelled"),
}
PURPOSES = {"tune": mark("tune"), "report": mark("report"), "probe": mark("probe")}
PHASES = {
    "loading": mark("loading"),
    "downloading": mark("downloading"),
    "training": mark("training"),
    "evaluating": mark("evaluating"),
    "measuring": mark("measuring"),
}
STATUS_ICONS = {"queued": "wait", "running": "play", "succeeded": "check", "failed": "cross", "cancelled": "stop"}
MOST_BOXES = 60


def page_head(title: str, answer: Any, actions: list[Any] | None = None, above: Any = None) -> html.Header:
    """A page opens with its answer in words."""
    words = [
        *([above] if above else []),
        html.H1(title),
        html.P(answer, className="page-answer", **{"data-region": "evidence"}),
    ]
    return html.Header([html.Div(words), html.Div(actions or [], className="row-of")], className="page-head")


def panel(title: str, body: Any, action: Any = None, className: str = "") -> html.Section:  # noqa: N803 (Dash's own name)
    """A titled box."""
    head = html.Div(
        [html.H2(title, className="panel-title"), *([action] if action is not None else [])], className="panel-head"
    )
    return html.Section([head, html.Div(body)], className=f"panel {className}".strip())


def status_tag(status: str) -> html.Span:
    """A status as icon and word, never colour alone."""
    icon = html.Span(className=f"icon icon-{STATUS_ICONS[status]}", **{"aria-hidden": "true"})
    return html.Span([icon, status_words(status)], className=f"status status-{status}")


def status_words(status: str) -> str:
    """A status of a run or study as it is spoken of."""
    return tr(STATUSES[status])


def purpose_words(purpose: str) -> str:
    """What a run is for, as it is spoken of."""
    return tr(PURPOSES[purpose])


def phase_words(phase: str) -> str:
    """What a run is doing, as it is spoken of; a phase of another version as it calls itself."""
    return tr(PHASES[phase]) if phase in PHASES else phase


def run_boxes(study: StudyView) -> html.Div:
    """One small box per run (each stands for several in a large study), with the counts in words."""
    states = ("succeeded", "failed", "cancelled", "running", "queued")
    counts = {state: getattr(study.counts, state) for state in states}
    total, ended = sum(counts.values()), sum(counts[state] for state in states[:3])
    share = max(1, -(-total // MOST_BOXES))
    boxes = [
        html.Span(className=f"run-box run-box-{state}") for state in states for _ in range(-(-counts[state] // share))
    ]
    words = filled(
        "{ended} of {total} runs", ended=_count(study, ended, "runs_ended"), total=_count(study, total, "runs")
    )
    return html.Div(
        [html.Div(boxes, className="run-boxes", **{"aria-hidden": "true"}), html.Div(words, className="quiet")]
    )


def _count(study: StudyView, value: int, formula: str) -> html.Span:
    return show(by_formula(value, "count", f"{formula}(study {study.id})", exact=True))


def progress_words(run: RunView) -> str:
    """The same in words: steps of training, bytes of a download."""
    if not run.total_steps:
        return "–"
    if run.phase == "downloading":
        done, total = format_value(run.step, "bytes"), format_value(run.total_steps, "bytes")
        return tr("{done} of {total}", done=done, total=total)
    return tr("{done} of {total}", done=run.step, total=run.total_steps)


def short_name(name: str) -> str:
    """A base model or dataset as pages call it: the last part of a path or of a hub's id, its commit cut short."""
    last, _, commit = name.rpartition("/")[2].partition("@")
    return f"{last}@{commit[:7]}" if commit else last


def progress_bar(run: RunView) -> html.Div:
    """How far a run is through its optimizer steps, or through a download; one that waits starts anew."""
    share = min(1.0, run.step / run.total_steps) if run.total_steps and run.status != "queued" else 0.0
    return html.Div(
        html.Div(style={"width": f"{100 * share:.0f}%"}),
        className="bar",
        role="progressbar",
        **{
            "aria-valuenow": f"{100 * share:.0f}",
            "aria-valuemin": "0",
            "aria-valuemax": "100",
            "aria-label": tr("Progress of {label}", label=run.label),
        },
    )


def facts(values: Mapping[str, Any]) -> html.Dl:
    """Names and values in a row."""
    return html.Dl([html.Div([html.Dt(name), html.Dd(value)]) for name, value in values.items()], className="facts")


def moment(when: datetime, *, relative: bool = False) -> html.Time:
    """A moment in the viewer's own zone and language, as static/times.js writes it; `relative`: as "5 minutes ago"."""
    marks = {"data-relative": ""} if relative else {}
    return html.Time(f"{when:%Y-%m-%d %H:%M} UTC", dateTime=when.isoformat(), **marks)
