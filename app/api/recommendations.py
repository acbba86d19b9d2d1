"""POST recommendations: a scenario applied to a study's evidence."""

from fastapi import APIRouter

from app.api.context import AsViewer
from app.schemas import Recommendation, RecommendationRequest
from app.services import recommendations

router = APIRouter(prefix="/recommendations", tags=["recommendations"])


@router.post("")
def recommend(here: AsViewer, request: RecommendationRequest) -> Recommendation:
    """Which method fits, with the evidence, its uncertainty, and who was ruled out."""
    return recommendations.recommend(here.engine, here.caller, request)
