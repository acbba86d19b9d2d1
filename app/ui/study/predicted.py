"""The view "Predicted": what the cost model could say before the launch, beside what the runs measured."""

from typing import Any

from dash import html

from app.language import filled, mark, tr
from app.schemas import Number, PredictedCosts, PredictedFigure, PredictedRow
from app.ui.numbers import show
from app.ui.study.parts import named, quiet
from app.ui.study.tabs import table

TITLES = {
    "trainable_parameters": mark("Trainable parameters"),
    "storage_bytes": mark("Storage"),
    "peak_memory": mark("Peak training memory"),
    "train_seconds": mark("Training time"),
}
FAR = 1.5
"""A prediction that is this many times too large or too small is marked."""


def predicted_view(found: PredictedCosts) -> html.Div:
    """Per configuration: predicted with its hatch, measured, and how many times the one is the other."""
    if found.missing is not None:
        return quiet(found.missing)
    if not found.rows:
        return quiet(tr("Nothing was predicted: no method of this study trains anything."))
    first = html.Tr(
        [
            html.Th(tr("Method"), rowSpan=2),
            *[html.Th(tr(title), colSpan=3, className="study-group") for title in TITLES.values()],
        ]
    )
    second = html.Tr(
        [
            html.Th(words, className="study-group" if place == 0 else "")
            for _ in TITLES
            for place, words in enumerate((tr("predicted"), tr("measured"), tr("ratio")))
        ]
    )
    return html.Div(
        [html.P(_note(found), className="study-note"), table([first, second], [_row(row) for row in found.rows])]
    )


def _note(found: PredictedCosts) -> list[Any]:
    """What the predictions knew."""
    length = html.Span(str(found.text_length), **{"data-id": str(found.text_length)})
    words = filled(
        "≈ is what the cost model says from the base model's configuration alone, every text counted as {length}"
        " tokens; the ratio is predicted over measured.",
        length=length,
    )
    if found.speed_source is None:
        return [
            *words,
            " ",
            tr("Time was not predicted: no probe had ended on such a device before this study's launch."),
        ]
    source = html.Span(found.speed_source, **{"data-label": found.speed_source})
    return [*words, " ", *filled("Time is told from earlier probes: {source}.", source=source)]


def _row(row: PredictedRow) -> html.Tr:
    figures = {figure.figure: figure for figure in row.figures}
    cells = [cell for key in TITLES for cell in _cells(figures.get(key))]  # type: ignore[call-overload]
    return html.Tr([html.Th(named(row.label, row.family), scope="row"), *cells])


def _cells(figure: PredictedFigure | None) -> list[html.Td]:
    if figure is None:
        return [html.Td("–", className="study-group"), html.Td("–"), html.Td("–")]
    told = html.Span(show(figure.predicted), className="box box-estimated") if figure.predicted else "–"
    measured = show(figure.measured) if figure.measured else "–"
    return [html.Td(told, className="study-group"), html.Td(measured), html.Td(_ratio(figure.ratio, figure.missing))]


def _ratio(ratio: Number | None, missing: str | None) -> Any:
    if ratio is None:
        return html.Span("–", title=missing, **{"data-label": "missing"})
    far = not 1 / FAR <= ratio.value <= FAR
    words = tr("too high") if ratio.value > 1 else tr("too low")
    return html.Span([show(ratio), html.Span(f" {words}", className="study-far")]) if far else show(ratio)
