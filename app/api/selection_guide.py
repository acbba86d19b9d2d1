"""GET recommendations/tree: the textbook's selection guide, derived from what was measured."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.context import AsViewer, RowId
from app.schemas import SelectionGuide
from app.services import selection_guide
from peft_core.scenario import ConstraintName

router = APIRouter(prefix="/recommendations", tags=["recommendations"])
Limit = Annotated[float | None, Query(ge=0, le=1e15)]


@router.get("/tree")
def read_tree(
    here: AsViewer, study: RowId | None = None, peak_memory_bytes: Limit = None, storage_bytes: Limit = None
) -> SelectionGuide:
    """Every leaf's answer from one study, or from all the team's: verdict, P(best), the studies, and the textbook's
    own leaf beside it. The limits count on the paths that ask whether resources are limited or tasks are several."""
    given: dict[ConstraintName, float | None] = {
        "peak_memory_bytes": peak_memory_bytes,
        "storage_bytes": storage_bytes,
    }
    limits = {name: limit for name, limit in given.items() if limit is not None}
    return selection_guide.selection_guide(here.engine, here.caller, study, limits)
