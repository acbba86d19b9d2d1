"""What a run's model and its base answered to one question: text, probabilities and the time of each."""

from typing import Any

from dash import html

from app.language import filled, tr
from app.schemas import AnsweredView, AnswerView, PredictionView
from app.ui.numbers import by_formula, show

MOST_BARS = 6


def answer_card(told: PredictionView, label: str) -> html.Div:
    """The question, both answers beside each other, and who answered."""
    return html.Div(
        [
            *(piece for answered in told.answers for piece in _answered(told, answered, label)),
            html.P(_by_whom(told), className="quiet", **{"data-region": "evidence"}),
        ],
        className="run-answer",
    )


def _answered(told: PredictionView, answered: AnsweredView, label: str) -> list[Any]:
    asked = answered.input
    question = [asked.text, *([" / ", asked.pair] if asked.pair else []), *(f" · {choice}" for choice in asked.choices)]
    sides = html.Div(
        [
            _side(told, answered.base, "base", tr("Base model"), told.base_is),
            _side(told, answered.adapted, "adapted", tr("Adapted: {label}", label=label), None),
        ],
        className="run-sides",
    )
    return [html.Blockquote(question), sides]


def _side(told: PredictionView, answer: AnswerView, of: str, title: str, note: str | None) -> html.Div:
    parts: list[Any] = [html.H4(title), html.P(answer.text, className="run-said")]
    parts += [_bars(told.job, answer, of)] if answer.probabilities else []
    parts.append(html.P(_took(told.job, answer, of), className="quiet", **{"data-region": "evidence"}))
    parts += [html.P(tr("Shown: {what}.", what=note), className="quiet")] if note else []
    return html.Div(parts, className=f"run-side run-side-{of}")


def _took(job: int, answer: AnswerView, of: str) -> list[Any]:
    if answer.seconds is None:
        return [tr("Nothing was computed for it.")]
    seconds = by_formula(answer.seconds, "seconds", f"answer_seconds(job {job}, of {of})", exact=True)
    return filled("answered in {seconds}", seconds=show(seconds))


def _bars(job: int, answer: AnswerView, of: str) -> html.Table:
    """The probability of each class or choice, the largest first."""
    shares = list((answer.probabilities or {}).items())[:MOST_BARS]
    rows = [_bar(job, place, name, share, of) for place, (name, share) in enumerate(shares)]
    caption = html.Caption(tr("Probability of each answer"), className="unseen")
    return html.Table([caption, html.Tbody(rows)], className="run-bars", **{"data-region": "evidence"})


def _bar(job: int, place: int, name: str, share: float, of: str) -> html.Tr:
    formula = f"answer_probability(job {job}, of {of}, place {place})"
    number = show(by_formula(share, "fraction", formula, exact=True))
    fill = html.Div(style={"width": f"{100 * share:.1f}%"}, className="run-bar-fill")
    return html.Tr(
        [
            html.Th(name, scope="row", **{"data-label": name}),
            html.Td(html.Div(fill, className="run-bar", **{"aria-hidden": "true"})),
            html.Td(number, className="number"),
        ]
    )


def _by_whom(told: PredictionView) -> list[Any]:
    waited = by_formula(told.waited_seconds, "seconds", f"waited_seconds(job {told.job})", exact=True)
    worker = html.Span(told.worker, **{"data-label": told.worker})
    return filled("Answered by worker {worker} after {waited} in the queue.", worker=worker, waited=show(waited))
