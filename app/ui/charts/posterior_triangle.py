"""The posterior of the Bayesian signed-rank test in a triangle: each point a belief about a study to come."""

import plotly.graph_objects as go

from app.language import tr
from app.schemas import Number, SignedRankView
from app.ui.charts.points import Point, Words, text_trace
from app.ui.theme import Palette

HEIGHT_PX = 300
TOP = 3**0.5 / 2
CENTRE = (0.5, TOP / 3)
Draw = tuple[float, float, float]


def posterior_triangle(found: SignedRankView, palette: Palette, *, a: str, b: str) -> go.Figure:
    """a at the left corner, b at the right, practically equal at the top; the lines part what is likelier than both
    others."""
    figure = go.Figure()
    edge = {"color": palette.strong, "width": 1.2}
    figure.add_trace(_path([(0, 0), (0.5, TOP), (1, 0), (0, 0)], edge))
    for foot in ((0.25, TOP / 2), (0.75, TOP / 2), (0.5, 0.0)):
        figure.add_trace(_path([CENTRE, foot], {"color": palette.strong, "width": 1, "dash": "dot"}))
    for side, colour in enumerate((palette.better, palette.tie, palette.worse)):
        figure.add_trace(_cloud([draw for draw in found.draws if max(draw) == draw[side]], colour))
    corners = [_corner(found.a, a), _corner(found.equal, None), _corner(found.b, b)]
    places = ("bottom right", "top center", "bottom left")
    for x, y, corner, place in zip((-0.08, 0.5, 1.08), (-0.01, TOP + 0.01, -0.01), corners, places, strict=True):
        figure.add_trace(text_trace([x], [y], [corner], palette.ink, textposition=place, size=13))
    figure.update_layout(
        template="none",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=False,
        dragmode=False,
        height=HEIGHT_PX,
        margin={"l": 4, "r": 4, "t": 40, "b": 44},
        font={"family": palette.font, "size": 12, "color": palette.ink},
    )
    figure.update_xaxes(range=[-0.1, 1.1], visible=False, fixedrange=True)
    figure.update_yaxes(range=[-0.03, TOP + 0.03], visible=False, fixedrange=True)
    return figure


def _path(points: list[tuple[float, float]], line: dict[str, object]) -> go.Scatter:
    xs, ys = zip(*points, strict=True)
    return go.Scatter(x=xs, y=ys, mode="lines", line=line, hoverinfo="skip", cliponaxis=False)


def _cloud(draws: list[Draw], colour: str) -> go.Scatter:
    marker = {"size": 4, "color": colour, "opacity": 0.4}
    xs, ys = [b + equal / 2 for _, equal, b in draws], [equal * TOP for _, equal, _ in draws]
    return go.Scatter(x=xs, y=ys, mode="markers", marker=marker, hoverinfo="skip")


def _corner(number: Number, name: str | None) -> Point:
    words = Words()
    if name is None:
        words.say(tr("practically equal"))
    else:
        words.name(name)
    return words.say("<br>").number(number).point()
