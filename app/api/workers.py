"""POST workers/{id}/pause and /resume; GET devices lists them."""

from fastapi import APIRouter

from app.api.context import AsOperator, RowId
from app.schemas import WorkerView
from app.services import workers

router = APIRouter(prefix="/workers", tags=["workers"])


@router.post("/{worker_id}/pause")
def pause_worker(here: AsOperator, worker_id: RowId) -> WorkerView:
    """Have a worker claim nothing more until it is resumed; what it runs, it finishes."""
    return workers.pause_worker(here.engine, here.caller, worker_id)


@router.post("/{worker_id}/resume")
def resume_worker(here: AsOperator, worker_id: RowId) -> WorkerView:
    """Have a paused worker claim again."""
    return workers.resume_worker(here.engine, here.caller, worker_id)
