"""Which tasks a study may name: a registered one, or a dataset of one's own."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from app.errors import Invalid
from app.language import mark, tr
from app.schemas import TaskCard, TaskEntry, TaskKindCard
from app.services.hub import fetch_hub_dataset
from app.services.roots import lies_under, resolve_under
from app.settings import Settings
from peft_core import assets
from peft_core.asset import TaskAsset
from peft_core.data import DatasetSummary, inspect_dataset
from peft_core.dataset_files import files_of
from peft_core.errors import InvalidDataset, UnknownName
from peft_core.hub import is_hub_name
from peft_core.spec import Columns, HubSource, Splits, TaskSpec
from peft_core.task import Column, task_kind
from peft_core.task import tasks as task_kinds

VARIABLE = "PEFT_ATLAS_DATASET_ROOTS"

Stamps = tuple[tuple[str, int, int], ...]
"""Name, size and time of change of each file of a dataset."""


def find_task(settings: Settings, entry: str | TaskEntry) -> TaskSpec:
    """The task a study document names, its dataset read and split; raises Invalid naming the wrong field.

    Raises MissingAsset for a registered task that nobody has fetched.
    """
    if isinstance(entry, str):
        registered = assets.tasks()
        if entry not in registered:
            assets.refuse_missing(entry)
            known = ", ".join(sorted(registered))
            raise Invalid(
                f"There is no task named {entry[:200]!r}. Choose one of: {known}; or name a dataset of your own.",
                field="task",
            )
        asset = registered[entry]
        return _spec(entry, asset.kind, asset.dataset, asset.columns, _summary(asset))
    roots = settings.roots_for_datasets()
    if is_hub_name(entry.dataset) and not lies_under(roots, entry.dataset, settings.is_of_another):
        found = fetch_hub_dataset(settings, entry)
        summary, name = _own_summary(found.folder, entry), found.source.repository
        return _spec(name, entry.kind, found.folder, entry.columns(), summary, found.source)
    named = entry.dataset if entry.folder is None else f"{entry.dataset}/{entry.folder}"
    path = _under(settings, named, mark("dataset"))
    _refuse_links_out(settings, path, named)
    return _spec(path.stem, entry.kind, path, entry.columns(), _own_summary(path, entry))


def _under(settings: Settings, named: str, what: str) -> Path:
    return resolve_under(
        settings.roots_for_datasets(),
        named,
        hidden=settings.is_of_another,
        variable=VARIABLE,
        field="task.dataset",
        what=what,
    )


def _refuse_links_out(settings: Settings, path: Path, named: str) -> None:
    """The files of a folder may be links: each of them has to lie under an allowed root too. One with a file of another
    team in it is as good as absent."""
    try:
        files = files_of(path)
    except InvalidDataset as error:
        raise Invalid(str(error), field="task.dataset") from None
    if any(settings.is_of_another(file.resolve()) for file in files):
        raise Invalid(tr("There is no dataset {name!r} of yours.", name=named[:200]), field="task.dataset")
    for file in files:
        _under(settings, str(file), mark("dataset file"))


def pinned(entry: str | TaskEntry, task: TaskSpec) -> str | TaskEntry:
    """The entry of a study document that means the same for good: a hub's dataset with its commit."""
    if isinstance(entry, str) or task.source is None:
        return entry
    return entry.model_copy(update={"dataset": str(task.source), "folder": task.source.folder})


def _own_summary(path: Path, entry: TaskEntry) -> DatasetSummary:
    check_mapping(entry)
    try:
        files = files_of(path)
    except InvalidDataset as error:
        raise Invalid(str(error), field="task.dataset") from None
    found = _read_dataset(path, entry.kind, entry.columns(), entry.splits, _stamps(files))
    if isinstance(found, InvalidDataset):
        raise Invalid(str(found), field="task.dataset")
    return found


def _summary(asset: TaskAsset) -> DatasetSummary:
    """What a registered dataset offers, read again only when a file of it has changed."""
    files = sorted(asset.dataset.iterdir()) if asset.dataset.is_dir() else [asset.dataset]
    found = _read_dataset(asset.dataset, asset.kind, asset.columns, asset.splits, _stamps(files))
    if isinstance(found, InvalidDataset):
        raise found
    return found


def _stamps(files: Sequence[Path]) -> Stamps:
    return tuple((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files)


@lru_cache(maxsize=64)
def _read_dataset(
    path: Path, kind: str, columns: Columns, splits: Splits | None, _unchanged: Stamps
) -> DatasetSummary | InvalidDataset:
    # Reading one takes a second, and the form of a new study asks at every change. What is wrong is remembered too.
    try:
        return inspect_dataset(path, kind=task_kind(kind), columns=columns, splits=splits)
    except InvalidDataset as error:
        return error


def _spec(
    name: str, kind: str, path: Path, columns: Columns, summary: DatasetSummary, source: HubSource | None = None
) -> TaskSpec:
    return TaskSpec(
        name=name,
        kind=kind,
        dataset=path,
        dataset_sha256=summary.sha256,
        source=source,
        **columns.model_dump(),
        labels=summary.labels,
        splits=summary.splits,
    )


def check_mapping(entry: TaskEntry) -> None:
    """Raise Invalid, about the field, unless every column that the entry's kind of task needs is named, and none that
    it does not read."""
    try:
        task = task_kind(entry.kind)
    except UnknownName as error:
        raise Invalid(str(error), field="task.kind") from None
    columns = entry.columns()
    named = columns.model_dump()
    for column in task.columns:
        if column.required and not named[column.role]:
            raise Invalid(f"{task.title} needs a {column.role} column: {column.meaning}", field=f"task.{column.role}")
    read = {column.role for column in task.columns} | {"group"}
    for role, name in named.items():
        if name and role not in read:
            raise Invalid(f"{task.title} reads no {role} column. Remove it.", field=f"task.{role}")
    try:
        task.check_columns(columns)
    except InvalidDataset as error:
        raise Invalid(str(error), field="task") from None


def list_kinds() -> list[TaskKindCard]:
    """The kinds of task, with the columns that a dataset must have for each."""
    return [
        TaskKindCard(
            name=name,
            title=tr(kind.title),
            metric=tr(kind.headline),
            better=kind.better,
            meaning=tr(kind.score_meaning),
            columns=[_said(column) for column in kind.columns],
        )
        for name, kind in task_kinds().items()
    ]


def _said(column: Column) -> Column:
    """A column as the reader's language calls it."""
    return column.model_copy(update={"title": tr(column.title), "meaning": tr(column.meaning)})


def list_tasks() -> list[TaskCard]:
    """The registered tasks with their splits, labels, source and licence."""
    return [_card(asset) for asset in assets.tasks().values()]


def _card(asset: TaskAsset) -> TaskCard:
    summary = _summary(asset)
    return TaskCard(
        name=asset.name,
        title=tr(asset.title),
        kind=asset.kind,
        dataset=asset.dataset.name,
        **asset.columns.model_dump(),
        labels=list(summary.labels),
        splits=summary.splits,
        metric=tr(task_kind(asset.kind).headline),
        source=asset.source,
        licence=asset.licence,
        citation=asset.citation,
    )
