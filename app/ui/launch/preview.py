"""What is in a dataset of one's own, and what its columns make of it, before a study reads it."""

from typing import Any

from dash import Input, Output, State, html, no_update

from app.client import ApiProblem
from app.language import tr, trn
from app.schemas import DatasetColumn, DatasetMapping, DatasetPreview, DatasetView
from app.ui.elements import facts, panel
from app.ui.launch.draft import component_of
from app.ui.launch.opening import OWN
from app.ui.launch.task import ROLES, task_document
from app.ui.numbers import by_formula, show
from app.ui.policy import reading
from app.ui.session import client

LABEL_NAMES = ("label", "labels", "class", "category", "target", "sentiment", "intent", "score", "rating", "y")
MOST_SHOWN_CLASSES = 8
MOST_CELL = 120
"""Characters of a cell that a preview shows."""


async def take_upload(told: dict[str, Any] | None, *columns: str) -> Any:
    """An uploaded file becomes the study's dataset, its columns guessed where those named are not there."""
    if told is None:
        return (no_update,) * (3 + len(ROLES) + 1)
    if "problem" in told:
        return (no_update,) * (3 + len(ROLES)) + (_refused(told["problem"]),)
    try:
        preview = await client().preview_dataset(told["dataset"]["id"])
        uploaded = await client().datasets()
    except ApiProblem as problem:
        return (no_update,) * (3 + len(ROLES)) + (_refused(problem.detail),)
    guessed = guess_columns(preview.columns)
    there = {column.name for column in preview.columns}
    kept = [named if named in there else guessed.get(role, "") for role, named in zip(ROLES, columns, strict=True)]
    files = [one.dataset for one in uploaded]
    return (OWN, preview.dataset.dataset, files, *kept, None)


def _refused(detail: str) -> html.Div:
    return html.Div([html.B(tr("Not kept.")), " ", detail], className="note note-bad")


def guess_columns(columns: list[DatasetColumn]) -> dict[str, str]:
    """The columns that look like text and label: the longest texts, and the one named so or of the fewest values."""
    texts = [column for column in columns if column.longest is not None]
    found: dict[str, str] = {}
    if texts:
        found["text"] = max(texts, key=lambda column: column.median or 0).name
    others = [column for column in columns if column.name != found.get("text") and column.filled]
    named = [column for column in others if column.name.lower() in LABEL_NAMES]
    few = sorted((column for column in others if column.counts), key=lambda column: len(column.counts))
    if label := next(iter([*named, *few]), None):
        found["label"] = label.name
    return found


async def show_preview(
    task: str, dataset: str, kind: str, kind_columns: dict[str, dict[str, Any]], *columns: str
) -> Any:
    """First rows, what each column holds, and what they are as this kind of task; nothing of a file that was not
    uploaded here."""
    unknown: tuple[Any, ...] = ([], {}, *([] for _ in ROLES))
    if task != OWN or not dataset:
        return unknown
    named = dict(zip(ROLES, columns, strict=True))
    entry = task_document(task, dataset, kind, named, kind_columns.get(kind, {}))
    try:
        known = next((one for one in await client().datasets() if one.dataset == dataset), None)
        if known is None:
            return unknown
        asked = {name: value for name, value in entry.items() if name != "dataset"}
        preview = await client().preview_dataset(known.id, **(asked if "text" in entry else {}))
    except ApiProblem as problem:
        return (html.Div(problem.detail, className="note note-bad"), {}, *([] for _ in ROLES))
    names = [column.name for column in preview.columns]
    read = [named[role] for role in ROLES if role in entry and role != "choices"]
    return (preview_panel(preview, read), _problems(preview.mapping, entry), *(names for _ in ROLES))


def _problems(mapping: DatasetMapping | None, entry: dict[str, Any]) -> dict[str, str]:
    found = mapping.problems if mapping else []
    return {component_of(one.field, {"task": entry}, one.message) or "study-dataset": one.message for one in found}


def preview_panel(preview: DatasetPreview, columns: list[str]) -> html.Section:
    """The file in numbers, what a mapping of `columns` makes of it, its columns and its first rows."""
    dataset = preview.dataset
    body = [
        facts(
            {
                tr("File"): dataset.name,
                tr("Rows"): _count(dataset, dataset.rows, "dataset_rows"),
                tr("Columns"): _count(dataset, len(dataset.columns), "dataset_columns"),
                tr("Size"): show(
                    by_formula(dataset.bytes, "bytes", f"dataset_bytes(dataset {dataset.id})", exact=True)
                ),
            }
        ),
        *_mapped(dataset, preview.mapping, columns),
        html.Div(
            _rows_table(preview),
            className="table-scroll",
            tabIndex="0",
            role="region",
            **{"aria-label": tr("First rows")},
        ),
        html.Details(
            [html.Summary(tr("What each column holds")), html.Div(_column_table(preview), className="table-scroll")],
            className="more",
        ),
    ]
    return panel(tr("What is in it"), html.Div(body, **{"data-region": "evidence"}))


def _count(dataset: DatasetView, value: int, formula: str) -> html.Span:
    return show(by_formula(value, "count", f"{formula}(dataset {dataset.id})", exact=True))


def _mapped(dataset: DatasetView, mapping: DatasetMapping | None, columns: list[str]) -> list[Any]:
    if mapping is None or mapping.problems or mapping.items is None or mapping.splits is None:
        return []
    splits = mapping.splits

    def counted(value: int, name: str) -> html.Span:
        formula = f"dataset_mapping(dataset {dataset.id}, columns {'|'.join(columns)}, figure {name})"
        return show(by_formula(value, "count", formula, exact=True))

    said = {tr("Items"): counted(mapping.items, "items")}
    if mapping.duplicates_removed:
        said[tr("Duplicates left out")] = counted(mapping.duplicates_removed, "duplicates")
    said |= {
        tr("Training"): counted(splits.train, "train"),
        tr("Validation"): counted(splits.validation, "validation"),
        tr("Test"): counted(splits.test, "test"),
    }
    shown = list(mapping.labels.items())[:MOST_SHOWN_CLASSES]
    classes = [
        html.Li([html.Span(name, **{"data-label": "class"}), " ", counted(count, f"class {place}")])
        for place, (name, count) in enumerate(shown)
    ]
    more = len(mapping.labels) - len(shown)
    rest = [html.Li(trn("and one more class", "and {count} more classes", more), **{"data-label": "more"})]
    listed = [html.Ul([*classes, *(rest if more > 0 else [])], className="class-counts")] if classes else []
    return [facts(said), *listed]


def _rows_table(preview: DatasetPreview) -> html.Table:
    names = preview.dataset.columns
    head = html.Tr([html.Th(name, scope="col") for name in names])
    rows = [html.Tr([html.Td(_cell(row.get(name))) for name in names]) for row in preview.head]
    return html.Table([html.Thead(head), html.Tbody(rows)], className="plain preview", **{"data-label": "rows"})


def _cell(value: Any) -> str:
    text = "–" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= MOST_CELL else f"{text[:MOST_CELL]}…"


def _column_table(preview: DatasetPreview) -> html.Table:
    titles = (tr("Column"), tr("Holds"), tr("Filled"), tr("Different"), tr("Characters, median and longest"))
    rows = [_column_row(preview.dataset, place, column) for place, column in enumerate(preview.columns)]
    head = html.Thead(html.Tr([html.Th(title, scope="col") for title in titles]))
    return html.Table([head, html.Tbody(rows)], className="plain")


def _column_row(dataset: DatasetView, place: int, column: DatasetColumn) -> html.Tr:
    def figure(value: int | None, name: str) -> Any:
        if value is None:
            return "–"
        asked = f"dataset_column(dataset {dataset.id}, column {place}, figure {name})"
        return show(by_formula(value, "count", asked, exact=True))

    lengths = [figure(column.median, "median"), " / ", figure(column.longest, "longest")]
    return html.Tr(
        [
            html.Th(column.name, scope="row", **{"data-label": "column"}),
            html.Td(column.kind),
            html.Td(figure(column.filled, "filled"), className="number"),
            html.Td(figure(column.distinct, "distinct"), className="number"),
            html.Td(lengths if column.longest is not None else "–", className="number"),
        ]
    )


def register() -> None:
    """Declare what the preview does. By each application anew, for Dash gives callbacks to the first that it serves."""
    named = [State(f"study-{role}-column", "value") for role in ROLES]
    reading(
        Output("study-task", "value"),
        Output("study-dataset", "value"),
        Output("study-dataset", "data"),
        *(Output(f"study-{role}-column", "value") for role in ROLES),
        Output("dataset-problem", "children"),
        Input("study-uploaded", "data"),
        *named,
        prevent_initial_call=True,
    )(take_upload)
    reading(
        Output("dataset-preview", "children"),
        Output("mapping-problems", "data"),
        *(Output(f"study-{role}-column", "data") for role in ROLES),
        Input("study-task", "value"),
        Input("study-dataset", "value"),
        Input("study-kind", "value"),
        State("kind-columns", "data"),
        *(Input(f"study-{role}-column", "value") for role in ROLES),
    )(show_preview)
