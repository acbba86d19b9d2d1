"""What a panel of the study shows: built whole at first, then changed in place.

Replacing a figure's component makes it vanish for a moment; setting its properties does not. So a view is its
components and, by id, the properties that new results or another choice change.
"""

from dataclasses import dataclass, field
from typing import Any

import plotly.graph_objects as go
from dash import dcc, html, no_update, set_props

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


def image(graph_id: str, figure: go.Figure, sentence_id: str) -> html.Div:
    """A figure as one image, described by the sentence with the id."""
    graph = dcc.Graph(id=graph_id, config=GRAPH, **drawn(figure))
    return html.Div(graph, role="img", **{"data-figure": "evidence", "aria-labelledby": sentence_id})


def drawn(figure: go.Figure) -> dict[str, Any]:
    """The properties of a graph that shows a figure: its height is kept while the figure is drawn."""
    return {"figure": figure, "style": {"height": figure.layout.height}}
