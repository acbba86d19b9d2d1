"""POST estimates: what a run or a whole study will cost, before it is launched."""

from fastapi import APIRouter

from app.api.context import AsViewer
from app.schemas import EstimateRequest, EstimateView, StudyEstimate, StudyEstimateRequest
from app.services import estimates, study_estimates

router = APIRouter(prefix="/estimates", tags=["estimates"])


@router.post("")
def estimate(here: AsViewer, request: EstimateRequest) -> EstimateView:
    """Parameters, memory, FLOPs and seconds of one run, by named formulas; nothing is loaded and nothing is queued."""
    return estimates.estimate_run(here.engine, here.settings, here.caller, request)


@router.post("/study")
def estimate_study(here: AsViewer, request: StudyEstimateRequest) -> StudyEstimate:
    """The same for every row of a study, with what the study comes to and all that launching it would refuse."""
    return study_estimates.estimate_study(here.engine, here.settings, here.caller, request)
