"""What the panels of heatmap and radar show."""

from dash import html

from app.language import tr
from app.schemas import StudyView
from app.ui.cells import QUALITY, Matrix
from app.ui.charts.dot_list import dot_list
from app.ui.charts.heatmap import heatmap
from app.ui.charts.radar import default_choice, radar
from app.ui.figure_files import save_buttons
from app.ui.states import empty
from app.ui.still import stilled
from app.ui.study.chosen import Chosen
from app.ui.study.figures import cell_notes, figure_sentence, heatmap_legend, profile_note, profile_table, table_note
from app.ui.study.grid import comparison_grid, rows
from app.ui.study.shown import Shown, drawn, image
from app.ui.theme import Palette

LEAST_AXES = 3


def table_view(matrix: Matrix, chosen: Chosen) -> Shown:
    """The same numbers as real text: sorted, filtered and pinned by column."""
    listed = chosen.listed(matrix)
    children = html.Div([table_note(matrix), comparison_grid(matrix, listed)])
    return Shown("table", children, {"study-grid": {"rowData": rows(matrix, listed)}})


def heatmap_view(view: StudyView, matrix: Matrix, chosen: Chosen, colours: Palette, *, narrow: bool) -> Shown:
    """The heatmap with its forest; on a narrow screen one metric as a list of dots."""
    seeds = view.document.seeds if isinstance(view.document.seeds, int) else len(view.document.seeds)
    shown, metric = matrix.without_columns(chosen.columns), chosen.sort if chosen.sort in matrix.cards else QUALITY
    on_page = chosen.on_page(matrix)
    draw = (
        dot_list(shown, metric, colours, seeds=seeds, rows=on_page)
        if narrow
        else heatmap(shown, colours, seeds=seeds, rows=on_page)
    )
    sentence, legend = stilled(figure_sentence(shown, on_page)), stilled(heatmap_legend(shown, narrow=narrow))
    notes = stilled(cell_notes(shown, on_page))
    children = html.Div(
        [
            html.P(id="study-figure-sentence", className="visually-hidden", **sentence),
            image("study-figure", draw, "study-figure-sentence"),
            html.Div(id="study-legend", className="legend", **legend),
            save_buttons("study-figure", f"study-{view.id}-{'dots' if narrow else 'heatmap'}"),
            html.Div(id="study-cell-notes", **notes),
        ]
    )
    updates = {
        **drawn("study-figure", draw),
        "study-figure-sentence": sentence,
        "study-legend": legend,
        "study-cell-notes": notes,
    }
    return Shown("narrow figure" if narrow else "figure", children, updates)


def radar_view(matrix: Matrix, chosen: list[int], colours: Palette, *, narrow: bool) -> Shown:
    """The profiles of the chosen configurations on the axes that all of them have, and their scores as numbers."""
    wanted = chosen or default_choice(matrix)
    note, axes = profile_note(matrix, wanted)
    if len(axes) < LEAST_AXES:
        why = tr("A profile needs three metrics that every chosen method has a score in.")
        return Shown("nothing", html.Div([html.P(note, className="study-note"), html.P(why, className="study-quiet")]))
    draw = radar(matrix, wanted, colours, narrow=narrow)
    said, scores = stilled(note), stilled(profile_table(matrix, wanted, axes))
    children = html.Div(
        [
            html.P(id="study-radar-sentence", className="study-note", **said),
            html.Div(
                [
                    image("study-radar-figure", draw, "study-radar-sentence"),
                    html.Div(id="study-radar-scores", **scores),
                ],
                className="radar-grid",
            ),
            save_buttons("study-radar-figure", f"study-{matrix.comparison.study}-profile"),
        ]
    )
    updates = {
        **drawn("study-radar-figure", draw),
        "study-radar-sentence": said,
        "study-radar-scores": scores,
    }
    return Shown("narrow figure" if narrow else "figure", children, updates)


def nothing_yet(view: StudyView) -> html.Div:
    """Why there is no number, and what to do."""
    queue = (tr("Open the queue"), f"/runs?study_id={view.id}")
    if view.status in ("queued", "running"):
        why = tr("The first row appears when a method has one reporting run.")
        return empty(tr("No finished run yet"), why, [queue])
    why = tr("Every run of this study failed or was cancelled; the Failures view says why.")
    return empty(tr("Nothing was measured"), why, [queue])
