"""Every registered task: readable, large enough for its splits, and run for two steps on a base of its kind."""

import re
from pathlib import Path

import pytest

from peft_core import assets
from peft_core.asset import TaskAsset
from peft_core.data import inspect_dataset, read_rows
from peft_core.errors import NotOffered
from peft_core.model_shape import read_model_shape
from peft_core.run import run
from peft_core.spec import Budget, Event, Measurement, Point, Predictions, RunSpec, Splits, TaskSpec
from peft_core.splits import split_rows, without_duplicates
from peft_core.task import task_kind

TASKS = [task for source in assets.sources() for task in source.tasks()]
FIRST_OF_THEIR_KIND = {task.kind: task.name for task in reversed(TASKS)}
ITEMS_WITHOUT_DUPLICATES = {
    "tweets": 3_302,
    "movies": 10_041,
    "movie_ratings": 10_603,
    "amazon": 2_935,
    "nyt": 2_751,
    "dialogues": 749,
    "chinese_dialogues": 368,
    "chinese_reviews": 17_361,
    "reuters_r8": 7_595,
}
"""Counted apart from our reader, with a set of texts in lower case and white space collapsed."""


@pytest.fixture
def task(request: pytest.FixtureRequest) -> TaskAsset:
    """The registered task of this name; skipped where it is not installed."""
    installed = assets.tasks()
    if request.param not in installed:
        pytest.skip(f"{request.param} is not installed: run `make assets NAMES={request.param}`.")
    return installed[request.param]


every_task = pytest.mark.parametrize("task", [task.name for task in TASKS], indirect=True)
first_of_each_kind_then_the_others = pytest.mark.parametrize(
    "task",
    [
        pytest.param(task.name, marks=[] if task.name in FIRST_OF_THEIR_KIND.values() else [pytest.mark.slow])
        for task in TASKS
    ],
    indirect=True,
)


def base_for(kind: str) -> Path:
    """The first installed base model that can do this kind of task."""
    for model in assets.base_models().values():
        try:
            task_kind(kind).check(read_model_shape(model.folder))
        except NotOffered:
            continue
        return model.folder
    return pytest.skip(f"No base model for {kind} is installed: run `make setup`.")


@every_task
def test_its_texts_are_plain_and_as_many_as_its_splits_need(task: TaskAsset) -> None:
    kind = task_kind(task.kind)
    rows = without_duplicates(read_rows(task.dataset, kind=kind, columns=task.columns))
    assert len(rows) == ITEMS_WITHOUT_DUPLICATES[task.name]
    assert not [row.text for row in rows if re.search("&amp;|&lt;|&#|\\r", row.text + row.label)]
    found = split_rows(rows, task.splits, kind)
    assert [len(found.train), len(found.validation), len(found.test)] == [
        task.splits.train,
        task.splits.validation,
        task.splits.test,
    ]


@first_of_each_kind_then_the_others
def test_it_trains_and_is_tested(task: TaskAsset, tmp_path: Path) -> None:
    events: list[Event] = []
    run(two_steps(task, tmp_path), events.append)
    predictions = next(event for event in events if isinstance(event, Predictions))
    quality = next(event for event in events if isinstance(event, Measurement))
    losses = [event.value for event in events if isinstance(event, Point) and event.key == "train_loss"]
    assert len(predictions.scores) == 8
    assert quality.value == pytest.approx(sum(predictions.scores) / 8)
    assert losses
    assert None not in losses


def two_steps(task: TaskAsset, folder: Path) -> RunSpec:
    """LoRA on sixteen items of the task."""
    splits = Splits(train=16, validation=8, test=8)
    columns = task.columns.model_copy(update={"group": None})
    summary = inspect_dataset(task.dataset, kind=task_kind(task.kind), columns=columns, splits=splits)
    return RunSpec(
        run_id=1,
        purpose="report",
        base_model=base_for(task.kind),
        base_model_sha256="",
        task=TaskSpec(
            name=task.name,
            kind=task.kind,
            dataset=task.dataset,
            dataset_sha256=summary.sha256,
            **columns.model_dump(),
            labels=summary.labels,
            splits=splits,
        ),
        method="lora",
        learning_rate=1e-3,
        seed=0,
        budget=Budget(steps=2, batch_size=4, max_length=48, evaluations=1),
        precision="fp32",
        metrics=("task_performance",),
        folder=folder,
    )
