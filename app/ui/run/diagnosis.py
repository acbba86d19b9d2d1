"""The diagnosis of a run: what was found, what shows it, what to change; one quiet sentence where nothing is wrong."""

from typing import Any

from dash import html

from app.schemas import DiagnosisView, Number, Part, RunDetail
from app.ui.elements import panel
from app.ui.numbers import show

TITLES = {
    "out_of_memory": "Out of memory",
    "unstable_training": "Unstable training",
    "slow_convergence": "Slow convergence",
    "poor_performance": "Poor performance",
}


def diagnosis_panel(run: RunDetail, found: DiagnosisView) -> html.Section:
    """The panel beside the curves."""
    if found.symptom is None:
        return panel("Diagnosis", html.P(_nothing_found(run, found), className="quiet"))
    icon = html.Span(className="icon icon-warn", **{"aria-hidden": "true"})
    body = [
        html.P([icon, TITLES[found.symptom]], className="diagnosis-symptom"),
        html.Ul([html.Li(_fact(fact)) for fact in found.evidence], **{"data-region": "evidence"}),
        *_advice("What to change", found.fixes),
        *_advice("Likely causes", found.causes),
        *_advice("Next time", found.prevention),
    ]
    return panel("Diagnosis", html.Div(body, className="diagnosis"))


def _nothing_found(run: RunDetail, found: DiagnosisView) -> str:
    if run.status == "succeeded":
        if run.learning_rate is None:
            return "Nothing to diagnose: this run trains nothing."
        if found.learned:
            return "Nothing wrong: training was stable, and it learned more than the untuned model knows."
        return "Nothing wrong was found in its curves."
    return {
        "queued": "Nothing to diagnose yet.",
        "running": "Nothing wrong so far.",
        "failed": "None of the four symptoms that curves and memory show. The reason above says why it failed.",
        "cancelled": "Stopped before it could be judged.",
    }[run.status]


def _fact(fact: list[Part]) -> list[Any]:
    """A sentence of evidence; every number is followed by where on the curve it was read."""
    pieces: list[Any] = []
    for part in fact:
        pieces += [part.text] if part.number is None else [show(part.number), *_where(part.number)]
    return pieces


def _where(number: Number) -> list[html.Span]:
    if not number.steps:
        return []
    first, last = number.steps[0], number.steps[-1]
    words = f" (step {first})" if first == last else f" (median of steps {first} to {last})"
    return [html.Span(words, className="quiet", **{"data-id": f"{first}-{last}"})]


def _advice(title: str, sentences: list[str]) -> list[Any]:
    return [html.H4(title), html.Ul([html.Li(sentence) for sentence in sentences])]
