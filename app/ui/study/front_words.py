"""The trade-off in words and as a table: who is on the front and how surely, what was drawn, what is missing."""

from collections.abc import Sequence
from typing import Any

from dash import html

from app.schemas import Axis, Number, Pareto, ParetoAxis, ParetoPoint
from app.ui.cells import QUALITY
from app.ui.numbers import show
from app.ui.sentences import sentence
from app.ui.study.parts import named
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
    axes = [_said(card, headline) for card in found.axes.values()]
    surest = sorted(found.points, key=lambda point: -point.front_share)
    on_front = [point for point in surest if point.on_front]
    maybe = [point for point in surest if not point.on_front and point.front_share >= RARELY]
    it = "it" if len(on_front) == 1 else "any of them"
    words: list[Any] = ["On the front: " if len(on_front) > 1 else "Alone on the front: "]
    words += [*_shares(on_front, " of the draws"), f": nothing measured beats {it} in ", *_listed(axes), " at once."]
    if maybe:
        words += [" Off the front, but on it in some draws: ", *_shares(maybe), "."]
    return words


def _shares(points: Sequence[ParetoPoint], after: str = "") -> list[Any]:
    """Each name with its share of draws, the words `after` behind the first."""
    named = points if len(points) <= MOST_NAMED else points[: MOST_NAMED - 1]
    others = len(points) > len(named)
    words: list[Any] = []
    for place, point in enumerate(named):
        words += [_between(place, len(named) + others), html.B(point.label, **{"data-label": point.label}), " in "]
        words += [show(point.numbers["front_share"]), after if place == 0 else ""]
    return [*words, " and others, all in the table"] if others else words


def _said(card: ParetoAxis, headline: str) -> html.Span:
    """A metric's name, whose digits are no measurement."""
    name = spoken(card, headline)
    return html.Span(name, **{"data-label": name})


def _listed(pieces: Sequence[Any]) -> list[Any]:
    return [part for place, piece in enumerate(pieces) for part in (_between(place, len(pieces)), piece)]


def _between(place: int, count: int) -> str:
    return "" if place == 0 else " and " if place == count - 1 else ", "


def draws_note(found: Pareto, headline: str) -> list[Any]:
    """What a share of draws varies, and what it cannot."""
    varied = [[_said(card, headline), f" over {card.covers}"] for card in found.axes.values() if card.covers]
    fixed = [[_said(card, headline), f" ({_why_fixed(card)})"] for card in found.axes.values() if not card.covers]
    words: list[Any] = ["The share is of ", show(_draws(found)), " draws"]
    words += [", each of which takes ", *_flat(_listed(varied)), " anew."] if varied else ["."]
    words += [" Not varied: ", *_flat(_listed(fixed)), "."] if fixed else []
    return words + [html.Span([" ", *sentence(note)], **{"data-label": "note"}) for note in found.notes]


def _flat(pieces: Sequence[Any]) -> list[Any]:
    return [part for piece in pieces for part in (piece if isinstance(piece, list) else [piece])]


def _why_fixed(card: ParetoAxis) -> str:
    return "exact" if card.exact else "one run each, its spread is unknown"


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
    return [html.H3("Not in the figure"), html.Ul(rows, className="left-out")]


def front_table(found: Pareto, headline: str) -> html.Div:
    """Every point with its values, intervals, share of draws and what beats it; the surest first."""
    titles = [_head(card, headline) for card in found.axes.values()]
    heads = ["Method", *titles, "On the front", "Beaten by"]
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
    others, intro = (point.equal_to, "nothing; the same values as ") if point.on_front else (point.dominated_by, "")
    words: list[Any] = [intro if others else "nothing"]
    for place, key in enumerate(others):
        words += [", " if place else "", html.Span(points[key].label, **{"data-label": points[key].label})]
    return words
