"""The view "Environment": hardware and versions of the study's runs, and where they are not the same for all."""

from typing import Any

from dash import html

from app.language import filled, tr
from app.schemas import EnvironmentField, Environments, EnvironmentValue
from app.ui.numbers import show
from app.ui.study.parts import names, quiet, tag
from app.ui.study.tabs import table

MOST_NAMED = 4


def environment_view(found: Environments) -> html.Div:
    """What differs stands first: results under unlike conditions do not compare, or not in what they cost."""
    if not found.fields:
        return quiet(tr("No run has ended well yet: what it ran on is written down when it does."))
    mixed = sorted(found.fields, key=lambda field: not field.mixed)
    unlike = [field for field in found.fields if field.mixed]
    words = (
        tr("Not all runs were made alike: what differs stands first. Unlike runs are never averaged into one cell.")
        if unlike
        else tr("All runs that ended well say the same of hardware and versions.")
    )
    head = html.Tr([html.Th(tr("What")), html.Th(tr("Value")), html.Th(tr("Runs")), html.Th(tr("Methods"))])
    body = [row for field in mixed for row in _rows(field)]
    return html.Div([html.P(words, className="study-note"), table(head, body, "study-environment")])


def _rows(field: EnvironmentField) -> list[html.Tr]:
    """One for each value; the field's name spans them."""
    title = html.Span(field.title, **{"data-label": field.title})
    mark = [" ", tag(tr("mixed"), "warn", tr("Not all runs say the same."))] if field.mixed else []
    name = html.Th([title, *mark], scope="row", rowSpan=len(field.values))
    return [
        html.Tr([*([name] if place == 0 else []), *_cells(value, field)]) for place, value in enumerate(field.values)
    ]


def _cells(value: EnvironmentValue, field: EnvironmentField) -> list[Any]:
    said = html.Span(value.value, **{"data-label": value.value})
    methods = _methods(value) if field.mixed else [tr("all")]
    return [html.Td(said, className="study-wrap"), html.Td(show(value.runs)), html.Td(methods, className="study-wrap")]


def _methods(value: EnvironmentValue) -> list[Any]:
    if len(value.labels) <= MOST_NAMED:
        return names(value.labels)
    return filled("{methods} and others", methods=html.Span(names(value.labels[:MOST_NAMED])))
