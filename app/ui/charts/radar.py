"""Profiles of up to six methods on the fixed-anchor scores: the secondary view, always with the raw values on hover."""

import plotly.graph_objects as go

from app.language import filled
from app.schemas import ConfigurationView, MetricCard
from app.ui.cells import Matrix
from app.ui.charts.points import Words
from app.ui.theme import Palette

MOST_METHODS = 6
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


def radar_axes(matrix: Matrix, chosen: list[int]) -> tuple[list[MetricCard], list[MetricCard]]:
    """The metrics for which every chosen method has a score, and those left out because one has none.

    Leaving an axis out for all is the only fair way: a missing score is not a zero.
    """
    scored: list[MetricCard] = []
    left_out: list[MetricCard] = []
    for card in matrix.columns:
        cells = [matrix.cell(configuration, card.key) for configuration in chosen]
        complete = bool(cells) and all(cell is not None and cell.normalised is not None for cell in cells)
        (scored if complete else left_out).append(card)
    return scored, left_out


def default_choice(matrix: Matrix) -> list[int]:
    """The reference and the methods, in the order of quality; baselines only where there is room."""
    ordered = matrix.ordered("task_performance")
    with_scores = [row for row in ordered if any(_has_score(matrix, row, card) for card in matrix.columns)]
    wanted = [row for row in with_scores if not row.reference or row.id == matrix.comparison.reference]
    return [row.id for row in wanted[:MOST_METHODS]]


def radar(matrix: Matrix, chosen: list[int], palette: Palette, *, narrow: bool = False) -> go.Figure:
    """One closed line per method: colour and marker of its family, dash style within a family; outside is better."""
    axes, _ = radar_axes(matrix, chosen)
    figure = go.Figure()
    seen: dict[str, int] = {}
    for configuration in chosen[:MOST_METHODS]:
        row = matrix.configurations[configuration]
        place = seen[row.family] = seen.get(row.family, -1) + 1
        figure.add_trace(_profile(matrix, row, axes, palette, DASHES[place % len(DASHES)]))
    _layout(figure, palette, narrow)
    return figure


def _has_score(matrix: Matrix, row: ConfigurationView, card: MetricCard) -> bool:
    cell = matrix.cell(row.id, card.key)
    return cell is not None and cell.normalised is not None


def _profile(
    matrix: Matrix, row: ConfigurationView, axes: list[MetricCard], palette: Palette, dash: str
) -> go.Scatterpolar:
    family = palette.family(row.family)
    radii, points = [], []
    for card in axes:
        cell = matrix.cell(row.id, card.key)
        assert cell is not None
        score = matrix.normalised(cell)
        assert score is not None
        words = Words().name(row.label).say(f"<br>{matrix.title(card)}: ").number(matrix.mean(cell))
        radii.append(score.value)
        points.append(words.say("<br>").all(filled("score {score}", score=score)).point())
    closed = [*range(len(axes)), 0] if axes else []
    return go.Scatterpolar(
        r=[radii[k] for k in closed],
        theta=[matrix.title(axes[k]) for k in closed],
        mode="lines+markers",
        name=row.label,
        line={"color": family.colour, "width": 2, "dash": dash},
        marker={"symbol": family.marker, "size": 8, "color": family.colour},
        hovertext=[points[k].text for k in closed],
        hoverinfo="text",
        customdata=[points[k].numbers for k in closed],
    )


def _layout(figure: go.Figure, palette: Palette, narrow: bool) -> None:
    side = 74 if narrow else 96
    figure.update_layout(
        template="none",
        paper_bgcolor="rgba(0,0,0,0)",
        height=420 if narrow else 400,
        margin={"l": side, "r": side, "t": 34, "b": 34},
        font={"family": palette.font, "size": 12, "color": palette.ink},
        legend={"orientation": "h", "x": 0.5, "xanchor": "center", "y": -0.1, "yanchor": "top"},
        hoverlabel={"bgcolor": palette.surface, "font": {"color": palette.ink, "size": 12}, "align": "left"},
        polar={
            "bgcolor": "rgba(0,0,0,0)",
            "gridshape": "linear",
            "radialaxis": {
                "range": [0, 1.02],
                "tickvals": [0.25, 0.5, 0.75, 1],
                "ticktext": ["", ".5", "", ""],
                "tickfont": {"size": 11, "color": palette.ink_2},
                "gridcolor": palette.line,
                "showline": False,
                "ticks": "",
            },
            "angularaxis": {
                "direction": "clockwise",
                "rotation": 90,
                "gridcolor": palette.line,
                "linecolor": palette.strong,
                "ticks": "",
            },
        },
    )
