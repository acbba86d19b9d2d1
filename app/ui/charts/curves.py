"""A run's series as small line charts."""

import plotly.graph_objects as go

from app.schemas import Series, SeriesPoint
from app.ui.theme import Palette

TITLES = {
    "train_loss": "Training loss",
    "validation_score": "Validation score",
    "gradient_norm": "Gradient norm, before clipping",
    "learning_rate": "Learning rate",
    "tokens_per_second": "Real tokens a second",
    "train_seconds": "Seconds trained at each validation",
}
"""What the series are called; one that has no title is headed by its key."""


def curve(series: Series, palette: Palette, *, run_id: int) -> go.Figure:
    """One series against the optimizer's steps, its last point marked; each point knows its run."""
    steps = [point.step for point in series.points]
    values = [point.value for point in series.points]
    sources = [point_source(series.key, point, run_id) for point in series.points]
    figure = go.Figure(
        go.Scatter(
            x=steps,
            y=values,
            customdata=sources,
            mode="lines" if len(steps) > 1 else "markers",
            line={"color": palette.accent, "width": 1.6},
            hovertemplate="step %{x}<br>%{y:.4g}<extra></extra>",
        )
    )
    if steps:
        marker = {"color": palette.accent, "size": 7}
        figure.add_scatter(
            x=steps[-1:], y=values[-1:], customdata=sources[-1:], mode="markers", marker=marker, hoverinfo="skip"
        )
    figure.update_layout(
        height=190,
        margin={"l": 44, "r": 12, "t": 8, "b": 28},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=False,
        font={"family": palette.font, "size": 11, "color": palette.ink_2},
        uirevision=series.key,
    )
    figure.update_xaxes(showgrid=False, zeroline=False, linecolor=palette.strong, rangemode="tozero")
    figure.update_yaxes(gridcolor=palette.line, zeroline=False, nticks=5)
    return figure


def point_source(key: str, point: SeriesPoint, run_id: int) -> dict[str, str]:
    """What says where one point comes from: the run, the series and the step."""
    return {
        "source": f"runs:{run_id}",
        "statistic": "at_step",
        "metric": key,
        "step": str(point.step),
        "value": repr(point.value),
        "quantity": "series",
    }
