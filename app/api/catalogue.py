"""GET methods, metrics, tasks, scenarios, base-models, devices, quickstart."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.context import AsViewer
from app.schemas import (
    BaseModelCard,
    MethodCard,
    MetricCard,
    Page,
    PresetCard,
    ScenarioCard,
    StudyDocument,
    TaskCard,
    TaskKindCard,
    WorkerView,
)
from app.services import base_models, catalogue, studies, tasks, workers
from peft_core.spec import Budget

router = APIRouter(tags=["catalogue"])


@router.get("/methods")
def list_methods(
    here: AsViewer,
    base_model: Annotated[str, Query(max_length=4096)] = "minilm",
    task: Annotated[str, Query(max_length=200)] = "tweets",
    kind: Annotated[str | None, Query(max_length=200)] = None,
    steps: Annotated[int, Query(ge=1, le=10_000_000)] = 150,
) -> Page[MethodCard]:
    """Every method: its form, and for this base model, registered task (or kind of task) and number of steps its
    formula and learning rates."""
    asked = catalogue.kind_of_task(here.settings, task, kind)
    return Page(items=catalogue.list_methods(here.settings, base_model, asked, Budget(steps=steps)))


@router.get("/presets")
def list_presets(
    here: AsViewer,
    base_model: Annotated[str, Query(max_length=4096)] = "minilm",
    task: Annotated[str, Query(max_length=200)] = "tweets",
    kind: Annotated[str | None, Query(max_length=200)] = None,
) -> Page[PresetCard]:
    """Choices of rows that answer one question each, for this base model and registered task (or kind of task)."""
    asked = catalogue.kind_of_task(here.settings, task, kind)
    return Page(items=catalogue.list_presets(here.settings, base_model, asked, Budget(steps=1)))


@router.get("/metrics")
def list_metrics(here: AsViewer) -> Page[MetricCard]:
    """Every metric: unit, direction, meaning, and how it is measured."""
    return Page(items=catalogue.list_metrics())


@router.get("/scenarios")
def list_scenarios(here: AsViewer) -> Page[ScenarioCard]:
    """The scenarios with their weights."""
    return Page(items=catalogue.list_scenarios())


@router.get("/tasks")
def list_tasks(here: AsViewer) -> Page[TaskCard]:
    """The registered tasks."""
    return Page(items=tasks.list_tasks())


@router.get("/task-kinds")
def list_task_kinds(here: AsViewer) -> Page[TaskKindCard]:
    """The kinds of task that a dataset of one's own may be, and the columns each reads."""
    return Page(items=tasks.list_kinds())


@router.get("/base-models")
def list_base_models(here: AsViewer) -> Page[BaseModelCard]:
    """The base models a study can name."""
    return Page(items=base_models.list_base_models(here.settings))


@router.get("/base-models/card")
def describe_base_model(here: AsViewer, name: Annotated[str, Query(min_length=1, max_length=4096)]) -> BaseModelCard:
    """What one base model is that a study could name: registered, a folder of one's own, or a hub's."""
    return base_models.describe_base_model(here.settings, name)


@router.get("/devices")
def list_devices(here: AsViewer) -> Page[WorkerView]:
    """The workers and their devices."""
    return Page(items=workers.list_workers(here.engine, here.caller))


@router.get("/quickstart")
def read_quickstart(here: AsViewer) -> StudyDocument:
    """The study document of the quickstart: post it to /studies to run it again."""
    return studies.quickstart_document()
