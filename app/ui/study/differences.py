"""The view "Differences" of a study: every method against the best and against the reference, by the one rule."""

from collections.abc import Sequence
from typing import Any

from dash import html

from app.language import filled, tr
from app.schemas import Number, NumberQuantity, QualityDifference, SignificanceRow, SignificanceView
from app.ui.charts.points import said_verdict
from app.ui.numbers import show
from app.ui.sentences import sentence
from app.ui.study.parts import name, named, quiet
from app.ui.study.tabs import table


def differences(found: SignificanceView, order: Sequence[int]) -> html.Div:
    """Ties are said to be ties; what no test can tell says why, and what waits for more studies says for how many.

    order: configurations as they are listed, the best first.
    """
    across = html.P(sentence(found.across_studies.sentence), className="study-note")
    tested = {row.configuration: row for row in found.rows if row.with_best or row.with_reference}
    rows = [tested[configuration] for configuration in order if configuration in tested]
    if not rows:
        return html.Div([quiet(tr("No two methods can be compared yet.")), *_untested(found), across])
    best, reference = tr("Minus the best [interval]"), tr("Minus the reference [interval]")
    heads = [tr("Method"), best, "p", tr("Verdict"), reference, "p", tr("Verdict")]
    corrected = filled(
        "p-values and intervals are corrected together, by Holm: {count} comparisons.",
        count=_number(found, found.comparisons, "count"),
    )
    return html.Div(
        [
            html.P([found.rule, " ", *corrected], className="study-note"),
            table(html.Tr([html.Th(head) for head in heads]), [_row(found, row) for row in rows]),
            *_untested(found),
            across,
        ]
    )


def _row(found: SignificanceView, row: SignificanceRow) -> html.Tr:
    method = html.Th(named(row.label, row.family), scope="row")
    best = _the_row_itself(tr("the best")) if row.configuration == found.best else _pair(found, row.with_best)
    reference = (
        _the_row_itself(tr("the reference"))
        if row.configuration == found.reference
        else _pair(found, row.with_reference)
    )
    return html.Tr([method, *best, *reference])


def _the_row_itself(what: str) -> list[html.Td]:
    return [html.Td(html.Span(what, className="quiet")), html.Td(), html.Td()]


def _pair(found: SignificanceView, pair: QualityDifference | None) -> list[html.Td]:
    """The difference with the interval that its verdict was judged by, its p-value, and the verdict in a word."""
    if pair is None:
        return [html.Td("–"), html.Td(), html.Td()]
    quantity = pair.quantity
    lo, hi = (_number(found, end, which, quantity) for end, which in zip(pair.corrected, ("lo", "hi"), strict=True))
    gap = html.Td([_number(found, pair.value, "difference", quantity), " [", lo, ", ", hi, "]"])
    word = html.Span(said_verdict(pair.verdict), className=f"verdict verdict-{pair.verdict}")
    test = tr("{test}, over {what}", test=pair.test, what=pair.covers)
    return [gap, html.Td(_number(found, pair.p_value, "p_value", "p_value")), html.Td(word, title=test)]


def _number(found: SignificanceView, value: float, statistic: str, quantity: NumberQuantity = "count") -> html.Span:
    return show(
        Number(value=value, quantity=quantity, statistic=statistic, formula=f"significance(study {found.study})")
    )


def _untested(found: SignificanceView) -> list[Any]:
    labels = {row.configuration: row.label for row in found.rows}
    entries = [
        html.Li(
            filled(
                "{method} and {other}: {reason}",
                method=_name(labels, pair.configuration),
                other=_name(labels, pair.reference),
                reason=pair.reason,
            )
        )
        for pair in found.untested
    ]
    if not entries:
        return []
    return [html.Details([html.Summary(tr("What could not be tested")), html.Ul(entries)])]


def _name(labels: dict[int, str], configuration: int) -> html.Span:
    return name(labels.get(configuration, ""))
