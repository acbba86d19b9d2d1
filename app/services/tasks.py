"""Which tasks a study may name: a registered one, or a dataset of one's own."""

from pathlib import Path

from app.errors import Invalid
from app.schemas import TaskCard, TaskEntry
from app.services.roots import resolve_under
from app.settings import Settings
from peft_core import assets
from peft_core.data import inspect_dataset
from peft_core.errors import InvalidDataset, UnknownName
from peft_core.spec import Columns, Splits, TaskSpec
from peft_core.task import Task, task_kind

VARIABLE = "PEFT_ATLAS_DATASET_ROOTS"


def find_task(settings: Settings, entry: str | TaskEntry) -> TaskSpec:
    """The task a study document names, its dataset read and split; raises Invalid naming the wrong field."""
    if isinstance(entry, str):
        registered = assets.tasks()
        if entry not in registered:
            known = ", ".join(sorted(registered))
            raise Invalid(
                f"There is no task named {entry[:200]!r}. Choose one of: {known}; or name a dataset of your own.",
                field="task",
            )
        asset = registered[entry]
        return _spec(entry, asset.kind, asset.dataset, asset.columns, asset.splits)
    path = resolve_under(
        settings.roots_for_datasets(), entry.dataset, variable=VARIABLE, field="task.dataset", what="dataset"
    )
    return _spec(path.stem, entry.kind, path, entry.columns(), entry.splits)


def _spec(name: str, kind: str, path: Path, columns: Columns, splits: Splits | None) -> TaskSpec:
    try:
        task = task_kind(kind)
    except UnknownName as error:
        raise Invalid(str(error), field="task.kind") from None
    _check_columns(task, columns)
    try:
        summary = inspect_dataset(path, kind=task, columns=columns, splits=splits)
    except InvalidDataset as error:
        raise Invalid(str(error), field="task.dataset") from None
    return TaskSpec(
        name=name,
        kind=kind,
        dataset=path,
        dataset_sha256=summary.sha256,
        **columns.model_dump(),
        labels=summary.labels,
        splits=summary.splits,
    )


def _check_columns(task: type[Task], columns: Columns) -> None:
    """Every column that this kind of task needs is named, and none that it does not read."""
    named = columns.model_dump()
    for column in task.columns:
        if column.required and not named[column.role]:
            raise Invalid(f"{task.title} needs a {column.role} column: {column.meaning}", field=f"task.{column.role}")
    read = {column.role for column in task.columns} | {"group"}
    for role, name in named.items():
        if name and role not in read:
            raise Invalid(f"{task.title} reads no {role} column. Remove it.", field=f"task.{role}")


def list_tasks() -> list[TaskCard]:
    """The registered tasks with their splits, labels, source and licence."""
    return [_card(asset) for asset in assets.tasks().values()]


def _card(asset: assets.TaskAsset) -> TaskCard:
    summary = inspect_dataset(asset.dataset, kind=task_kind(asset.kind), columns=asset.columns, splits=asset.splits)
    return TaskCard(
        name=asset.name,
        title=asset.title,
        kind=asset.kind,
        dataset=asset.dataset.name,
        **asset.columns.model_dump(),
        labels=list(summary.labels),
        splits=summary.splits,
        metric=task_kind(asset.kind).headline,
        source=asset.source,
        licence=asset.licence,
    )
