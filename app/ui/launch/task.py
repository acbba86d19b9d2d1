"""The task of a new study: a registered one, or a dataset of one's own, uploaded or named, with its columns."""

from collections.abc import Collection, Mapping
from typing import Any

import dash_mantine_components as dmc
from dash import Input, Output, clientside_callback, dcc, html

from app.client import ApiProblem
from app.language import mark, tr
from app.schemas import DATASET_FORMS, LARGEST_DATASET_BYTES, DatasetView, TaskCard, TaskKindCard
from app.ui.elements import facts, panel
from app.ui.launch.opening import OWN, Filling
from app.ui.numbers import by_formula, format_value, show
from app.ui.policy import reading
from app.ui.session import client

ROLES = ("text", "label", "pair", "choices", "group")
GROUP = (mark("Group column, optional"), mark("Rows with the same value stay together in one split."))


def task_step(
    tasks: list[TaskCard], kinds: list[TaskKindCard], uploaded: list[DatasetView], form: Filling
) -> list[Any]:
    """The study's name and task, and the fields for a dataset of one's own, hidden until it is wanted."""
    own_task = {"value": OWN, "label": tr("A dataset of my own")}
    sources = _sources(tasks, kinds)
    # Said at once, or the page below would move when the browser says it.
    source = html.P(sources.get(form.task or "", ""), id="task-source", className="quiet")
    fields = [
        dmc.TextInput(id="study-name", label=tr("Name"), value=form.name),
        dmc.Select(
            id="study-task",
            label=tr("Task"),
            value=form.task,
            allowDeselect=False,
            searchable=True,
            data=[*({"value": task.name, "label": task.title} for task in tasks), own_task],
        ),
        html.Div([html.Div(id="task-facts"), source], className="wide task-told"),
    ]
    own = html.Div(
        [_upload_zone(), html.Div(_own_dataset(kinds, uploaded, form), className="fields")],
        id="own-dataset",
        style={"display": "none"},
    )
    return [
        panel(tr("What is to be learned?"), [html.Div(fields, className="fields halves"), own]),
        html.Div(id="dataset-preview", role="status"),
        *_stores(tasks, kinds, sources),
    ]


def _sources(tasks: list[TaskCard], kinds: list[TaskKindCard]) -> dict[str, str]:
    titles = {kind.name: kind.title for kind in kinds}
    return {task.name: _origin(task, titles[task.kind]) for task in tasks}


def _stores(tasks: list[TaskCard], kinds: list[TaskKindCard], sources: dict[str, str]) -> list[dcc.Store]:
    return [
        dcc.Store(id="kind-columns", data={kind.name: _columns(kind) for kind in kinds}),
        dcc.Store(id="task-kinds", data={task.name: task.kind for task in tasks}),
        dcc.Store(id="task-sources", data=sources),
        dcc.Store(id="study-uploaded"),
        dcc.Store(id="mapping-problems"),
    ]


def _upload_zone() -> html.Div:
    forms = ",".join(DATASET_FORMS)
    most = format_value(LARGEST_DATASET_BYTES, "bytes")
    return html.Div(
        [
            html.P(tr("Drop a CSV, TSV, JSON lines or Parquet file here, or"), className="quiet"),
            html.Button(
                tr("Choose a file"), className="button button-plain", type="button", **{"data-launch": "dataset"}
            ),
            html.P(tr("At most {size}. It stays on this machine.", size=most), className="quiet"),
            html.P("", id="dataset-progress", className="quiet", role="status"),
            html.Div(id="dataset-problem", role="alert"),
        ],
        id="dataset-drop",
        className="drop launch-drop",
        **{
            "data-forms": forms,
            "data-largest": str(LARGEST_DATASET_BYTES),
            "data-sending": tr("Sending and reading the file…"),
            "data-too-large": tr("This file is larger than {size}. Give a smaller one.", size=most),
            "data-lost": tr("The server could not be reached. Nothing was kept; try again."),
        },
    )


def _own_dataset(kinds: list[TaskKindCard], uploaded: list[DatasetView], form: Filling) -> list[Any]:
    where = tr(
        "An uploaded file; or a file or folder under the home's datasets or an allowed root; or org/name of a hub."
    )
    columns = [
        html.Div(
            dmc.Autocomplete(id=f"study-{role}-column", label=role, value=form.columns.get(role, ""), data=[]),
            id=f"column-{role}",
        )
        for role in ROLES
    ]
    return [
        html.Div(
            dmc.Autocomplete(
                id="study-dataset",
                label=tr("Dataset"),
                value=form.dataset,
                description=where,
                data=[one.dataset for one in uploaded],
            ),
            className="wide",
        ),
        dmc.Select(
            id="study-kind",
            label=tr("Kind of task"),
            value=form.kind,
            allowDeselect=False,
            data=[{"value": kind.name, "label": kind.title} for kind in kinds],
        ),
        *columns,
    ]


def _columns(kind: TaskKindCard) -> dict[str, dict[str, str]]:
    """What the form says of each column that a kind of task reads."""
    read: dict[str, dict[str, str]] = {}
    for column in kind.columns:
        title = (
            tr("{title} column", title=column.title)
            if column.required
            else tr("{title} column, optional", title=column.title)
        )
        separated = tr(" Separate their names by commas.") if column.role == "choices" else ""
        read[column.role] = {"title": title, "meaning": column.meaning + separated}
    return read | {"group": {"title": tr(GROUP[0]), "meaning": tr(GROUP[1])}}


def _origin(task: TaskCard, kind: str) -> str:
    """What the form says below the choice: what kind of task it is, where it comes from and whom to cite."""
    said = [
        f"{task.title}.",
        tr("{kind}, scored by {metric}.", kind=kind, metric=task.metric),
        tr("Source: {source}.", source=task.source),
        tr("Licence: {licence}.", licence=task.licence),
    ]
    return " ".join([*said, *([tr("Please cite: {citation}.", citation=task.citation)] if task.citation else [])])


async def tell_task(name: str) -> Any:
    """The sizes of a registered task's splits, its classes and how it is scored."""
    try:
        card = next((task for task in await client().tasks() if task.name == name), None)
    except ApiProblem as problem:
        return html.Div(problem.detail, className="note note-warn")
    if card is None:
        return None

    def items(split: str) -> html.Span:
        formula = f"task_items(task {card.name}, split {split})"
        return show(by_formula(getattr(card.splits, split), "count", formula, exact=True))

    known = {tr("Training"): items("train"), tr("Validation"): items("validation"), tr("Test"): items("test")}
    if card.labels:
        known[tr("Classes")] = html.Span(", ".join(card.labels), **{"data-label": "classes"})
    return html.Div(facts(known), **{"data-region": "evidence"})


def task_document(task: str, dataset: str, kind: str, columns: Mapping[str, str | None], read: Collection[str]) -> Any:
    """The study document's `task`: a registered name, or a dataset with the columns that its kind reads."""
    if task != OWN:
        return task
    given = {role: (column or "").strip() for role, column in columns.items()}
    document: dict[str, Any] = {"dataset": dataset, "kind": kind}
    document |= {role: column for role, column in given.items() if role in read and column}
    if "choices" in document:
        document["choices"] = [choice.strip() for choice in document["choices"].split(",") if choice.strip()]
    return document


def register() -> None:
    """Declare what the panel does. By each application anew, for Dash gives callbacks to the first that it serves."""
    clientside_callback(
        "task => ({display: task === 'own' ? 'grid' : 'none'})",
        Output("own-dataset", "style"),
        Input("study-task", "value"),
    )
    reading(Output("task-facts", "children"), Input("study-task", "value"))(tell_task)
    clientside_callback(
        "(task, tasks) => tasks[task] ?? ''",
        Output("task-source", "children"),
        Input("study-task", "value"),
        Input("task-sources", "data"),
    )
    clientside_callback(
        f"""(kind, read) => {{
            const roles = {list(ROLES)}, said = read[kind];
            return [
                ...roles.map(role => ({{display: said[role] ? 'block' : 'none'}})),
                ...roles.map(role => said[role]?.title ?? role),
                ...roles.map(role => said[role]?.meaning ?? ''),
            ];
        }}""",
        *(Output(f"column-{role}", "style") for role in ROLES),
        *(Output(f"study-{role}-column", "label") for role in ROLES),
        *(Output(f"study-{role}-column", "description") for role in ROLES),
        Input("study-kind", "value"),
        Input("kind-columns", "data"),
    )
