"""What the cost model says of a run that is there, to be read beside what the run has measured."""

from dataclasses import asdict

from sqlalchemy import Engine

from app.db.session import team_session
from app.db.tables import Run
from app.errors import NotFound
from app.language import tr
from app.schemas import EstimateView
from app.services.callers import Caller
from app.services.estimates import device_speed
from app.services.runs import read_run
from peft_core.analysis.cost_model.estimate import estimate
from peft_core.analysis.cost_model.setting import DeviceKind, Setting, setting_of
from peft_core.errors import PeftCoreError
from peft_core.spec import RunSpec


def read_estimate(engine: Engine, caller: Caller, run_id: int) -> EstimateView:
    """Its texts counted as long as the budget lets them be. Raises NotFound where nothing can be said: the run was
    imported or has not begun, or its base model or method is no longer what it was."""
    with team_session(engine, caller.team_id) as session:
        run = read_run(session, run_id)
        if run.source == "imported":
            raise NotFound(
                tr("Run {run} was imported: its base model is not here, and nothing is predicted of it.", run=run_id)
            )
        if run.spec is None:
            raise NotFound(tr("Run {run} has not begun. Ask POST /estimates before a run is launched.", run=run_id))
        spec = RunSpec.model_validate(run.spec)
        setting = _setting(run, spec)
    steps = spec.budget.total_steps(spec.task.splits.train)
    found = estimate(setting, total_steps=steps, calibration=device_speed(engine, caller, setting.device))
    return EstimateView(**asdict(found), total_steps=steps, fits=None, verdict=None)


def _setting(run: Run, spec: RunSpec) -> Setting:
    device: DeviceKind = "cuda" if (run.environment or {}).get("device", run.study.device) == "cuda" else "cpu"
    precision = spec.precision or ("bf16" if run.study.precision == "bf16" else "fp32")
    try:
        return setting_of(spec, precision=precision, device=device, length=None)
    except PeftCoreError as error:
        raise NotFound(tr("Nothing is predicted of run {run}: {why}", run=run.id, why=error)) from None
