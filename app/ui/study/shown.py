"""What a panel of the study shows: built whole at first, then changed in place while runs come in.

Replacing a figure's component makes it vanish for a moment; setting its properties does not. So a view is its
components and, by id, the properties that new results change.
"""

from dataclasses import dataclass, field
from typing import Any

import plotly.graph_objects as go
from dash import ctx, dcc, html, no_update, set_props

GRAPH = {"displayModeBar": False, "responsive": True}


@dataclass(frozen=True)
class Shown:
    """kind: what is on screen; `updates` apply where the same kind already is, else `children` replace it."""

    kind: str
    children: Any
    updates: dict[str, dict[str, Any]] = field(default_factory=dict)


def in_place(new: Shown, shown: str | None) -> tuple[Any, Any]:
    """The children and kind of a panel: new results change what is on screen in place, anything else replaces it.
    shown: the kind on screen. To be called in a callback that has the study's version as an input."""
    only_results = set(ctx.triggered_prop_ids) == {"study-version.data"}
    if not (only_results and new.updates and new.kind == shown):
        return new.children, new.kind
    for component, properties in new.updates.items():
        set_props(component, properties)
    return no_update, no_update


def image(graph_id: str, figure: go.Figure, sentence_id: str) -> html.Div:
    """A figure as one image, described by the sentence with the id."""
    graph = dcc.Graph(id=graph_id, figure=figure, config=GRAPH, style={"height": figure.layout.height})
    return html.Div(graph, role="img", **{"data-figure": "evidence", "aria-labelledby": sentence_id})
