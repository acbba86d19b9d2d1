"""The diagnosis of a run: what was found, what shows it, what to change; one quiet sentence where nothing is wrong."""

from typing import Any

from dash import html

from app.language import mark, tr
from app.schemas import DiagnosisView, Number, Part, RunDetail
from app.ui.elements import panel
from app.ui.numbers import show

TITLES = {
    "out_of_memory": mark("Out of memory"),
    "unstable_training": mark("Unstable training"),
    "slow_convergence": mark("Slow convergence"),
    "poor_performance": mark("Poor performance"),
}


def diagnosis_panel(run: RunDetail, found: DiagnosisView) -> html.Section:
    """The panel beside the curves."""
    if found.symptom is None:
        return panel(tr("Diagnosis"), html.P(_nothing_found(run, found), className="quiet"))
    icon = html.Span(className="icon icon-warn", **{"aria-hidden": "true"})
    body = [
        html.P([icon, tr(TITLES[found.symptom])], className="diagnosis-symptom"),
        html.Ul([html.Li(_fact(fact)) for fact in found.evidence], **{"data-region": "evidence"}),
        *_advice(tr("What to change"), found.fixes),
        *_advice(tr("Likely causes"), found.causes),
        *_advice(tr("Next time"), found.prevention),
    ]
    return panel(tr("Diagnosis"), html.Div(body, className="diagnosis"))


def _nothing_found(run: RunDetail, found: DiagnosisView) -> str:
    if run.status == "succeeded":
        if run.learning_rate is None:
            return tr("Nothing to diagnose: this run trains nothing.")
        if found.learned:
            return tr("Nothing wrong: training was stable, and it learned more than the untuned model knows.")
        return tr("Nothing wrong was found in its curves.")
    return tr(WITHOUT_SYMPTOM[run.status])


WITHOUT_SYMPTOM = {
    "queued": mark("Nothing to diagnose yet."),
    "running": mark("Nothing wrong so far."),
    "failed": mark("None of the four symptoms that curves and memory show. The reason above says why it failed."),
    "cancelled": mark("Stopped before it could be judged."),
}
"""What is said of a run that did not end well, or has not ended, and shows none of the four."""


def _fact(fact: list[Part]) -> list[Any]:
    """A sentence of evidence; every number is followed by where on the curve it was read."""
    pieces: list[Any] = []
    for part in fact:
        pieces += [part.text] if part.number is None else [show(part.number), *_where(part.number)]
    return pieces


def _where(number: Number) -> list[Any]:
    if not number.steps:
        return []
    first, last = number.steps[0], number.steps[-1]
    if first == last:
        words = tr("(step {step})", step=first)
    else:
        words = tr("(median of steps {first} to {last})", first=first, last=last)
    return [html.Span(f" {words}", className="quiet", **{"data-id": f"{first}-{last}"})]


def _advice(title: str, sentences: list[str]) -> list[Any]:
    return [html.H4(title), html.Ul([html.Li(sentence) for sentence in sentences])]
