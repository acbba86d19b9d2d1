"""What a figure says, read as the browser's walker reads it."""

from typing import Any

import plotly.graph_objects as go

from tests.flow.evidence import TAG, has_digit, read_trace, unexplained_digits


def explained(figure: go.Figure) -> tuple[int, list[str]]:
    """How many sourced entries a figure carries, and every digit of it that none explains."""
    entries, problems = 0, []
    for trace in figure.data:
        points, wrong = read_trace(_as_read(trace), "figure")
        problems += wrong + [problem for point in points if (problem := unexplained_digits(point))]
        entries += sum("source" in entry for point in points for entry in point.entries)
    problems += [said.text for said in figure.layout.annotations if has_digit(TAG.sub(" ", said.text or ""))]
    return entries, problems


def _as_read(trace: Any) -> dict[str, Any]:
    json = trace.to_plotly_json()
    names = ("mode", "hoverinfo", "hovertemplate", "texttemplate", "name")
    return {
        "type": trace.type,
        "points": len(trace.y) if trace.y is not None else 0,
        **{name: json.get(name) or "" for name in names},
        **{name: json.get(name) for name in ("text", "hovertext", "customdata")},
    }


def marks(figure: go.Figure) -> dict[str, go.Scatter]:
    """The traces that hold one named configuration, by its name."""
    return {trace.name: trace for trace in figure.data if trace.name}
