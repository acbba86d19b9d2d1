"""The task and base model of a new study: what is installed, with where it comes from."""

from typing import Any

import pytest
from dash import dcc

from app.schemas import BaseModelCard, DatasetColumn, TaskCard
from app.services.base_models import describe_base_model, list_base_models
from app.services.tasks import list_kinds, list_tasks
from app.settings import Settings
from app.ui.launch.filling import fill
from app.ui.launch.model import model_facts, model_step
from app.ui.launch.opening import OWN, Catalogues
from app.ui.launch.preview import guess_columns
from app.ui.launch.task import task_document, task_step
from tests.app.ui.components import elements, text_of

Shown = tuple[list[TaskCard], list[BaseModelCard], Any]


@pytest.fixture
def shown(settings: Settings) -> Shown:
    tasks, kinds, models = list_tasks(), list_kinds(), list_base_models(settings)
    form = fill({}, Catalogues(tasks, kinds, models))
    return tasks, models, [task_step(tasks, kinds, [], form), model_step(models, form)]


def test_every_installed_task_and_model_can_be_chosen(shown: Shown) -> None:
    tasks, models, steps = shown
    choices = {one.id: one for one in elements(steps) if hasattr(one, "data") and hasattr(one, "id")}
    assert [option["value"] for option in choices["study-task"].data] == [*(task.name for task in tasks), OWN]
    assert [option["value"] for option in choices["study-base-model"].data] == [*(one.name for one in models), OWN]
    assert (choices["study-task"].value, choices["study-base-model"].value) == ("tweets", "minilm")


def test_the_form_says_source_licence_and_what_to_cite(shown: Shown, settings: Settings) -> None:
    _, _, steps = shown
    (store,) = (one for one in elements(steps) if isinstance(one, dcc.Store) and one.id == "task-sources")
    assert "Licence: MIT (vaderSentiment). Please cite: C. J. Hutto and E. Gilbert" in store.data["tweets"]
    smollm2 = text_of(model_facts(describe_base_model(settings, "smollm2")))
    assert "de-quantised from Q4_1" in smollm2
    assert "Licence: Apache-2.0." in smollm2


def test_a_dataset_of_ones_own_names_the_columns_that_its_kind_reads() -> None:
    columns = {"text": " question ", "label": "right", "pair": "x", "choices": "a, b,", "group": None}
    document = task_document(OWN, "q.csv", "multiple_choice", columns, {"text", "label", "choices", "group"})
    assert document == {
        "dataset": "q.csv",
        "kind": "multiple_choice",
        "text": "question",
        "label": "right",
        "choices": ["a", "b"],
    }
    assert task_document("tweets", "q.csv", "multiple_choice", columns, set()) == "tweets"


def column(name: str, kind: str, counts: dict[str, int], median: int | None = None) -> DatasetColumn:
    return DatasetColumn(
        name=name,
        kind=kind,
        filled=30,
        distinct=len(counts) or None,
        counts=counts,
        shortest=median,
        median=median,
        longest=median,
    )


def test_text_and_label_are_guessed() -> None:
    number, review = column("id", "a number", {}), column("review", "text", {}, 80)
    few = column("star", "a number", {"1": 10, "2": 20})
    named = column("sentiment", "text", {"a": 10, "b": 10, "c": 10}, 5)
    assert guess_columns([number, review, few]) == {"text": "review", "label": "star"}
    assert guess_columns([number, few, named, review]) == {"text": "review", "label": "sentiment"}
    assert guess_columns([number]) == {}
