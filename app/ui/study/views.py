"""What the panels of heatmap and radar show."""

from dash import html

from app.schemas import RunView, StudyView
from app.ui.cells import QUALITY, Matrix
from app.ui.charts.dot_list import dot_list
from app.ui.charts.heatmap import heatmap
from app.ui.charts.radar import default_choice, radar
from app.ui.figure_files import save_buttons
from app.ui.states import empty
from app.ui.study import tabs
from app.ui.study.figures import figure_sentence, heatmap_legend, profile_note, profile_table, table_note
from app.ui.study.grid import comparison_grid, rows
from app.ui.study.shown import Shown, image
from app.ui.theme import Palette

LEAST_AXES = 3


def evidence_view(
    name: str, view: StudyView, matrix: Matrix, runs: list[RunView], sort: str, colours: Palette, *, narrow: bool
) -> Shown:
    """The chosen view of the panel "Methods x metrics"."""
    if name == "Tuning":
        return Shown(name, tabs.tuning(matrix))
    if name == "Failures":
        return Shown(name, tabs.failures(runs))
    if not any(cell.mean is not None for cell in matrix.comparison.cells):
        return Shown("nothing", _nothing_yet(view))
    if name == "Seeds":
        return Shown(name, tabs.seeds(matrix, runs))
    if name == "Table":
        children = html.Div([table_note(matrix), comparison_grid(matrix, sort=sort)])
        return Shown(name, children, {"study-grid": {"rowData": rows(matrix, sort=sort)}})
    return _heatmap(view, matrix, sort, colours, narrow=narrow)


def _heatmap(view: StudyView, matrix: Matrix, sort: str, colours: Palette, *, narrow: bool) -> Shown:
    """The heatmap with its forest; on a narrow screen one metric as a list of dots."""
    seeds = view.document.seeds if isinstance(view.document.seeds, int) else len(view.document.seeds)
    metric = sort if sort in matrix.cards else QUALITY
    draw = (
        dot_list(matrix, metric, colours, seeds=seeds) if narrow else heatmap(matrix, colours, seeds=seeds, sort=metric)
    )
    sentence, legend = figure_sentence(matrix), heatmap_legend(matrix, narrow=narrow)
    children = html.Div(
        [
            html.P(sentence, id="study-figure-sentence", className="visually-hidden"),
            image("study-figure", draw, "study-figure-sentence"),
            html.Div(legend, id="study-legend", className="legend"),
            save_buttons("study-figure", f"study-{view.id}-{'dots' if narrow else 'heatmap'}"),
        ]
    )
    updates = {
        "study-figure": {"figure": draw},
        "study-figure-sentence": {"children": sentence},
        "study-legend": {"children": legend},
    }
    return Shown("narrow figure" if narrow else "figure", children, updates)


def radar_view(matrix: Matrix, chosen: list[int], colours: Palette, *, narrow: bool) -> Shown:
    """The profiles of the chosen configurations on the axes that all of them have, and their scores as numbers."""
    wanted = chosen or default_choice(matrix)
    note, axes = profile_note(matrix, wanted)
    if len(axes) < LEAST_AXES:
        why = "A profile needs three metrics that every chosen method has a score in."
        return Shown("nothing", html.Div([html.P(note, className="study-note"), html.P(why, className="study-quiet")]))
    draw = radar(matrix, wanted, colours, narrow=narrow)
    scores = profile_table(matrix, wanted, axes)
    children = html.Div(
        [
            html.P(note, id="study-radar-sentence", className="study-note"),
            html.Div(
                [image("study-radar-figure", draw, "study-radar-sentence"), html.Div(scores, id="study-radar-scores")],
                className="radar-grid",
            ),
            save_buttons("study-radar-figure", f"study-{matrix.comparison.study}-profile"),
        ]
    )
    updates = {
        "study-radar-figure": {"figure": draw},
        "study-radar-sentence": {"children": note},
        "study-radar-scores": {"children": scores},
    }
    return Shown("narrow figure" if narrow else "figure", children, updates)


def _nothing_yet(view: StudyView) -> html.Div:
    queue = ("Open the queue", f"/runs?study_id={view.id}")
    if view.status in ("queued", "running"):
        return empty("No finished run yet", "The first row appears when a method has one reporting run.", [queue])
    why = "Every run of this study failed or was cancelled; the Failures view says why."
    return empty("Nothing was measured", why, [queue])
