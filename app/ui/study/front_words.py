"""The trade-off in words and as a table: who is on the front and how surely, what was drawn, what is missing."""

from collections.abc import Sequence
from typing import Any

from dash import html

from app.language import filled, tr
from app.schemas import Axis, Number, Pareto, ParetoAxis, ParetoPoint
from app.ui.cells import QUALITY
from app.ui.numbers import show
from app.ui.sentences import sentence
from app.ui.study.parts import named, names
from app.ui.study.tabs import table

RARELY = 0.05
"""Below this share of draws a point that is not on the front is not mentioned as a candidate for it."""
MOST_NAMED = 5
"""Of the surest; the others are in the table."""


def spoken(card: ParetoAxis, headline: str) -> str:
    """A metric in the middle of a sentence. headline: the task's own name of its score."""
    return headline if card.key == QUALITY else card.title[:1].lower() + card.title[1:]


def front_sentence(found: Pareto, headline: str) -> list[Any]:
    """Who is on the front, the surest first, and who might be."""
    axes = html.Span(_listed([_said(card, headline) for card in found.axes.values()]))
    surest = sorted(found.points, key=lambda point: -point.front_share)
    on_front = [point for point in surest if point.on_front]
    maybe = [point for point in surest if not point.on_front and point.front_share >= RARELY]
    methods = html.Span(_shares(on_front))
    words = (
        filled(
            "On the front, by share of draws: {methods}. Nothing measured beats any of them in {metrics} at once.",
            methods=methods,
            metrics=axes,
        )
        if len(on_front) > 1
        else filled(
            "Alone on the front: {methods} of the draws. Nothing measured beats it in {metrics} at once.",
            methods=methods,
            metrics=axes,
        )
    )
    if maybe:
        others = html.Span(_shares(maybe))
        words += [" ", *filled("Off the front, but on it in some draws: {methods}.", methods=others)]
    return words


def _shares(points: Sequence[ParetoPoint]) -> list[Any]:
    """Each name with its share of draws."""
    told = points if len(points) <= MOST_NAMED else points[: MOST_NAMED - 1]
    pieces: list[Any] = [
        html.Span(
            filled(
                "{method} in {share}",
                method=html.B(point.label, **{"data-label": point.label}),
                share=show(point.numbers["front_share"]),
            )
        )
        for point in told
    ]
    return _listed(pieces if len(told) == len(points) else [*pieces, tr("others, all in the table")])


def _said(card: ParetoAxis, headline: str) -> html.Span:
    """A metric's name, whose digits are no measurement."""
    name = spoken(card, headline)
    return html.Span(name, **{"data-label": name})


def _listed(pieces: Sequence[Any]) -> list[Any]:
    """Pieces with commas between them, and a word before the last."""
    if len(pieces) < 2:
        return list(pieces)
    others = [part for piece in pieces[:-1] for part in (", ", piece)][1:]
    return filled("{others} and {last}", others=html.Span(others), last=pieces[-1])


def draws_note(found: Pareto, headline: str) -> list[Any]:
    """What a share of draws varies, and what it cannot."""
    varied = [
        html.Span(filled("{metric} over {what}", metric=_said(card, headline), what=tr(card.covers)))
        for card in found.axes.values()
        if card.covers
    ]
    fixed = [
        html.Span([_said(card, headline), f" ({_why_fixed(card)})"]) for card in found.axes.values() if not card.covers
    ]
    draws = show(_draws(found))
    words = (
        filled(
            "The share is of {draws} draws, each of which takes {metrics} anew.",
            draws=draws,
            metrics=html.Span(_listed(varied)),
        )
        if varied
        else filled("The share is of {draws} draws.", draws=draws)
    )
    words += [" ", *filled("Not varied: {metrics}.", metrics=html.Span(_listed(fixed)))] if fixed else []
    return words + [html.Span([" ", *sentence(note)], **{"data-label": "note"}) for note in found.notes]


def _why_fixed(card: ParetoAxis) -> str:
    return tr("exact") if card.exact else tr("one run each, its spread is unknown")


def _draws(found: Pareto) -> Number:
    share = found.points[0].numbers["front_share"]
    return share.model_copy(update={"value": float(found.draws), "quantity": "count", "statistic": "draws"})


def left_out(found: Pareto) -> list[Any]:
    """Everything of the study that is no point, each with its reason."""
    if not found.left_out:
        return []
    rows = [
        html.Li([named(row.label, row.family), html.Span([" ", *sentence(row.reason)], className="quiet")])
        for row in found.left_out
    ]
    return [html.H3(tr("Not in the figure")), html.Ul(rows, className="left-out")]


def front_table(found: Pareto, headline: str) -> html.Div:
    """Every point with its values, intervals, share of draws and what beats it; the surest first."""
    titles = [_head(card, headline) for card in found.axes.values()]
    heads = [tr("Method"), *titles, tr("On the front"), tr("Beaten by")]
    labels = {point.configuration: point for point in found.points}
    body = []
    for point in sorted(found.points, key=lambda point: -point.front_share):
        values = [html.Td(_value(point, axis)) for axis in found.axes]
        share = html.Td(show(point.numbers["front_share"]))
        beaten = html.Td(_beaten(point, labels))
        body.append(html.Tr([html.Th(named(point.label, point.family), scope="row"), *values, share, beaten]))
    return table(html.Tr([html.Th(head, scope="col", **{"data-label": head}) for head in heads]), body)


def _head(card: ParetoAxis, headline: str) -> str:
    name = spoken(card, headline)
    unit = f", {card.unit}" if card.quantity == "per_second" else ""
    return f"{name[:1].upper()}{name[1:]}{unit} {'↑' if card.better == 'higher' else '↓'}"


def _value(point: ParetoPoint, axis: Axis) -> list[Any]:
    value = show(point.numbers[axis])
    if f"{axis}_lo" not in point.numbers:
        return [value]
    ends = [show(point.numbers[f"{axis}_{end}"]) for end in ("lo", "hi")]
    return [value, html.Span([" [", ends[0], ", ", ends[1], "]"], className="quiet")]


def _beaten(point: ParetoPoint, points: dict[int, ParetoPoint]) -> list[Any]:
    """The points on the front that beat it; of one on the front, which others have its very values."""
    others = point.equal_to if point.on_front else point.dominated_by
    listed = html.Span(names([points[key].label for key in others]))
    if not point.on_front:
        return [listed] if others else [tr("nothing")]
    return filled("nothing; the same values as {methods}", methods=listed) if others else [tr("nothing")]
