"""The catalogues as documents: methods for a base model and task, metrics, scenarios."""

from typing import Any

from pydantic import JsonValue

from app.errors import Invalid
from app.language import tr
from app.schemas import HyperparameterField, MethodCard, MetricCard, PresetCard, PresetEntry, ScenarioCard
from app.services.base_models import find_base_model, read_shape
from app.services.tasks import find_task
from app.settings import Settings
from peft_core.compare.recommend import QUALITY
from peft_core.errors import PeftCoreError, UnknownName
from peft_core.method import LearningRate, Method, build_method, check_budget, methods
from peft_core.metric import Metric, metrics
from peft_core.model_shape import ModelShape
from peft_core.preset import PresetRow, presets
from peft_core.scenario import scenarios
from peft_core.spec import Budget
from peft_core.task import Score, task_kind

JSON_TYPES = {"integer": "integer", "number": "number", "string": "string", "boolean": "boolean"}


def kind_of_task(settings: Settings, task: str, kind: str | None) -> str:
    """The kind a request asks about: the one it names, else the registered task's."""
    if kind is None:
        return find_task(settings, task).kind
    try:
        task_kind(kind)
    except UnknownName as error:
        raise Invalid(str(error), field="kind") from None
    return kind


def list_methods(settings: Settings, base_model: str, kind: str, budget: Budget) -> list[MethodCard]:
    """Every method with its form, and for this base model and kind of task its formula, its grid or why it is not
    offered; `budget` is in steps."""
    shape = read_shape(find_base_model(settings, base_model))
    return [_method_card(name, method, shape, kind, budget) for name, method in methods().items()]


def list_presets(settings: Settings, base_model: str, kind: str, budget: Budget) -> list[PresetCard]:
    """Every preset with its rows, those that this base model or kind of task cannot have with the reason."""
    shape = read_shape(find_base_model(settings, base_model))
    return [
        PresetCard(
            key=key,
            title=tr(preset.title),
            summary=tr(preset.summary),
            entries=[_preset_entry(row, shape, kind, budget) for row in preset.rows()],
        )
        for key, preset in presets().items()
    ]


def _preset_entry(row: PresetRow, shape: ModelShape, kind: str, budget: Budget) -> PresetEntry:
    method = build_method(row.method, row.hyperparameters)
    return PresetEntry(
        method=row.method,
        hyperparameters=row.hyperparameters,
        label=method.label(),
        not_offered=_not_offered(method, shape, kind, budget),
    )


def _not_offered(method: Method, shape: ModelShape, kind: str, budget: Budget) -> str | None:
    """Why this base model, kind of task or budget cannot have the method, None where it can."""
    try:
        task_kind(kind).check(shape)
        method.check(shape, task_kind=kind, max_length=budget.max_length)
        check_budget(method, budget)
    except PeftCoreError as error:
        return str(error)
    return None


def _method_card(name: str, kind: type[Method], shape: ModelShape, task: str, budget: Budget) -> MethodCard:
    method = kind()
    not_offered = _not_offered(method, shape, task, budget)
    return MethodCard(
        name=name,
        title=tr(kind.title),
        family=kind.family,
        summary=tr(kind.summary),
        trains=tr(kind.trains),
        paper=kind.paper,
        reference=kind.family == "reference",
        place=kind.place,
        learning_rates=_grid(kind.learning_rate, shape, budget),
        learning_rate_source=tr(kind.learning_rate.source) if kind.learning_rate else None,
        hyperparameters=form_fields(kind),
        capabilities=kind.capabilities,
        trainable_parameters=None if not_offered else method.trainable_parameters(shape),
        not_offered=not_offered,
    )


def _grid(rate: LearningRate | None, shape: ModelShape, budget: Budget) -> list[float]:
    if rate is None:
        return []
    assert budget.steps is not None, "the catalogue is asked about a number of steps"
    steps = budget.steps
    centre = rate.centre(non_embedding_parameters=shape.non_embedding_parameters, steps=steps, causal=shape.causal)
    return list(LearningRate.grid(centre, 5))


def form_fields(kind: type[Method]) -> list[HyperparameterField]:
    """The form of a method, generated from the JSON schema of its own fields."""
    properties: dict[str, dict[str, Any]] = kind.model_json_schema()["properties"] if kind.model_fields else {}
    return [_form_field(name, schema) for name, schema in properties.items()]


def _form_field(name: str, schema: dict[str, Any]) -> HyperparameterField:
    kind = schema.get("type", "string")
    if kind not in JSON_TYPES:
        raise Invalid(tr("The field {name} has a type the form cannot show: {kind}.", name=name, kind=kind))
    default: JsonValue = schema["default"]
    return HyperparameterField(
        name=name,
        title=tr(schema["title"]),
        type=kind,
        default=default,
        minimum=schema.get("minimum"),
        maximum=schema.get("maximum"),
        choices=schema.get("enum"),
        recommended=tuple(schema["recommended"]) if "recommended" in schema else None,
        effect=tr(schema.get("effect", "")),
    )


def list_metrics() -> list[MetricCard]:
    """Every metric, in the heatmap's order."""
    return [metric_card(kind) for kind in metrics().values()]


def metric_card(kind: type[Metric], task: Score | None = None) -> MetricCard:
    """What the catalogue knows of a metric. For a task, its quality is the task's own score."""
    scored = task if task is not None and kind.key == QUALITY else None
    return MetricCard(
        key=kind.key,
        title=tr(kind.title),
        quantity=kind.quantity if scored is None else scored.quantity,
        unit=kind.unit if scored is None else scored.quantity,
        better=kind.better if scored is None else scored.better,
        meaning=tr(kind.meaning if scored is None else scored.score_meaning),
        how=tr(kind.how),
        purposes=sorted(kind.purposes),
        exact=kind.exact,
        in_heatmap=kind.in_heatmap,
    )


def list_scenarios() -> list[ScenarioCard]:
    """The scenarios, in the textbook's order."""
    return [
        ScenarioCard(
            key=key,
            title=tr(kind.title),
            summary=tr(kind.summary),
            weights=kind.weights,
            constraint=kind.constraint,
            constraint_default=kind.constraint_default,
            textbook_pick=tr(kind.textbook_pick),
        )
        for key, kind in scenarios().items()
    ]
