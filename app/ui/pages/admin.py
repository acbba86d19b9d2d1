"""Admin: workers, storage, what studies can name, the system, and who may use it."""

import asyncio
from typing import Any

from dash import Input, Output, html, no_update, register_page

from app.client import ApiProblem, AtlasClient
from app.language import tr, trn
from app.schemas import StorageView, WorkerView
from app.ui import live
from app.ui.admin import limits, people, storage, workers
from app.ui.admin.holdings import datasets_panel, models_panel
from app.ui.admin.installation import system_panel
from app.ui.admin.people import people_panels
from app.ui.admin.storage import storage_panel
from app.ui.admin.workers import workers_panel, workers_table
from app.ui.elements import page_head
from app.ui.people import audit_log
from app.ui.policy import reading
from app.ui.session import client
from app.ui.states import error, same_when_alive


def page_title(**_: str) -> str:
    return tr("Admin · PEFT Atlas")


register_page(__name__, path="/admin", name="Admin", title=page_title)


async def layout(**_query: str) -> Any:
    """Everything as it is now."""
    api = client()
    try:
        alive, room, models, tasks, uploaded, system = await asyncio.gather(
            live.read("admin"), api.storage(), api.base_models(), api.tasks(), api.datasets(), api.system()
        )
        who, done = await people_panels(api)
    except ApiProblem as problem:
        return error(tr("The installation could not be read"), problem.detail)
    wrong = await _why_not_ready(api)
    return html.Div(
        [
            live.following("admin", "", alive),
            page_head(tr("Admin"), html.Span(answer(alive, room, wrong), id="admin-answer")),
            workers_panel(alive),
            html.Div([storage_panel(room), system_panel(system, wrong)], className="admin-columns"),
            *who,
            models_panel(models, system),
            datasets_panel(tasks, uploaded, system),
            *done,
        ],
        className="admin",
    )


async def _read(api: AtlasClient, _: str) -> list[WorkerView]:
    """The workers of the last day. How old a living one's heartbeat is is no news."""
    known = await api.devices()
    return [*same_when_alive(known), *(worker for worker in known if not worker.alive)]


@reading(
    Output("admin-workers", "children"),
    Output("admin-answer", "children"),
    Input("admin-live", "data"),
    prevent_initial_call=True,
)
async def refresh(_version: str) -> Any:
    """The workers as they are now, and what that means."""
    api = client()
    try:
        known, room = await asyncio.gather(live.latest("admin"), api.storage())
    except ApiProblem:
        # What is on screen stays: a connection that is away for a moment is told by the frame.
        return no_update, no_update
    return workers_table(known), answer(known, room, await _why_not_ready(api))


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


live.follow("admin", read=_read)
workers.register()
storage.register()
people.register()
limits.register()
audit_log.register("admin", installation=True)
