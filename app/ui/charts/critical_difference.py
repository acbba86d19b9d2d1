"""The critical-difference diagram: methods at their mean ranks, those not shown to differ joined by a bar.

Demsar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 7 (2006).
"""

from collections.abc import Sequence

import plotly.graph_objects as go

from app.language import tr
from app.schemas import ComparedMethod, CriticalDifference, MethodPlace, StudiesCompared
from app.ui.charts.points import Point, Words, text_trace
from app.ui.theme import Palette

TOP_PX, LINE_PX, GROUP_PX = 74, 26, 11
"""Room above the axis, of a method's line, and of a bar that joins."""


def diagram_height(methods: int, groups: int, *, narrow: bool) -> int:
    """In px. Wide, half of the methods stand at each side; narrow, all of them stand below each other."""
    return TOP_PX + GROUP_PX * (groups + 1) + LINE_PX * (methods if narrow else -(-methods // 2)) + 12


def critical_difference(found: StudiesCompared, palette: Palette, *, narrow: bool) -> go.Figure:
    """Rank 1 at the left. y counts px downwards from the axis, so that a figure of few methods is not stretched."""
    assert found.all is not None, "drawn where all methods are compared"
    assert found.all.friedman is not None, "and enough studies have them"
    test, places = found.all.friedman, found.all.places
    cards = {card.method: card for card in found.methods}
    height = diagram_height(len(places), len(test.groups), narrow=narrow)
    figure = go.Figure()
    figure.add_trace(_line([1, len(places)], [0, 0], palette.ink, 1.4))
    _bar(figure, palette, test, len(places))
    below = _joined(figure, palette, test, {place.method: place.mean_rank.value for place in places})
    _methods(figure, palette, places, cards, below, narrow=narrow)
    figure.update_layout(
        template="none",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=False,
        dragmode=False,
        height=height,
        margin={"l": 4, "r": 4, "t": 0, "b": 0},
        font={"family": palette.font, "size": 12, "color": palette.ink},
        hoverlabel={"bgcolor": palette.surface, "font": {"color": palette.ink, "size": 12}, "align": "left"},
    )
    room = 0.12 if narrow else 0.4
    span = len(places) - 1
    figure.update_xaxes(
        range=[1 - room * span, len(places) + room * span],
        anchor="free",
        position=1 - TOP_PX / height,
        side="top",
        tickvals=list(range(1, len(places) + 1)),
        ticks="outside",
        ticklen=5,
        tickcolor=palette.ink,
        tickfont={"size": 11, "color": palette.ink_2},
        showgrid=False,
        zeroline=False,
        fixedrange=True,
    )
    figure.update_yaxes(range=[height - TOP_PX, -TOP_PX], visible=False, fixedrange=True)
    return figure


def _bar(figure: go.Figure, palette: Palette, test: CriticalDifference, methods: int) -> None:
    """How far apart mean ranks have to be, to scale; cut at the axis where it is longer."""
    length = min(test.difference.value, methods - 1)
    figure.add_trace(_line([1, 1 + length], [-46, -46], palette.ink_2, 1.6))
    for end in (1, 1 + length):
        figure.add_trace(_line([end, end], [-50, -42], palette.ink_2, 1.6))
    words = Words().say(tr("critical difference")).say(" ").number(test.difference).point()
    figure.add_trace(text_trace([1], [-60], [words], palette.ink_2, textposition="middle right", size=11.5))


def _joined(figure: go.Figure, palette: Palette, test: CriticalDifference, ranks: dict[str, float]) -> float:
    """A bar over the ranks of each group; returns where the next line may stand."""
    for place, group in enumerate(test.groups, start=1):
        held = [ranks[method] for method in group]
        xs, y = [min(held) - 0.06, max(held) + 0.06], GROUP_PX * place
        figure.add_trace(_line(xs, [y, y], palette.tie, 5))
    return GROUP_PX * (len(test.groups) + 1)


def _methods(
    figure: go.Figure,
    palette: Palette,
    places: Sequence[MethodPlace],
    cards: dict[str, ComparedMethod],
    below: float,
    *,
    narrow: bool,
) -> None:
    """A line from each rank down to the method's name: the better half to the left, the others to the right."""
    count, span = len(places), len(places) - 1
    left = count if narrow else -(-count // 2)
    for i, place in enumerate(places):
        mark, rank = palette.family(cards[place.method].family), place.mean_rank.value
        at_left = i < left
        level = below + LINE_PX * ((i if at_left else count - 1 - i) + 0.5)
        end = (1 - 0.08 * span if at_left else count + 0.08 * span) if not narrow else rank
        figure.add_trace(_line([rank, rank, end], [0, level, level], palette.strong, 1))
        marker = {"symbol": mark.marker, "size": 10, "color": mark.colour}
        figure.add_trace(go.Scatter(x=[rank], y=[0], mode="markers", marker=marker, hoverinfo="skip"))
        words = _named(place, cards[place.method].title)
        to_right = (rank - 1 < span / 2) if narrow else not at_left
        side = "middle right" if to_right else "middle left"
        figure.add_trace(go.Scatter(x=[end], y=[level], mode="markers", marker=marker, hoverinfo="skip"))
        gap = f"{'   ' if to_right else ''}{words.text}{'' if to_right else '   '}"
        figure.add_trace(
            text_trace([end], [level], [Point(gap, words.numbers)], palette.ink, textposition=side, size=12.5)
        )


def _named(place: MethodPlace, title: str) -> Point:
    return Words().name(title).say("  ").number(place.mean_rank).point()


def _line(xs: list[float], ys: list[float], colour: str, width: float) -> go.Scatter:
    line = {"color": colour, "width": width}
    return go.Scatter(x=xs, y=ys, mode="lines", line=line, hoverinfo="skip", cliponaxis=False)
