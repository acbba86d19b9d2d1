"""The panel of storage: what takes room study by study, what is left of the disk, and freeing leftovers."""

from typing import Any

from dash import Input, Output, dcc, html, no_update

from app.client import ApiProblem
from app.language import filled, tr, trn
from app.schemas import StorageView, StudyStorage
from app.ui.elements import facts
from app.ui.numbers import by_formula, show
from app.ui.policy import writing
from app.ui.session import client


def storage_panel(found: StorageView) -> html.Section:
    button = html.Button(
        tr("Free leftovers"),
        id="admin-sweep",
        className="button button-plain",
        type="button",
        title=tr("Deletes what lost workers and interrupted deletions have left; nothing that a run refers to."),
    )
    head = html.Div([html.H2(tr("Storage")), button], className="panel-head")
    return html.Section(
        [
            head,
            html.Div(id="admin-storage-note", className="problem", role="status"),
            html.Div(storage_view(found), id="admin-storage"),
        ],
        className="panel",
        id="storage",
    )


def storage_view(found: StorageView) -> list[Any]:
    """The disk as one bar, the totals, and the studies that keep most."""
    return [_disk(found), facts(_totals(found)), html.P([html.Code(found.store)], className="quiet"), _studies(found)]


def _disk(found: StorageView) -> html.Div:
    used = 1 - found.disk_free_bytes / found.disk_total_bytes
    words = filled(
        "{free} of {total} are free; a launch is refused that would leave less than {kept}.",
        free=_bytes(found.disk_free_bytes, "disk_free"),
        total=_bytes(found.disk_total_bytes, "disk_total"),
        kept=_bytes(found.kept_free_bytes, "kept_free"),
    )
    full = found.disk_free_bytes < found.kept_free_bytes
    bar = html.Div(
        html.Div(style={"width": f"{100 * used:.0f}%"}, className="admin-full" if full else None),
        className="bar admin-disk",
        **{"aria-hidden": "true"},
    )
    return html.Div([html.P(words), bar])


def _totals(found: StorageView) -> dict[str, Any]:
    return {
        tr("Files of runs"): filled(
            "{size} in {count} files",
            size=_bytes(found.file_bytes, "stored_files"),
            count=_count(found.files, "stored_files"),
        ),
        tr("Checkpoints on the way"): _bytes(found.checkpoint_bytes, "checkpoints"),
        tr("Uploaded datasets"): _bytes(found.dataset_bytes, "datasets"),
        tr("Database"): _bytes(found.database_bytes, "database"),
    }


def _studies(found: StorageView) -> Any:
    if not found.studies:
        return html.P(
            tr("No run keeps a file yet: adapters of reporting runs are kept when they end."), className="quiet"
        )
    titles = (tr("Study"), tr("Room"), tr("Files"), tr("Runs that keep files"))
    head = html.Thead(html.Tr([html.Th(title, scope="col") for title in titles]))
    largest = found.studies[0].bytes
    table = html.Table([head, html.Tbody([_row(one, largest) for one in found.studies])], className="plain")
    parts: list[Any] = [html.Div(table, className="table-scroll", tabIndex="0")]
    if found.other_studies:
        more = trn("{count} more study keeps less.", "{count} more studies keep less.", found.other_studies)
        parts.append(html.P(more, className="quiet"))
    parts.append(html.P(tr("A study's page can delete it with all it keeps."), className="quiet"))
    return html.Div(parts)


def _row(one: StudyStorage, largest: int) -> html.Tr:
    share = one.bytes / largest if largest else 0.0
    bar = html.Div(html.Div(style={"width": f"{100 * share:.0f}%"}), className="bar", **{"aria-hidden": "true"})
    name = dcc.Link(one.name, href=f"/studies/{one.study}", className="study-link")
    of = f"study {one.study}"
    cells = [
        name,
        [_bytes(one.bytes, "stored_files", of), bar],
        _count(one.files, "stored_files", of),
        _count(one.runs, "runs_with_files", of),
    ]
    return html.Tr([html.Td(cell) for cell in cells])


def _bytes(value: int, formula: str, of: str = "") -> html.Span:
    return show(by_formula(value, "bytes", f"{formula}({of})", exact=True))


def _count(value: int, formula: str, of: str = "") -> html.Span:
    return show(by_formula(value, "count", f"{formula}({of})", exact=True))


def register() -> None:
    """Declared by the page, for Dash gives callbacks to the first application that it serves."""
    writing(
        Output("admin-storage", "children"),
        Output("admin-storage-note", "children"),
        Input("admin-sweep", "n_clicks"),
        prevent_initial_call=True,
    )(sweep)


async def sweep(clicks: int | None) -> Any:
    """Free what nobody refers to, and say that it is done."""
    if not clicks:
        return no_update, no_update
    try:
        found = await client().sweep_storage()
    except ApiProblem as problem:
        return no_update, html.Div(problem.detail, className="note note-bad", role="alert")
    return storage_view(found), html.Div(
        tr("Leftovers are gone. Results and adapters are untouched."), className="note"
    )
