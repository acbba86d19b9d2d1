"""The files that a run left, one by one or as an archive, and its model merged so that others can load it."""

from typing import Any

import dash_mantine_components as dmc
from dash import Input, Output, State, ctx, html, no_update

from app.client import ApiProblem
from app.language import filled, tr, trn
from app.schemas import ArtifactView, RunDetail
from app.ui.elements import panel
from app.ui.numbers import by_formula, format_value, show
from app.ui.policy import reading, writing
from app.ui.session import client

HASH_CHARACTERS = 12
ADAPTER, MERGED = "adapter/", "merged/"


def files_panel(run: RunDetail) -> html.Section:
    """What there is to take away; where there is nothing, why."""
    if not run.artifacts:
        return panel(tr("Files"), html.P(_why_none(run), className="quiet"))
    archive = html.A(
        tr("All as a zip file"),
        href=f"/api/v1/runs/{run.id}/artifacts.zip",
        className="button button-plain",
        download="",
    )
    titles = {tr("File"): "", tr("Size"): "number", tr("SHA-256"): ""}
    head = html.Thead(html.Tr([html.Th(title, scope="col", className=how) for title, how in titles.items()]))
    rows = html.Tbody([_row(run.id, file) for file in run.artifacts])
    table = html.Div(html.Table([head, rows], className="plain run-files"), className="table-scroll", tabIndex="0")
    return panel(tr("Files"), [html.P(_in_all(run), className="quiet", **{"data-region": "evidence"}), table], archive)


def _why_none(run: RunDetail) -> str:
    if run.source == "imported":
        return tr("This run was imported: its files stayed where it was trained.")
    if run.status in ("queued", "running"):
        return tr("Files come when the run has ended well.")
    if run.status == "succeeded" and run.purpose == "report":
        return tr("This run's files are not kept any more.")
    if run.purpose != "report":
        return tr("Only reporting runs keep their files; this one was made to choose or to measure.")
    return tr("This run did not end well and left no files.")


def _in_all(run: RunDetail) -> list[Any]:
    size = sum(file.size_bytes for file in run.artifacts)
    number = show(by_formula(size, "bytes", f"bytes_of_files(run {run.id})", exact=True))
    count = trn("{count} file", "{count} files", len(run.artifacts))
    return filled(
        "{files}, {size} in all. The adapter loads on the base model that the study names.",
        files=html.Span(count, **{"data-id": str(len(run.artifacts))}),
        size=number,
    )


def _row(run_id: int, file: ArtifactView) -> html.Tr:
    link = html.A(file.path, href=f"/api/v1/runs/{run_id}/artifacts/{file.id}", download="")
    short = html.Code(file.sha256[:HASH_CHARACTERS], title=file.sha256)
    return html.Tr([html.Td(link), html.Td(format_value(file.size_bytes, "bytes"), className="number"), html.Td(short)])


# -- the merged model -------------------------------------------------------------------------------------------------


def merge_panel(run: RunDetail) -> Any:
    """A button for a run that has a model; the API itself says where it cannot be merged."""
    if not any(file.path.startswith(ADAPTER) for file in run.artifacts):
        return None
    merged = [file for file in run.artifacts if file.path.startswith(MERGED)]
    what = tr(
        "Merging writes the adapter into the base model's weights. The files that come out load with transformers"
        " alone, and answer as fast as the base model does."
    )
    button = html.Button(
        tr("Merge into the base model"), id="run-merge", className="button button-plain", type="button"
    )
    state = merged_words(run.id, merged) if merged else button
    return panel(
        tr("Merged model"),
        [
            html.P(what, className="quiet"),
            html.Div(state, id="run-merge-state", role="status"),
            html.Div(
                dmc.Progress(value=100, striped=True, animated=True, **{"aria-label": tr("A worker is merging")}),
                id="run-merge-wait",
                hidden=True,
            ),
            _confirmation(),
        ],
    )


def _confirmation() -> dmc.Modal:
    return dmc.Modal(
        [
            html.P(
                tr(
                    "A worker loads the base model, merges the adapter and keeps a whole model beside the run's files:"
                    " as large as the base model. What the run left stays as it is."
                )
            ),
            html.Div(
                [
                    dmc.Button(tr("Not now"), id="run-merge-no", variant="default"),
                    dmc.Button(tr("Merge"), id="run-merge-yes"),
                ],
                className="modal-actions",
            ),
        ],
        id="run-merge-ask",
        title=tr("Merge this run's adapter?"),
        centered=True,
        opened=False,
    )


def merged_words(run_id: int, files: list[ArtifactView]) -> list[Any]:
    """What the merge did, and where its files are."""
    size = by_formula(sum(file.size_bytes for file in files), "bytes", f"merged_bytes(run {run_id})", exact=True)
    words = filled(
        "Merged: {size} of files under {folder} in the list of files. Load that folder with {code}.",
        size=html.Span(show(size), **{"data-region": "evidence"}),
        folder=html.Code(MERGED),
        code=html.Code("AutoModel.from_pretrained"),
    )
    links = [
        html.Li([html.A(file.path, href=f"/api/v1/runs/{run_id}/artifacts/{file.id}", download="")]) for file in files
    ]
    return [html.P(words), html.Ul(links, className="run-merged")]


def register() -> None:
    """Declare what the panel does. By each application anew, for Dash gives callbacks to the first that it serves."""
    reading(
        Output("run-merge-ask", "opened"),
        Input("run-merge", "n_clicks"),
        Input("run-merge-no", "n_clicks"),
        Input("run-merge-yes", "n_clicks"),
        prevent_initial_call=True,
    )(ask)
    writing(
        Output("run-merge-state", "children"),
        Output("run-files", "children", allow_duplicate=True),
        Input("run-merge-yes", "n_clicks"),
        State("run-id", "data"),
        running=[(Output("run-merge-wait", "hidden"), False, True), (Output("run-merge", "disabled"), True, False)],
        prevent_initial_call=True,
    )(merge)


async def ask(asked: int | None, _no: int | None, _yes: int | None) -> Any:
    """The question before it, open or closed."""
    return bool(asked) and ctx.triggered_id == "run-merge"


async def merge(clicks: int | None, run_id: int) -> Any:
    """Merge, and say what it did; a refusal in the API's own words, with the button still there."""
    if not clicks:
        return no_update, no_update
    api = client()
    try:
        done = await api.merge(run_id)
        run = await api.run(run_id)
    except ApiProblem as problem:
        again = html.Button(tr("Try again"), id="run-merge", className="button button-plain", type="button")
        return [html.Div(problem.detail, className="note note-bad", role="alert"), again], no_update
    return merged_words(run_id, done.artifacts), files_panel(run)
