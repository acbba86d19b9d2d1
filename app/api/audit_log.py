"""GET audit and audit/installation: who did what."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.context import AsAdmin, AsOperator
from app.schemas import AuditView, Page
from app.services import audit

router = APIRouter(prefix="/audit", tags=["audit"])

Wanted = Annotated[str | None, Query(max_length=200)]
Limit = Annotated[int, Query(ge=1, le=200)]


@router.get("")
def read_audit(
    here: AsAdmin, user: Wanted = None, action: Wanted = None, cursor: Wanted = None, limit: Limit = 50
) -> Page[AuditView]:
    """What was done in one's own team, the newest first."""
    return audit.read_entries(here.engine, here.caller.team_id, user=user, action=action, cursor=cursor, limit=limit)


@router.get("/installation")
def read_installation_audit(
    here: AsOperator, user: Wanted = None, action: Wanted = None, cursor: Wanted = None, limit: Limit = 50
) -> Page[AuditView]:
    """What was done in every team and by nobody that is known, logins that failed among it; the newest first."""
    return audit.read_entries(here.engine, None, user=user, action=action, cursor=cursor, limit=limit)
