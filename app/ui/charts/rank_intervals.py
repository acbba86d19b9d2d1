"""Methods by the ranks that a few studies leave open to them, with how likely each is the best."""

import plotly.graph_objects as go

from app.language import tr
from app.schemas import ComparedMethod, MethodPlace, StudiesCompared
from app.ui.charts.named_rows import NamedRow, named_rows
from app.ui.charts.points import Point, Words, label
from app.ui.theme import Palette


def rank_intervals(found: StudiesCompared, palette: Palette) -> go.Figure:
    """The best mean rank on top; the line holds nine of ten ranks among the draws."""
    assert found.all is not None, "drawn where all methods are compared"
    places, cards = found.all.places, {card.method: card for card in found.methods}
    rows = [_row(place, cards[place.method], palette) for place in places]
    title = tr("rank by share of full's gain (best at the left)")
    figure = named_rows(rows, palette, ends=(0.8, len(places) + 0.2), title=title)
    figure.update_xaxes(tickvals=list(range(1, len(places) + 1)))
    return figure


def _row(place: MethodPlace, card: ComparedMethod, palette: Palette) -> NamedRow:
    mark = palette.family(card.family)
    return NamedRow(
        name=Point(f"<b>{card.title}</b>", [label(card.title)]),
        words=Words().say(tr("P(best)")).say(" <b>").number(place.p_best).say("</b>").point(),
        hover=_hover(place, card),
        at=place.mean_rank.value,
        lo=place.rank_lo.value,
        hi=place.rank_hi.value,
        symbol=mark.marker,
        colour=mark.colour,
    )


def _hover(place: MethodPlace, card: ComparedMethod) -> Point:
    words = Words().name(card.title).say("<br>").say(tr("mean rank")).say(" ").number(place.mean_rank)
    words.say(" [").number(place.rank_lo).say(", ").number(place.rank_hi).say("]<br>")
    words.say(tr("mean share of full's gain")).say(" ").number(place.share).say("<br>")
    return words.say(tr("P(best)")).say(" ").number(place.p_best).point()
