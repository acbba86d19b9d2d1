"""Words around the figures: what a screen reader hears, what the marks mean, what a profile leaves out."""

from typing import Any

from dash import html

from app.language import filled, tr, trn
from app.schemas import ConfigurationView, MetricCard, Number
from app.ui.cells import QUALITY, Matrix
from app.ui.charts.radar import radar_axes
from app.ui.numbers import show
from app.ui.study.parts import method_name, name
from app.ui.study.tabs import table

LEVEL = 0.95
"""The confidence level of every interval."""


def figure_sentence(matrix: Matrix, rows: list[ConfigurationView] | None = None) -> list[Any]:
    """The figure in a sentence: what it shows, and each row's quality. rows: those that are drawn; None: all."""
    scores: list[Any] = []
    for place, row in enumerate(matrix.ordered(QUALITY) if rows is None else rows):
        cell = matrix.cell(row.id, QUALITY)
        value = show(matrix.mean(cell)) if cell is not None and cell.mean is not None else tr("missing")
        scores += [", " if place else "", name(row.label), " ", value]
    return filled(
        "Heatmap of methods and metrics with differences to the reference. {score}: {values}. All numbers are in the"
        " Table view.",
        score=matrix.title(matrix.cards[QUALITY]),
        values=html.Span(scores),
    )


def heatmap_legend(matrix: Matrix, *, narrow: bool) -> list[html.Span]:
    """What colours and marks mean, with the marks drawn as in the cells."""
    words = filled("{level} interval over {what}", level=show(_level()), what=_covered(matrix))
    interval = html.Span([html.I(className="mark mark-whisker"), html.Span(words)])
    hollow = tr("single run or tie") if narrow else tr("one probe")
    marks = [interval, html.Span([html.I(className="mark mark-hollow"), hollow])]
    if narrow:
        return [*marks, html.Span(tr("Line: reference"))]
    scale = html.Span(filled("Colour: score on fixed anchors, low {scale} high", scale=html.I(className="heat-bar")))
    exact = html.Span([html.I(className="mark mark-tick"), tr("exact")])
    cells = matrix.comparison.cells
    boxes = [
        html.Span(["≈ ", tr("estimated")], className="box box-estimated"),
        html.Span(["– ", tr("missing")], className="box box-missing"),
    ]
    if any(cell.failures for cell in cells):
        boxes.append(html.Span(["✕ ", tr("failed runs")], className="box box-failed"))
    if any(cell.flags for cell in cells):
        boxes.append(html.Span([html.I(className="mark mark-flag"), tr("note on this cell")]))
    if any(cell.notes for cell in cells):
        boxes.append(html.Span(tr("Quality from runs trained together, costs from probes alone")))
    return [scale, html.Span(tr("Mark in a cell: its place on the column's axis")), *marks, exact, *boxes]


def cell_notes(matrix: Matrix, rows: list[ConfigurationView]) -> list[Any]:
    """What sets single cells apart, in words: for those who do not hover. Nothing where there is nothing."""
    entries = []
    for row in rows:
        for card in matrix.columns:
            cell = matrix.cell(row.id, card.key)
            said = " ".join(cell.flags) if cell is not None else ""
            if said:
                where = [name(row.label), f", {matrix.title(card)}: "]
                entries.append(html.Li([*where, html.Span(said, **{"data-label": "note"})]))
    if not entries:
        return []
    summary = html.Summary(tr("Notes on single cells"))
    return [html.Details([summary, html.Ul(entries, className="cell-notes")], className="more")]


def _covered(matrix: Matrix) -> str:
    """What the intervals on screen speak of: seeds, or of single runs the test items."""
    covered = {cell.interval_covers for cell in matrix.comparison.cells if cell.interval and cell.interval_covers}
    if covered == {"seeds", "test items"}:
        return tr("seeds or test items")
    return tr("test items") if covered == {"test items"} else tr("seeds")


def table_note(matrix: Matrix) -> html.Div:
    """What the columns of the table mean, and the same cells as a file."""
    words = filled(
        "Interval: {level} over {what}. Differences are paired by seed and test item; p by Holm.",
        level=show(_level()),
        what=_covered(matrix),
    )
    link = f"/api/v1/studies/{matrix.comparison.study}/export?format=csv"
    download = html.A("CSV", href=link, className="button button-plain", download="")
    return html.Div([html.P(words, className="study-note"), download], className="panel-head")


def _level() -> Number:
    return Number(value=LEVEL, quantity="probability", statistic="level", formula="confidence_level")


def profile_note(matrix: Matrix, chosen: list[int]) -> tuple[list[Any], list[MetricCard]]:
    """What a profile shows, and the axes left out because a chosen method has no score there."""
    axes, left_out = radar_axes(matrix, chosen)
    words: list[Any] = [tr("Score on fixed anchors; outside is better.")]
    if left_out:
        why = trn(
            "{metrics}: a chosen method has no score, so its axis is left out.",
            "{metrics}: a chosen method has no score, so their axes are left out.",
            len(left_out),
            metrics=", ".join(matrix.title(card) for card in left_out),
        )
        words.append(f" {why}")
    return words, axes


def profile_table(matrix: Matrix, chosen: list[int], axes: list[MetricCard]) -> html.Div:
    """The scores of the profile as numbers: one row per axis, so that it fits beside the figure."""
    rows = [matrix.configurations[configuration] for configuration in chosen]
    head = html.Tr([html.Th(tr("Score")), *[html.Th(method_name(row)) for row in rows]])
    body = []
    for card in axes:
        scores = [matrix.normalised(cell) for row in rows if (cell := matrix.cell(row.id, card.key)) is not None]
        body.append(
            html.Tr([html.Th(matrix.title(card), scope="row"), *[html.Td(show(s)) for s in scores if s is not None]])
        )
    return table(head, body, className="study-table-wrap", label=tr("Scores of the profile"))
