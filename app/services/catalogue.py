"""The catalogues as documents: methods for a base model and task, metrics, scenarios."""

from typing import Any

from pydantic import JsonValue

from app.errors import Invalid
from app.schemas import HyperparameterField, MethodCard, MetricCard, ScenarioCard
from app.services.base_models import find_base_model, read_shape
from app.services.tasks import find_task
from app.settings import Settings
from peft_core.compare.recommend import QUALITY
from peft_core.errors import PeftCoreError
from peft_core.method import LearningRate, Method, check_budget, methods
from peft_core.metric import Metric, metrics
from peft_core.model_shape import ModelShape
from peft_core.scenario import scenarios
from peft_core.spec import Budget, TaskSpec
from peft_core.task import Task

JSON_TYPES = {"integer": "integer", "number": "number", "string": "string", "boolean": "boolean"}


def list_methods(settings: Settings, base_model: str, task: str, budget: Budget) -> list[MethodCard]:
    """Every method with its form, and for this base model and task its formula, its grid or why it is not offered."""
    shape = read_shape(find_base_model(settings, base_model))
    spec = find_task(settings, task)
    return [_method_card(name, kind, shape, spec, budget) for name, kind in methods().items()]


def _method_card(name: str, kind: type[Method], shape: ModelShape, task: TaskSpec, budget: Budget) -> MethodCard:
    method = kind()
    not_offered = None
    try:
        method.check(shape, task_kind=task.kind, max_length=budget.max_length)
        check_budget(method, budget)
    except PeftCoreError as error:
        not_offered = str(error)
    return MethodCard(
        name=name,
        title=kind.title,
        family=kind.family,
        summary=kind.summary,
        trains=kind.trains,
        paper=kind.paper,
        reference=kind.family == "reference",
        learning_rates=_grid(kind.learning_rate, shape, task, budget),
        learning_rate_source=kind.learning_rate.source if kind.learning_rate else None,
        hyperparameters=form_fields(kind),
        capabilities=kind.capabilities,
        trainable_parameters=None if not_offered else method.trainable_parameters(shape),
        not_offered=not_offered,
    )


def _grid(rate: LearningRate | None, shape: ModelShape, task: TaskSpec, budget: Budget) -> list[float]:
    if rate is None:
        return []
    steps = budget.total_steps(task.splits.train)
    centre = rate.centre(non_embedding_parameters=shape.non_embedding_parameters, steps=steps, causal=shape.causal)
    return list(LearningRate.grid(centre, 5))


def form_fields(kind: type[Method]) -> list[HyperparameterField]:
    """The form of a method, generated from the JSON schema of its own fields."""
    properties: dict[str, dict[str, Any]] = kind.model_json_schema()["properties"] if kind.model_fields else {}
    return [_form_field(name, schema) for name, schema in properties.items()]


def _form_field(name: str, schema: dict[str, Any]) -> HyperparameterField:
    kind = schema.get("type", "string")
    if kind not in JSON_TYPES:
        raise Invalid(f"The field {name} has a type the form cannot show: {kind}.")
    default: JsonValue = schema["default"]
    return HyperparameterField(
        name=name,
        title=schema["title"],
        type=kind,
        default=default,
        minimum=schema.get("minimum"),
        maximum=schema.get("maximum"),
        choices=schema.get("enum"),
        recommended=tuple(schema["recommended"]) if "recommended" in schema else None,
        effect=schema.get("effect", ""),
    )


def list_metrics() -> list[MetricCard]:
    """Every metric, in the heatmap's order."""
    return [metric_card(kind) for kind in metrics().values()]


def metric_card(kind: type[Metric], task: type[Task] | None = None) -> MetricCard:
    """What the catalogue knows of a metric. For a task, its quality is the task's own score."""
    scored = task if task is not None and kind.key == QUALITY else None
    return MetricCard(
        key=kind.key,
        title=kind.title,
        quantity=kind.quantity if scored is None else scored.quantity,
        unit=kind.unit if scored is None else scored.quantity,
        better=kind.better if scored is None else scored.better,
        meaning=kind.meaning if scored is None else scored.score_meaning,
        how=kind.how,
        purposes=sorted(kind.purposes),
        exact=kind.exact,
        in_heatmap=kind.in_heatmap,
    )


def list_scenarios() -> list[ScenarioCard]:
    """The scenarios, in the textbook's order."""
    return [
        ScenarioCard(
            key=key,
            title=kind.title,
            summary=kind.summary,
            weights=kind.weights,
            constraint=kind.constraint,
            constraint_default=kind.constraint_default,
            textbook_pick=kind.textbook_pick,
        )
        for key, kind in scenarios().items()
    ]
