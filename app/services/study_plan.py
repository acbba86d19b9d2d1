"""The rows of a study to be: methods built and checked against base model, task and budget, with their grids."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.errors import Invalid
from app.language import tr
from app.schemas import MethodEntry, StudyDocument
from app.services.halving import rung_steps
from peft_core.errors import InvalidHyperparameter, NotOffered, UnknownName
from peft_core.method import LearningRate, Method, build_method, check_budget
from peft_core.model_shape import ModelShape
from peft_core.spec import Budget, TaskSpec
from peft_core.task import check_length, task_kind


@dataclass(frozen=True)
class WantedRow:
    """A row that a document asks for, `field` its place there; a reference nobody has asked for by name."""

    field: str
    entry: MethodEntry
    reference: bool


@dataclass(frozen=True)
class PlannedConfiguration:
    """One row of the study to be: a method that was built and checked, and the learning rates to try."""

    name: str
    method: Method
    reference: bool
    learning_rates: tuple[float, ...]
    rung_steps: int | None = None
    """Of the first rung of its tuning; None where every learning rate gets the whole budget at once."""


def plan(document: StudyDocument, shape: ModelShape, task: TaskSpec) -> list[PlannedConfiguration]:
    """The rows of the study: its methods and the references not already among them, each with its learning rates.

    Raises Invalid for an unknown method, a hyper-parameter out of bounds, or the same configuration twice.
    """
    steps = document.budget.total_steps(task.splits.train)
    planned: list[PlannedConfiguration] = []
    for wanted in wanted_rows(document):
        row = plan_row(wanted, shape, task.kind, document, steps)
        if row is None:
            continue
        refuse_twin(row, planned, wanted.field)
        planned.append(row)
    return planned


def wanted_rows(document: StudyDocument) -> list[WantedRow]:
    """The rows that a study document asks for: the references that are not among its methods, then these."""
    listed = {entry.method for entry in document.methods}
    references = [MethodEntry(method=name) for name in document.references if name not in listed]
    return [
        *(WantedRow(f"references.{i}", entry, True) for i, entry in enumerate(references)),
        *(WantedRow(f"methods.{i}", entry, False) for i, entry in enumerate(document.methods)),
    ]


def plan_row(
    wanted: WantedRow, shape: ModelShape, kind: str, document: StudyDocument, steps: int | None
) -> PlannedConfiguration | None:
    """One row, built and checked; None for a reference that this base model or kind of task cannot have.

    steps: of the optimizer; None where they are not known yet, and then a grid of the method's own is empty. Raises
    Invalid for an unknown method, or a hyper-parameter or learning rate out of bounds.
    """
    field, entry = wanted.field, wanted.entry
    if wanted.reference and _no_reference_here(entry, shape, kind):
        return None
    method = _build(field, entry, shape, kind, document.budget)
    rates = _learning_rates(field, entry, method, shape, document, steps)
    rung = None if steps is None else rung_steps(document.tuning, method, len(rates), steps)
    return PlannedConfiguration(entry.method, method, wanted.reference or method.family == "reference", rates, rung)


def refuse_twin(row: PlannedConfiguration, planned: Sequence[PlannedConfiguration], field: str) -> None:
    """Raises Invalid where one of the planned rows is the same."""
    if any(other.method == row.method and other.learning_rates == row.learning_rates for other in planned):
        raise Invalid(
            tr("{method} is listed twice. Change a hyper-parameter or remove one.", method=row.method.label()),
            field=field,
        )


def _no_reference_here(entry: MethodEntry, shape: ModelShape, kind: str) -> bool:
    """A reference row that cannot be had for this task (head-only without a head) is left out, not refused: nobody
    asked for it by name."""
    try:
        build_method(entry.method, {}).check(shape, task_kind=kind, max_length=shape.max_positions)
    except NotOffered:
        return True
    except (UnknownName, InvalidHyperparameter):
        return False
    return False


def _build(field: str, entry: MethodEntry, shape: ModelShape, kind: str, budget: Budget) -> Method:
    try:
        method = build_method(entry.method, entry.hyperparameters)
        method.check(shape, task_kind=kind, max_length=budget.max_length)
        check_budget(method, budget)
    except UnknownName as error:
        raise Invalid(str(error), field=f"{field}.method") from None
    except InvalidHyperparameter as error:
        raise Invalid(str(error), field=f"{field}.hyperparameters.{error.field}") from None
    except NotOffered as error:
        raise Invalid(str(error), field=f"{field}.method") from None
    return method


def _learning_rates(
    field: str, entry: MethodEntry, method: Method, shape: ModelShape, document: StudyDocument, steps: int | None
) -> tuple[float, ...]:
    if method.learning_rate is None:
        if entry.learning_rates is not None:
            raise Invalid(
                tr("{method} trains nothing and takes no learning rate.", method=method.title),
                field=f"{field}.learning_rates",
            )
        return ()
    if entry.learning_rates is not None:
        if len(set(entry.learning_rates)) < len(entry.learning_rates):
            raise Invalid(tr("Each learning rate may be named once."), field=f"{field}.learning_rates")
        return tuple(sorted(entry.learning_rates))
    if steps is None:
        return ()
    centre = method.learning_rate.centre(
        non_embedding_parameters=shape.non_embedding_parameters,
        steps=steps,
        causal=shape.causal,
    )
    return LearningRate.grid(centre, document.grid_points)


def check_base(shape: ModelShape, kind: str) -> None:
    """Raise Invalid where this base model cannot do this kind of task."""
    try:
        task_kind(kind).check(shape)
    except NotOffered as error:
        raise Invalid(str(error), field="base_model") from None


def check_item_length(shape: ModelShape, budget: Budget) -> None:
    """Raise Invalid where items may be longer than the base model reads."""
    try:
        check_length(shape, budget.max_length)
    except NotOffered as error:
        raise Invalid(str(error), field="budget.max_length") from None
