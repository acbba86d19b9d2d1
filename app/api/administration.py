"""GET storage and system; POST storage/sweep."""

from fastapi import APIRouter

from app.api.context import AsOperator
from app.schemas import StorageView, SystemView
from app.services.storage import free_leftovers, storage
from app.services.system import system

router = APIRouter(tags=["administration"])


@router.get("/storage")
def read_storage(here: AsOperator) -> StorageView:
    """How much room files, checkpoints, datasets and the database take, and what is left of the disk."""
    return storage(here.engine, here.settings, here.caller)


@router.post("/storage/sweep")
def sweep_storage(here: AsOperator) -> StorageView:
    """Delete what lost workers and interrupted deletions have left in the store. Nothing that a run refers to goes."""
    return free_leftovers(here.engine, here.settings, here.caller)


@router.get("/system")
def read_system(here: AsOperator) -> SystemView:
    """Versions, the database, the settings that are set (never a secret), and what is not installed."""
    return system(here.engine, here.settings)
