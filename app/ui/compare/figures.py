"""The figures of the page, and the room that is kept for them until the browser has said its colours."""

from typing import Any

import plotly.graph_objects as go
from dash import dcc, html

from app.schemas import StudiesCompared
from app.ui.charts.critical_difference import critical_difference, diagram_height
from app.ui.charts.named_rows import rows_height
from app.ui.charts.pair_forest import pair_forest
from app.ui.charts.posterior_triangle import HEIGHT_PX, posterior_triangle
from app.ui.charts.rank_intervals import rank_intervals
from app.ui.compare.matrix import title_of
from app.ui.figure_files import save_buttons
from app.ui.theme import Palette

GRAPH = {"displayModeBar": False, "responsive": True}
BUTTONS_PX = 40
FIGURES = ("forest", "posterior", "ranking")


def room(found: StudiesCompared) -> dict[str, dict[str, str]]:
    """Figure -> the heights that its place keeps, as the style sheet takes them."""
    return {
        name: {"--wide": f"{wide}px", "--narrow": f"{narrow}px"} for name, (wide, narrow) in _heights(found).items()
    }


def _heights(found: StudiesCompared) -> dict[str, tuple[int, int]]:
    """Wide and narrow, with the buttons below; 0 where there is nothing to draw."""
    heights = dict.fromkeys(FIGURES, (0, 0))
    if found.pair is not None and found.pair.differences:
        heights["forest"] = (rows_height(len(found.pair.differences)) + BUTTONS_PX,) * 2
        heights["posterior"] = (HEIGHT_PX + BUTTONS_PX,) * 2 if found.pair.signed_rank else (0, 0)
    if found.all is not None and found.all.places:
        count, test = len(found.all.places), found.all.friedman
        both = (rows_height(count),) * 2
        if test is not None:
            wide, narrow = (diagram_height(count, len(test.groups), narrow=narrow) for narrow in (False, True))
            both = (wide, narrow)
        heights["ranking"] = (both[0] + BUTTONS_PX, both[1] + BUTTONS_PX)
    return heights


def drawn(found: StudiesCompared, palette: Palette, *, narrow: bool) -> dict[str, Any]:
    """Figure -> what stands in its place; None where there is nothing to draw."""
    figures: dict[str, Any] = dict.fromkeys(FIGURES)
    pair = found.pair
    if pair is not None and pair.differences:
        figures["forest"] = _image("compare-forest-figure", pair_forest(found, palette), "compare-pair-sentence")
        if pair.signed_rank is not None:
            titles = {"a": title_of(found, pair.a), "b": title_of(found, pair.b)}
            triangle = posterior_triangle(pair.signed_rank, palette, **titles)
            figures["posterior"] = _image("compare-posterior-figure", triangle, "compare-pair-sentence")
    if found.all is not None and found.all.places:
        ranking = (
            critical_difference(found, palette, narrow=narrow) if found.all.friedman else rank_intervals(found, palette)
        )
        figures["ranking"] = _image("compare-ranking-figure", ranking, "compare-ranking-sentence")
    return figures


def _image(name: str, figure: go.Figure, sentence: str) -> list[Any]:
    """A figure as one image, described by the sentence with the id."""
    graph = dcc.Graph(id=name, figure=figure, config=GRAPH, style={"height": figure.layout.height})
    image = html.Div(graph, role="img", **{"data-figure": "evidence", "aria-labelledby": sentence})
    return [image, save_buttons(name, name.removesuffix("-figure"))]
