"""The task and the base model of a new study: a registered one, or a dataset and a folder of one's own."""

from collections.abc import Collection
from typing import Any

import dash_mantine_components as dmc
from dash import Input, Output, clientside_callback, dcc, html

from app.schemas import BaseModelCard, TaskCard, TaskKindCard
from app.ui.elements import panel
from app.ui.launch.filling import OWN, Filling
from app.ui.numbers import format_value

TYPING_MILLISECONDS = 400
"""So long after the last letter a base model is looked at."""

ROLES = ("text", "label", "pair", "choices", "group")
GROUP = {"title": "Group column, optional", "meaning": "Rows with the same value stay together in one split."}


def task_panel(
    tasks: list[TaskCard], kinds: list[TaskKindCard], models: list[BaseModelCard], form: Filling
) -> html.Section:
    """Task, base model, and the fields for datasets and folders of one's own, hidden until they are wanted."""
    own_task = {"value": OWN, "label": "A dataset of my own"}
    own_model = {"value": OWN, "label": "A folder of my own"}
    fields = [
        html.Div(dmc.TextInput(id="study-name", label="Name", value=form.name), className="wide"),
        dmc.Select(
            id="study-task",
            label="Task",
            value=form.task,
            allowDeselect=False,
            searchable=True,
            data=[*({"value": task.name, "label": task.title} for task in tasks), own_task],
        ),
        dmc.Select(
            id="study-base-model",
            label="Base model",
            value=form.base_model,
            allowDeselect=False,
            data=[*({"value": model.name, "label": _model_title(model)} for model in models), own_model],
        ),
        html.Div(_own_dataset(kinds, form), id="own-dataset", className="fields wide", style={"display": "none"}),
        html.Div(
            dmc.TextInput(
                id="study-base-model-path",
                label="Model folder",
                value=form.folder,
                debounce=TYPING_MILLISECONDS,
                description="Under the home's models folder or an allowed root; or org/name of a hub.",
            ),
            id="own-model",
            className="wide",
            style={"display": "none"},
        ),
        html.Div([html.P(id="task-source"), html.P(id="model-source")], className="quiet wide"),
    ]
    read = {kind.name: _columns(kind) for kind in kinds}
    kind_of = {task.name: task.kind for task in tasks}
    stores = [
        dcc.Store(id="kind-columns", data=read),
        dcc.Store(id="task-kinds", data=kind_of),
        dcc.Store(id="task-sources", data={task.name: _origin(task, task.citation) for task in tasks}),
        dcc.Store(id="model-sources", data={model.name: _origin(model) for model in models}),
    ]
    return panel("Task and base model", [html.Div(fields, className="fields halves"), *stores])


def _columns(kind: TaskKindCard) -> dict[str, dict[str, str]]:
    """What the form says of each column that a kind of task reads."""
    read: dict[str, dict[str, str]] = {}
    for column in kind.columns:
        separated = " Separate their names by commas." if column.role == "choices" else ""
        optional = "" if column.required else ", optional"
        read[column.role] = {"title": f"{column.title} column{optional}", "meaning": column.meaning + separated}
    return read | {"group": GROUP}


def _own_dataset(kinds: list[TaskKindCard], form: Filling) -> list[Any]:
    columns = [
        html.Div(
            dmc.TextInput(id=f"study-{role}-column", label=role, value=form.columns.get(role, "")),
            id=f"column-{role}",
        )
        for role in ROLES
    ]
    return [
        dmc.TextInput(
            id="study-dataset",
            label="Dataset",
            value=form.dataset,
            description="A file or folder under the home's datasets folder or an allowed root; or org/name of a hub.",
        ),
        dmc.Select(
            id="study-kind",
            label="Kind of task",
            value=form.kind,
            allowDeselect=False,
            data=[{"value": kind.name, "label": kind.title} for kind in kinds],
        ),
        *columns,
    ]


def _origin(card: TaskCard | BaseModelCard, citation: str | None = None) -> str:
    """What the form says below the choices: what it is and where it comes from."""
    parts = {"Source": card.source, "Licence": card.licence, "Please cite": citation}
    said = ". ".join(f"{name}: {text}" for name, text in parts.items() if text)
    return f"{card.title}. {said}."


def _model_title(model: BaseModelCard) -> str:
    return f"{model.name} ({model.model_type}, {format_value(model.parameters, 'count')} parameters)"


def task_document(task: str, dataset: str, kind: str, columns: dict[str, str], read: Collection[str]) -> Any:
    """The study document's `task`: a registered name, or a dataset with the columns that its kind reads."""
    if task != OWN:
        return task
    named = {role: column.strip() for role, column in columns.items() if role in read and column.strip()}
    document: dict[str, Any] = {"dataset": dataset, "kind": kind} | named
    if "choices" in named:
        document["choices"] = [choice.strip() for choice in named["choices"].split(",") if choice.strip()]
    return document


def register() -> None:
    """Declare what the panel does. By each application anew, for Dash gives callbacks to the first that it serves."""
    clientside_callback(
        """(task, model) => [
            {display: task === 'own' ? 'grid' : 'none'}, {display: model === 'own' ? 'block' : 'none'}
        ]""",
        Output("own-dataset", "style"),
        Output("own-model", "style"),
        Input("study-task", "value"),
        Input("study-base-model", "value"),
    )
    clientside_callback(
        "(task, model, tasks, models) => [tasks[task] ?? '', models[model] ?? '']",
        Output("task-source", "children"),
        Output("model-source", "children"),
        Input("study-task", "value"),
        Input("study-base-model", "value"),
        Input("task-sources", "data"),
        Input("model-sources", "data"),
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
