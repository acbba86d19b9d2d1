"""What teams may take of the installation."""

from fastapi import APIRouter

from app.api.context import AsOperator, AsViewer, RowId
from app.schemas import Page, TeamLimits, TeamQuota
from app.services import quotas

router = APIRouter(tags=["limits"])


@router.get("/team/limits")
def read_limits(here: AsViewer) -> TeamQuota:
    """What the caller's team may take, and what it takes now."""
    return quotas.quota_of(here.engine, here.caller)


@router.get("/teams/limits")
def list_limits(here: AsOperator) -> Page[TeamQuota]:
    """The same of every team."""
    return Page[TeamQuota](items=quotas.quotas(here.engine))


@router.put("/teams/{team_id}/limits")
def set_limits(here: AsOperator, team_id: RowId, limits: TeamLimits) -> TeamQuota:
    """Give a team other limits; null is none."""
    return quotas.set_limits(here.engine, team_id, limits)
