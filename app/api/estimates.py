"""POST estimates: what a run will cost, before it is launched."""

from fastapi import APIRouter

from app.api.context import Here
from app.schemas import EstimateRequest, EstimateView
from app.services import estimates

router = APIRouter(prefix="/estimates", tags=["estimates"])


@router.post("")
def estimate(here: Here, request: EstimateRequest) -> EstimateView:
    """Parameters, memory, FLOPs and seconds of one run, by named formulas; nothing is loaded and nothing is queued."""
    return estimates.estimate_run(here.engine, here.settings, here.caller, request)
