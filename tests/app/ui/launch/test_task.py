"""The task and base model of a new study: what is installed, with where it comes from."""

from typing import Any

import pytest
from dash import dcc

from app.schemas import BaseModelCard, TaskCard
from app.services.base_models import list_base_models
from app.services.tasks import list_kinds, list_tasks
from app.settings import Settings
from app.ui.launch.filling import OWN, Catalogues, fill
from app.ui.launch.task import task_panel
from tests.app.ui.components import elements


@pytest.fixture
def shown(settings: Settings) -> tuple[list[TaskCard], list[BaseModelCard], Any]:
    tasks, models = list_tasks(), list_base_models(settings)
    return tasks, models, task_panel(tasks, list_kinds(), models, fill({}, Catalogues(tasks, list_kinds(), models)))


def store(panel: Any, name: str) -> dict[str, str]:
    (found,) = (one for one in elements(panel) if isinstance(one, dcc.Store) and one.id == name)
    data: dict[str, str] = found.data
    return data


def test_every_installed_task_and_model_can_be_chosen(
    shown: tuple[list[TaskCard], list[BaseModelCard], Any],
) -> None:
    tasks, models, panel = shown
    choices = {
        element.id: element for element in elements(panel) if hasattr(element, "data") and hasattr(element, "id")
    }
    assert [option["value"] for option in choices["study-task"].data] == [*(task.name for task in tasks), OWN]
    assert [option["value"] for option in choices["study-base-model"].data] == [*(one.name for one in models), OWN]
    assert (choices["study-task"].value, choices["study-base-model"].value) == ("tweets", "minilm")


def test_the_form_says_source_licence_and_what_to_cite(
    shown: tuple[list[TaskCard], list[BaseModelCard], Any],
) -> None:
    _, _, panel = shown
    tweets, smollm2 = store(panel, "task-sources")["tweets"], store(panel, "model-sources")["smollm2"]
    assert "Licence: MIT (vaderSentiment). Please cite: C. J. Hutto and E. Gilbert" in tweets
    assert "de-quantised from Q4_1" in smollm2
    assert smollm2.endswith("Licence: Apache-2.0.")
