"""Import: results that others have published, beside one's own."""

from typing import Any

from dash import Input, Output, dcc, html, no_update, register_page

from app.client import ApiProblem
from app.language import mark, tr
from app.schemas import LARGEST_RESULT_BYTES, ImportReport, RefusedFile, StudyView
from app.ui.elements import page_head, panel
from app.ui.policy import reading
from app.ui.session import client
from app.ui.study.tabs import table

register_page(__name__, path="/import", name="Import", title=lambda **_: tr("Import · PEFT Atlas"))

WHAT = mark(
    "Hugging Face publishes the results of its PEFT method comparison as one JSON file for each experiment. Give the"
    " folder that holds MetaMathQA and image-gen, one of them, or files of it."
)
HOW_SHOWN = mark(
    "Each folder becomes a study whose cells say “imported, single seed”. They are compared and ranked like your own;"
    " runs that are not alike are never averaged. Sending the same files again changes nothing."
)
EXPORTED = mark(
    "The file that a study's page exports as JSON. Its cells, differences and verdict come back as they were, labelled"
    " as imported: this installation did not measure them."
)
MOST_REFUSED_SHOWN = 200


def layout(**_: str) -> html.Div:
    """Where files are dropped, and what became of them."""
    drop = html.Div(
        [
            html.P(tr("Drop a folder or files here, or"), className="quiet"),
            html.Div(
                [
                    html.Button(tr("Choose a folder"), className="button", **{"data-import": "folder"}),
                    html.Button(tr("Choose files"), className="button button-plain", **{"data-import": "files"}),
                ],
                className="row-of",
            ),
            html.P("", id="import-progress", className="label", role="status"),
        ],
        id="import-drop",
        className="drop",
        **{
            "data-largest": str(LARGEST_RESULT_BYTES),
            # The script says them with numbers of its own in their places.
            "data-sending": tr("Sending {sent} of {files} files"),
            "data-answered": tr("The server answered {status}."),
        },
    )
    return html.Div(
        [
            page_head(tr("Import results"), tr(WHAT)),
            html.Section([drop, html.P(tr(HOW_SHOWN), className="study-note")], className="panel"),
            panel(
                tr("A study exported from PEFT Atlas"),
                html.P(tr(EXPORTED), className="quiet"),
                html.Button(tr("Choose its JSON file"), className="button button-plain", **{"data-import": "study"}),
            ),
            dcc.Store(id="import-report"),
            html.Div(id="import-result"),
        ],
        className="import-page",
    )


@reading(Output("import-result", "children"), Input("import-report", "data"), prevent_initial_call=True)
async def show_report(told: dict[str, Any] | None) -> Any:
    """What became of every file, and the studies they made."""
    if told is None:
        return no_update
    report = ImportReport.model_validate(told["report"])
    try:
        made = [await client().study(study) for study in report.study_ids]
    except ApiProblem as problem:
        made, told = [], told | {"problem": problem.detail}
    return [*_problem(told["problem"]), *_nothing(told["files"]), _counts(report), *_studies(made), *_refused(report)]


def _problem(detail: str | None) -> list[Any]:
    if detail is None:
        return []
    return [html.Div([html.B(tr("The import stopped. ")), detail], className="note note-bad", role="alert")]


def _nothing(files: int) -> list[Any]:
    words = tr("There is no file in what was given.")
    return [] if files else [html.Div(words, className="note note-warn", role="status")]


def _counts(report: ImportReport) -> html.Div:
    words = tr(
        "Files: {imported} imported · {unchanged} unchanged · {refused} refused",
        imported=report.imported,
        unchanged=report.unchanged,
        refused=len(report.refused),
    )
    return html.Div(words, className="note", role="status")


def _studies(made: list[StudyView]) -> list[Any]:
    if not made:
        return []
    entries = [
        html.Li(
            [
                dcc.Link(view.name, href=f"/studies/{view.id}", className="study-link"),
                " ",
                dcc.Link(tr("Ask it which method fits"), href=f"/recommend?study={view.id}", className="quiet"),
            ]
        )
        for view in made
    ]
    return [panel(tr("Studies"), html.Ul(entries, className="plain-list"))]


def _refused(report: ImportReport) -> list[Any]:
    if not report.refused:
        return []
    head = html.Tr([html.Th(tr("File")), html.Th(tr("Why it was refused"))])
    shown = report.refused[:MOST_REFUSED_SHOWN]
    more = len(report.refused) - len(shown)
    rest = [html.P(tr("And {count} more.", count=more), className="study-note")] if more else []
    return [panel(tr("Refused, one by one"), html.Div([table(head, [_row(file) for file in shown]), *rest]))]


def _row(file: RefusedFile) -> html.Tr:
    return html.Tr([html.Th(file.file, scope="row"), html.Td(file.reason)])
