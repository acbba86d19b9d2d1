"""The rows of a study to be against full fine-tuning: what each is expected to save before anything is measured."""

from collections.abc import Mapping
from typing import Any

from dash import html

from app.language import filled, tr
from app.schemas import RowEstimate, StudyEstimate
from app.ui.elements import panel
from app.ui.launch.figures import Line, ratio, row_figure, row_title

FIGURES = ("trainable_parameters", "peak_memory_bytes", "train_seconds", "storage_bytes")


def baseline_step() -> list[Any]:
    """The table's place; it comes with the first estimate."""
    why = tr(
        "After the launch each row is scored on the same test items as full fine-tuning, item by item; a difference is"
        " said only where the test shows one. What follows here is expected by formula, and its error is shown beside"
        " the measurement afterwards."
    )
    return [panel(tr("Against the baseline"), [html.P(why, className="quiet"), html.Div(id="baseline")])]


def baseline_table(told: StudyEstimate, document: Mapping[str, Any], line: Line) -> Any:
    """Every row with its figures, and how many times as much full fine-tuning takes."""
    if not told.rows:
        return html.P(tr("Nothing can be run: this base model cannot do this kind of task."), className="quiet")
    titles = (
        tr("Trained"),
        tr("Peak memory"),
        tr("One run takes"),
        tr("Files, one seed"),
        tr("Runs"),
    )
    heads = [html.Th(tr("Row"), scope="col"), *(html.Th(title, scope="col", className="number") for title in titles)]
    full = next((row for row in told.rows if row.method == "full"), None)
    rows = [_table_row(row, full, told, document, line) for row in told.rows]
    table = html.Table([html.Thead(html.Tr(heads)), html.Tbody(rows)], className="plain baseline")
    label = {"aria-label": tr("Against the baseline")}
    scrolls = html.Div(table, className="table-scroll", tabIndex="0", role="region", **label)
    alone = tr("Full fine-tuning is not among the rows, so nothing is put into proportion.")
    notes = [html.P(alone, className="quiet")] if full is None else []
    return html.Div([scrolls, *notes, *_advice(told)], **{"data-region": "evidence"})


def _table_row(
    row: RowEstimate, full: RowEstimate | None, told: StudyEstimate, document: Mapping[str, Any], line: Line
) -> html.Tr:
    mark = html.Span(className=f"family family-{row.family}", **{"aria-hidden": "true"})
    cells = []
    for figure in FIGURES:
        times = None if full is None else ratio(row, full, figure)
        less = [] if times is None else [html.Span(filled("{times} less", times=times), className="quiet ratio")]
        cells.append(html.Td([row_figure(row, figure, document, line, told), *less], className="number"))
    return html.Tr(
        [
            html.Th([mark, row_title(row)], scope="row"),
            *cells,
            html.Td(html.Span(str(row.runs), **{"data-label": "runs"}), className="number"),
        ]
    )


def _advice(told: StudyEstimate) -> list[Any]:
    """What would fit, for the rows that do not, in the cost model's own sentence."""
    said = [
        html.Li([html.B(row.label + " "), row.estimate.verdict], **{"data-label": "advice"})
        for row in told.rows
        if row.estimate is not None and row.estimate.fits is False
    ]
    return [html.Ul(said, className="note-list advice")] if said else []
