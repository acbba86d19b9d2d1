"""Admin: workers, storage, what studies can name, the system, and who may use it."""

import asyncio
from typing import Any

from dash import html, register_page

from app.client import ApiProblem, AtlasClient
from app.language import tr, trn
from app.schemas import StorageView, WorkerView
from app.ui.admin import storage, workers
from app.ui.admin.holdings import datasets_panel, models_panel
from app.ui.admin.installation import accounts_panel, system_panel
from app.ui.admin.storage import storage_panel
from app.ui.admin.workers import workers_panel
from app.ui.elements import page_head
from app.ui.session import client
from app.ui.states import error


def page_title(**_: str) -> str:
    return tr("Admin · PEFT Atlas")


register_page(__name__, path="/admin", name="Admin", title=page_title)


async def layout(**_query: str) -> Any:
    """Everything as it is now."""
    api = client()
    try:
        alive, room, models, tasks, uploaded, system = await asyncio.gather(
            api.devices(), api.storage(), api.base_models(), api.tasks(), api.datasets(), api.system()
        )
    except ApiProblem as problem:
        return error(tr("The installation could not be read"), problem.detail)
    wrong = await _why_not_ready(api)
    return html.Div(
        [
            page_head(tr("Admin"), answer(alive, room, wrong)),
            workers_panel(alive),
            html.Div([storage_panel(room), system_panel(system, wrong)], className="admin-columns"),
            models_panel(models, system),
            datasets_panel(tasks, uploaded, system),
            accounts_panel(),
        ],
        className="admin",
    )


async def _why_not_ready(api: AtlasClient) -> str | None:
    try:
        await api.check_ready()
    except ApiProblem as problem:
        return problem.detail
    return None


def answer(known: list[WorkerView], room: StorageView, wrong: str | None) -> str:
    """What needs somebody, in one sentence; else that nothing does."""
    alive = [worker for worker in known if worker.alive]
    if wrong is not None:
        return tr("It cannot do its work now: see System.")
    if room.disk_free_bytes < room.kept_free_bytes:
        return tr("The disk is nearly full: delete studies that are no longer needed.")
    if not alive:
        return tr("No worker is running, so nothing is trained. Start one.")
    paused = sum(worker.paused for worker in alive)
    if paused == len(alive):
        return tr("Every worker is paused, so nothing is trained. Resume one.")
    if paused:
        return trn("One worker is paused; the others work.", "{count} workers are paused; the others work.", paused)
    return tr("Nothing needs you: workers are alive, and there is room.")


workers.register()
storage.register()
