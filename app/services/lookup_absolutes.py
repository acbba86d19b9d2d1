"""What full fine-tuning itself would cost in a case: the figures that carried ratios are multiplied with."""

from dataclasses import dataclass, field

from sqlalchemy import Engine

from app.errors import Invalid
from app.language import tr
from app.schemas import EstimateRequest, LookupRequest
from app.services.callers import Caller
from app.services.estimates import estimate_run
from app.settings import Settings

TRAIN_SECONDS = "train_seconds"
FIGURES = {
    "trainable_parameters": "trainable_parameters",
    "storage_bytes": "storage_bytes",
    "peak_memory": "peak_memory_bytes",
    TRAIN_SECONDS: "train_seconds",
}
"""Metric -> the figure of the cost model that it is."""

BYTES_A_PARAMETER = 4


@dataclass(frozen=True)
class Absolutes:
    """Full fine-tuning's own figures by metric, in SI units. how: what each is made of, or why it is not known."""

    values: dict[str, float] = field(default_factory=dict)
    how: dict[str, str] = field(default_factory=dict)


def full_absolutes(engine: Engine, settings: Settings, caller: Caller, request: LookupRequest) -> Absolutes:
    """From the cost model; of a number of parameters alone only what that says. Raises Invalid where no study could
    have such a base, length or budget."""
    if request.parameters is not None:
        return _of_a_number(request.parameters)
    asked = {
        "base_model": request.base_model,
        "model_config": request.config,
        "method": "full",
        "budget": request.budget.model_dump(),
        "task_kind": request.task_kind,
        "labels": request.labels,
        "train_items": request.train_items,
        "precision": request.precision,
        "device": request.device,
    }
    try:
        found = estimate_run(engine, settings, caller, EstimateRequest.model_validate(asked))
    except Invalid as error:
        # The method was not the person's choice: what stands in its way is the length or the budget.
        field_name = "budget" if error.field == "method" else error.field
        raise Invalid(error.detail, field=field_name) from None
    named = {metric: getattr(found, figure) for metric, figure in FIGURES.items()}
    values = {metric: float(value) for metric, value in named.items() if value is not None}
    return Absolutes(values, {metric: found.how[figure] for metric, figure in FIGURES.items()})


def _of_a_number(parameters: int) -> Absolutes:
    unknown = tr("Not known of a number of parameters alone: name the base model or give its config.")
    return Absolutes(
        {"trainable_parameters": float(parameters), "storage_bytes": float(BYTES_A_PARAMETER * parameters)},
        {
            "trainable_parameters": tr("Every parameter of the base."),
            "storage_bytes": tr("{bytes} bytes for each parameter of the base.", bytes=BYTES_A_PARAMETER),
            "peak_memory": unknown,
            TRAIN_SECONDS: unknown,
        },
    )
