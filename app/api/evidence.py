"""GET studies/{id}/pareto and sweep: what a study's cells say together."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.context import AsViewer, RowId
from app.schemas import Axis, Pareto, Sweeps
from app.services import pareto, sweeps

router = APIRouter(prefix="/studies", tags=["studies"])
MetricName = Annotated[str, Query(max_length=200)]


@router.get("/{study_id}/pareto")
def read_pareto(
    here: AsViewer,
    study_id: RowId,
    x: MetricName = "trainable_parameters",
    y: MetricName = "task_performance",
    z: Annotated[str | None, Query(max_length=200)] = None,
    floor: Annotated[float | None, Query(ge=0, le=1)] = None,
) -> Pareto:
    """The configurations against two or three metrics: who is on the front, in which share of draws, and who is left
    out and why. `floor`: the share of full fine-tuning's gain that a point must keep; none unless given."""
    names: dict[Axis, str] = {"x": x, "y": y} if z is None else {"x": x, "y": y, "z": z}
    return pareto.pareto(here.engine, here.caller, study_id, names, floor)


@router.get("/{study_id}/sweep")
def read_sweeps(here: AsViewer, study_id: RowId) -> Sweeps:
    """Quality, parameters and speed against a hyper-parameter, for every method of the study that has several values of
    one, with the best of them and whether its neighbours can be told from it; else the presets that make a sweep."""
    return sweeps.sweeps(here.engine, here.caller, study_id)
