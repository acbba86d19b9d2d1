"""What a panel of the study shows: built whole at first, then changed in place.

Replacing a figure's component makes it vanish for a moment; setting its properties does not. So a view is its
components and, by id, the properties that new results or another choice change.
"""

from dataclasses import dataclass, field
from typing import Any

import plotly.graph_objects as go
from dash import dcc, html, no_update, set_props

from app.ui.charts.parts import Figure

GRAPH = {"displayModeBar": False, "responsive": True}


@dataclass(frozen=True)
class Shown:
    """kind: what is on screen; `updates` apply where the same kind already is, else `children` replace it."""

    kind: str
    children: Any
    updates: dict[str, dict[str, Any]] = field(default_factory=dict)


def in_place(new: Shown, shown: str | None) -> tuple[Any, Any]:
    """The children and kind of a panel: the same kind is changed in place, any other replaces what is on screen.
    shown: the kind on screen."""
    if not (new.updates and new.kind == shown):
        return new.children, new.kind
    for component, properties in new.updates.items():
        set_props(component, properties)
    return no_update, no_update


def image(graph_id: str, figure: go.Figure | Figure, sentence_id: str) -> html.Div:
    """A figure as one image, described by the sentence with the id."""
    shown = drawn(graph_id, figure)
    graph = dcc.Graph(id=graph_id, config=GRAPH, **shown[graph_id])
    described = {"data-figure": "evidence", "aria-labelledby": sentence_id}
    return html.Div(graph, id=_frame(graph_id), role="img", **shown[_frame(graph_id)], **described)


def drawn(graph_id: str, figure: go.Figure | Figure) -> dict[str, dict[str, Any]]:
    """What shows a figure, by id: the graph, and around it the room that it takes before it is drawn."""
    height = figure["layout"]["height"]
    return {
        graph_id: {"figure": figure, "style": {"height": height}},
        _frame(graph_id): {"style": {"minHeight": height}},
    }


def _frame(graph_id: str) -> str:
    return f"{graph_id}-frame"
