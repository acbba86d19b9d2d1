"""What a run will cost, from the cost model and from what this installation has measured of its devices."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.db.session import team_session
from app.db.tables import MeasurementRow, Run
from app.errors import Invalid
from app.schemas import EstimateRequest, EstimateView
from app.services.base_models import find_base_model
from app.services.callers import Caller
from app.settings import Settings
from peft_core.analysis.cost_model.estimate import estimate
from peft_core.analysis.cost_model.fits import verdict
from peft_core.analysis.cost_model.flops import training_flops
from peft_core.analysis.cost_model.seconds import Calibration, calibrate
from peft_core.analysis.cost_model.setting import DeviceKind, Setting, setting_of
from peft_core.errors import InvalidBaseModel, InvalidHyperparameter, NotOffered, PeftCoreError, UnknownName
from peft_core.method import Method, build_method, check_budget
from peft_core.model_config import Anatomy, InvalidConfig, read_config, read_config_of
from peft_core.model_shape import ModelShape
from peft_core.spec import RunSpec
from peft_core.task import check_length, task_kind

MOST_PROBES = 50
"""The newest ones tell the speed of a device; older ones may be of other versions."""


def estimate_run(engine: Engine, settings: Settings, caller: Caller, request: EstimateRequest) -> EstimateView:
    """The cost of one run. Raises Invalid naming the wrong field: a base, method or value that no study could have."""
    base, anatomy = _base(settings, request)
    setting = Setting(
        base=base,
        anatomy=anatomy,
        method=_method(request, base),
        task_kind=request.task_kind,
        labels=request.labels,
        budget=request.budget,
        precision=request.precision,
        device=request.device,
    )
    steps = request.budget.steps
    if request.train_items is not None:
        steps = request.budget.total_steps(request.train_items)
    found = estimate(setting, total_steps=steps, calibration=device_speed(engine, caller, request.device))
    judged = None if request.device_memory_bytes is None else verdict(setting, request.device_memory_bytes)
    return EstimateView(
        **asdict(found),
        total_steps=steps,
        fits=judged.fits if judged else None,
        verdict=judged.sentence if judged else None,
    )


def _base(settings: Settings, request: EstimateRequest) -> tuple[ModelShape, Anatomy]:
    if request.config is not None:
        try:
            return read_config(request.config)
        except InvalidConfig as error:
            raise Invalid(str(error), field=f"model_config.{error.field}") from None
    assert request.base_model is not None
    try:
        return read_config_of(find_base_model(settings, request.base_model).folder)
    except InvalidBaseModel as error:
        raise Invalid(str(error), field="base_model") from None


def _method(request: EstimateRequest, base: ModelShape) -> Method:
    """The method, checked against base, task and budget as a study would be."""
    try:
        kind = task_kind(request.task_kind)
    except UnknownName as error:
        raise Invalid(str(error), field="task_kind") from None
    try:
        kind.check(base)
    except NotOffered as error:
        raise Invalid(str(error), field="task_kind") from None
    try:
        check_length(base, request.budget.max_length)
        method = build_method(request.method, request.hyperparameters)
        method.check(base, task_kind=request.task_kind, max_length=request.budget.max_length)
        check_budget(method, request.budget)
    except InvalidHyperparameter as error:
        raise Invalid(str(error), field=f"hyperparameters.{error.field}") from None
    except (UnknownName, NotOffered) as error:
        raise Invalid(str(error), field="method") from None
    return method


def device_speed(engine: Engine, caller: Caller, device: DeviceKind) -> Calibration | None:
    """How fast such a device trains, from the probes that ended well on one; None where there is none."""
    with team_session(engine, caller.team_id) as session:
        return speed_before(session, device, None)


def speed_before(session: Session, device: DeviceKind, moment: datetime | None) -> Calibration | None:
    """The same from those that had ended by a moment; None: until now."""
    measured = list(_probed_steps(session, device, moment))
    probes = f"{len(measured)} probe{'s' if len(measured) > 1 else ''}"
    return calibrate(measured, f"{probes} on {device}") if measured else None


def _probed_steps(session: Session, device: DeviceKind, moment: datetime | None) -> Iterator[tuple[float, float]]:
    """(FLOPs, seconds) of a step of each probe, its texts as long as they were in the mean."""
    wanted = (
        select(Run, MeasurementRow)
        .join(MeasurementRow, MeasurementRow.run_id == Run.id)
        .where(Run.status == "succeeded", Run.purpose == "probe", MeasurementRow.metric == "training_speed")
        .order_by(Run.id.desc())
        .limit(MOST_PROBES)
    )
    for run, speed in session.execute(wanted if moment is None else wanted.where(Run.ended_at <= moment)):
        seconds = speed.detail.get("median_step_seconds")
        environment = run.environment or {}
        if not seconds or not speed.value or environment.get("device") != device:
            continue
        spec = RunSpec.model_validate(run.spec)
        length = max(1, round(speed.value * seconds / spec.budget.batch_size))
        try:
            setting = setting_of(spec, precision=environment["precision"], device=device, length=length)
        except PeftCoreError:
            # Its base model or method is no longer what it was.
            continue
        yield training_flops(setting), seconds
