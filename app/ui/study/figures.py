"""Words around the figures: what a screen reader hears, what the marks mean, what a profile leaves out."""

from typing import Any

from dash import html

from app.schemas import MetricCard, Number
from app.ui.cells import QUALITY, Matrix
from app.ui.charts.radar import radar_axes
from app.ui.numbers import show
from app.ui.study.parts import method_name
from app.ui.study.tabs import table

LEVEL = 0.95
"""The confidence level of every interval."""


def figure_sentence(matrix: Matrix) -> list[Any]:
    """The figure in a sentence: how many rows and columns, and each row's quality."""
    words: list[Any] = [
        f"Heatmap of methods and metrics with differences to the reference. {matrix.title(matrix.cards[QUALITY])}: "
    ]
    for place, row in enumerate(matrix.ordered(QUALITY)):
        cell = matrix.cell(row.id, QUALITY)
        name = html.Span(row.label, **{"data-label": row.label})
        words += [", " if place else "", name, " "]
        words.append(show(matrix.mean(cell)) if cell is not None and cell.mean is not None else "missing")
    return [*words, ". All numbers are in the Table view."]


def heatmap_legend(matrix: Matrix, *, narrow: bool) -> list[html.Span]:
    """What colours and marks mean, with the marks drawn as in the cells."""
    level = show(_level())
    interval = html.Span([html.I(className="mark mark-whisker"), level, f" interval over {_covered(matrix)}"])
    marks = [
        interval,
        html.Span([html.I(className="mark mark-hollow"), "one probe" if not narrow else "single run or tie"]),
        html.Span([html.I(className="mark mark-tick"), "exact"]),
    ]
    if narrow:
        return [*marks[:2], html.Span("Line: reference")]
    scale = html.Span(["Colour: score on fixed anchors, low ", html.I(className="heat-bar"), " high"])
    boxes = [
        html.Span("≈ estimated", className="box box-estimated"),
        html.Span("– missing", className="box box-missing"),
    ]
    failed = (
        [html.Span("✕ failed runs", className="box box-failed")]
        if any(c.failures for c in matrix.comparison.cells)
        else []
    )
    return [scale, html.Span("Mark in a cell: its place on the column's axis"), *marks, *boxes, *failed]


def _covered(matrix: Matrix) -> str:
    """What the intervals on screen speak of: seeds, or of single runs the test items."""
    covered = {cell.interval_covers for cell in matrix.comparison.cells if cell.interval and cell.interval_covers}
    return " or ".join(sorted(covered)) or "seeds"


def table_note(matrix: Matrix) -> html.Div:
    """What the columns of the table mean, and the same cells as a file."""
    words = [
        "Interval: ",
        show(_level()),
        f" over {_covered(matrix)}. Differences are paired by seed and test item; p by Holm.",
    ]
    link = f"/api/v1/studies/{matrix.comparison.study}/export?format=csv"
    download = html.A("CSV", href=link, className="button button-plain", download="")
    return html.Div([html.P(words, className="study-note"), download], className="panel-head")


def _level() -> Number:
    return Number(value=LEVEL, quantity="probability", statistic="level", formula="confidence_level")


def profile_note(matrix: Matrix, chosen: list[int]) -> tuple[list[Any], list[MetricCard]]:
    """What a profile shows, and the axes left out because a chosen method has no score there."""
    axes, left_out = radar_axes(matrix, chosen)
    words: list[Any] = ["Score on fixed anchors; outside is better."]
    if left_out:
        names = ", ".join(matrix.title(card) for card in left_out)
        verb = "its axis is" if len(left_out) == 1 else "their axes are"
        words.append(f" {names}: a chosen method has no score, so {verb} left out.")
    return words, axes


def profile_table(matrix: Matrix, chosen: list[int], axes: list[MetricCard]) -> html.Div:
    """The scores of the profile as numbers: one row per axis, so that it fits beside the figure."""
    rows = [matrix.configurations[configuration] for configuration in chosen]
    head = html.Tr([html.Th("Score"), *[html.Th(method_name(row)) for row in rows]])
    body = []
    for card in axes:
        scores = [matrix.normalised(cell) for row in rows if (cell := matrix.cell(row.id, card.key)) is not None]
        body.append(
            html.Tr([html.Th(matrix.title(card), scope="row"), *[html.Td(show(s)) for s in scores if s is not None]])
        )
    return table(head, body, className="study-table-wrap")
