"""POST lookups: a case of one's own, measured or not."""

from fastapi import APIRouter

from app.api.context import AsViewer
from app.schemas import Lookup, LookupRequest
from app.services import lookup

router = APIRouter(prefix="/lookups", tags=["recommendations"])


@router.post("")
def look_up(here: AsViewer, request: LookupRequest) -> Lookup:
    """The study that measured this very case; else ratios to full fine-tuning from the three nearest studies of the
    same architecture family and kind of task, with intervals; else what to run. Nothing is queued."""
    return lookup.look_up_case(here.engine, here.settings, here.caller, request)
