"""What a study will cost and all that launching it would refuse, asked at every change of its form."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from sqlalchemy import Engine

from app.errors import AtlasError, DiskFull, Invalid
from app.schemas import EstimateView, FieldProblem, RowEstimate, StudyDocument, StudyEstimate, StudyEstimateRequest
from app.services.base_models import find_base_model, read_shape
from app.services.callers import Caller
from app.services.disk import bytes_kept, check_room
from app.services.estimates import device_speed
from app.services.halving import halves
from app.services.roots import lies_under
from app.services.studies import check_name, chosen_metrics, chosen_seeds
from app.services.study_plan import (
    PlannedConfiguration,
    WantedRow,
    check_base,
    check_item_length,
    plan_row,
    refuse_twin,
    wanted_rows,
)
from app.services.tasks import find_task
from app.settings import Settings
from peft_core import assets
from peft_core.analysis.cost_model.estimate import estimate
from peft_core.analysis.cost_model.fits import verdict
from peft_core.analysis.cost_model.seconds import Calibration
from peft_core.analysis.cost_model.setting import Setting
from peft_core.compare.halving import going_on
from peft_core.errors import InvalidBaseModel, MissingAsset, UnknownName
from peft_core.hub import is_hub_name
from peft_core.method import Method, distinct_labels
from peft_core.model_config import Anatomy, read_config_of
from peft_core.model_shape import ModelShape

LABELS_UNKNOWN = 2
"""Classes of a task that cannot be read yet: the head of two is the smallest there is."""

HOW = {
    "train_seconds": "Of every row: seconds of one run times its tuning, in trainings of the whole budget, and its"
    " reporting runs, one after the other on one device. Loading, validating and the cost probes come on top.",
    "tuning_trainings": "With the whole grid its learning rates. With halving a part of each, the first rung's share of"
    " the steps, and half of them, rounded down, once more in full. Where all score the same in the first rung, all of"
    " them in full, which is more than the grid.",
    "kept_bytes": "4 bytes for each stored parameter and reporting seed, whole models once, and 12 bytes for each"
    " trained parameter of the largest checkpoint.",
    "runs": "For each row its learning rates where there are several, with halving half of them, rounded down, once"
    " more, its seeds, and one cost probe.",
}


@dataclass
class _Findings:
    """What launching would refuse, as far as it was found."""

    problems: list[FieldProblem] = field(default_factory=list)

    @contextmanager
    def noting(self, otherwise: str) -> Iterator[None]:
        """A refusal inside the block is noted; one that names no field belongs to `otherwise`."""
        try:
            yield
        except MissingAsset as error:
            self.problems.append(FieldProblem(field=otherwise, message=str(error)))
        except AtlasError as error:
            self.problems.append(FieldProblem(field=error.field or otherwise, message=error.detail))


@dataclass(frozen=True)
class _TaskFacts:
    """What of a task matters to cost; None where the dataset cannot be read yet."""

    kind: str
    labels: int | None
    train_items: int | None


@dataclass(frozen=True)
class _Base:
    shape: ModelShape
    config: tuple[ModelShape, Anatomy] | None
    """As its config has it; None for an architecture that the cost model does not know."""


def estimate_study(engine: Engine, settings: Settings, caller: Caller, request: StudyEstimateRequest) -> StudyEstimate:
    """Every row that the study would have, with its cost, and the refusals that launching would meet, all of them.

    Refuses nothing itself. Nothing is downloaded: of a dataset on a hub the cost without its items is told.
    """
    document, found = request.study, _Findings()
    seeds = _checked(document, found)
    task = _task(settings, document, found)
    base = _base(settings, document, task, found)
    if base is None:
        return _sum([], task, None, found)
    with found.noting("metrics"):
        chosen_metrics(document.metrics, task.kind)
    steps = _steps(document, task)
    planned = list(_planned(document, base.shape, task.kind, steps, found))
    speed = device_speed(engine, caller, request.device)
    labels = distinct_labels([row.method for _, row in planned])
    rows = [
        _row_estimate(request, wanted, row, label, seeds, steps, _cost(request, base, row.method, task, steps, speed))
        for (wanted, row), label in zip(planned, labels, strict=True)
    ]
    methods = [row.method for _, row in planned]
    try:
        check_room(settings.store_folder, methods, base.shape, seeds)
    except DiskFull as full:
        found.problems.append(FieldProblem(field="seeds", message=full.detail))
    return _sum(rows, task, bytes_kept(methods, base.shape, seeds) if methods else None, found)


def _checked(document: StudyDocument, found: _Findings) -> int:
    """How many seeds report; name and seeds are checked on the way."""
    with found.noting("name"):
        check_name(document.name)
    with found.noting("seeds"):
        return len(chosen_seeds(document.seeds))
    return 1


def _task(settings: Settings, document: StudyDocument, found: _Findings) -> _TaskFacts:
    entry = document.task
    kind = entry.kind if not isinstance(entry, str) else _registered_kind(entry)
    if not isinstance(entry, str) and _lies_on_a_hub(settings, entry.dataset):
        return _TaskFacts(kind, len(entry.choices) or None, None)
    with found.noting("task"):
        spec = find_task(settings, entry)
        return _TaskFacts(spec.kind, len(spec.choices or spec.labels), spec.splits.train)
    return _TaskFacts(kind, None, None)


def _registered_kind(name: str) -> str:
    asset = assets.tasks().get(name)
    return asset.kind if asset else "classification"


def _lies_on_a_hub(settings: Settings, dataset: str) -> bool:
    return is_hub_name(dataset) and not lies_under(settings.roots_for_datasets(), dataset, settings.is_of_another)


def _base(settings: Settings, document: StudyDocument, task: _TaskFacts, found: _Findings) -> _Base | None:
    """The base model, where there is one that can do this kind of task."""
    with found.noting("base_model"):
        base = find_base_model(settings, document.base_model)
        shape = read_shape(base)
        try:
            check_base(shape, task.kind)
        except UnknownName as error:
            raise Invalid(str(error), field="task.kind") from None
        with found.noting("budget.max_length"):
            check_item_length(shape, document.budget)
        try:
            return _Base(shape, read_config_of(base.folder))
        except InvalidBaseModel:
            return _Base(shape, None)
    return None


def _steps(document: StudyDocument, task: _TaskFacts) -> int | None:
    if document.budget.steps is not None:
        return document.budget.steps
    return None if task.train_items is None else document.budget.total_steps(task.train_items)


def _planned(
    document: StudyDocument, shape: ModelShape, kind: str, steps: int | None, found: _Findings
) -> Iterator[tuple[WantedRow, PlannedConfiguration]]:
    planned: list[PlannedConfiguration] = []
    for wanted in wanted_rows(document):
        with found.noting(wanted.field):
            row = plan_row(wanted, shape, kind, document, steps)
            if row is None:
                continue
            refuse_twin(row, planned, wanted.field)
            planned.append(row)
            yield wanted, row


def _cost(
    request: StudyEstimateRequest,
    base: _Base,
    method: Method,
    task: _TaskFacts,
    steps: int | None,
    speed: Calibration | None,
) -> EstimateView | None:
    if base.config is None:
        return None
    shape, anatomy = base.config
    setting = Setting(
        base=shape,
        anatomy=anatomy,
        method=method,
        task_kind=task.kind,
        labels=task.labels or LABELS_UNKNOWN,
        budget=request.study.budget,
        precision=request.precision,
        device=request.device,
    )
    judged = None if request.device_memory_bytes is None else verdict(setting, request.device_memory_bytes)
    return EstimateView(
        **asdict(estimate(setting, total_steps=steps, calibration=speed)),
        total_steps=steps,
        fits=judged.fits if judged else None,
        verdict=judged.sentence if judged else None,
    )


def _row_estimate(
    request: StudyEstimateRequest,
    wanted: WantedRow,
    row: PlannedConfiguration,
    label: str,
    seeds: int,
    steps: int | None,
    cost: EstimateView | None,
) -> RowEstimate:
    tuning = _tuning_trainings(request.study, row, steps)
    return RowEstimate(
        field=wanted.field,
        method=row.name,
        label=label,
        family=row.method.family,
        reference=row.reference,
        learning_rates=list(row.learning_rates),
        runs=_tuning_runs(request.study, row, steps) + seeds + 1,
        rung_steps=row.rung_steps,
        tuning_trainings=tuning,
        grid_trainings=_rates(request.study, row),
        trainings=tuning + seeds,
        estimate=cost,
    )


def _rates(document: StudyDocument, row: PlannedConfiguration) -> int:
    """A single learning rate is taken as it is; a grid whose centre waits for the number of steps has its size."""
    if row.method.learning_rate is None:
        return 0
    rates = len(row.learning_rates) or document.grid_points
    return rates if rates > 1 else 0


def _tuning_runs(document: StudyDocument, row: PlannedConfiguration, steps: int | None) -> int:
    """Those of the grid, and of the half that goes on from a first rung another one each."""
    rates = _rates(document, row)
    return rates + going_on(rates) if _has_first_rung(document, row, steps) else rates


def _tuning_trainings(document: StudyDocument, row: PlannedConfiguration, steps: int | None) -> float:
    """The same in trainings of the whole budget."""
    rates = _rates(document, row)
    if not _has_first_rung(document, row, steps):
        return rates
    share = row.method.first_rung if row.rung_steps is None or steps is None else row.rung_steps / steps
    return rates * share + going_on(rates)


def _has_first_rung(document: StudyDocument, row: PlannedConfiguration, steps: int | None) -> bool:
    """Where the number of steps is not known yet, it is taken to be large enough."""
    return row.rung_steps is not None or (steps is None and halves(document.tuning, row.method, _rates(document, row)))


def _sum(rows: list[RowEstimate], task: _TaskFacts, kept: int | None, found: _Findings) -> StudyEstimate:
    costs = [row.estimate for row in rows]
    known = [cost.fits for cost in costs if cost is not None and cost.fits is not None]
    return StudyEstimate(
        rows=rows,
        runs=sum(row.runs for row in rows),
        fitting=sum(known) if known else None,
        train_seconds=_seconds(rows),
        tuning_trainings=sum(row.tuning_trainings for row in rows),
        grid_trainings=sum(row.grid_trainings for row in rows),
        kept_bytes=kept,
        task_kind=task.kind,
        train_items=task.train_items,
        labels=task.labels,
        problems=found.problems,
        how=HOW,
    )


def _seconds(rows: list[RowEstimate]) -> float | None:
    """All runs but the probes; None where one row's time is not known, or there is no row."""
    total = 0.0
    for row in rows:
        if row.estimate is None or row.estimate.train_seconds is None:
            return None
        total += row.estimate.train_seconds * row.trainings
    return total if rows else None
