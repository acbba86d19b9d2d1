"""Telling a person that a study has ended: by the browser's notification where it may, in the page where it may not."""

from typing import Any

from dash import ClientsideFunction, Input, Output, clientside_callback, dcc, html

from app.client import ApiProblem, AtlasClient
from app.language import tr
from app.ui.sentences import plain

UNDER_WAY = ("queued", "running")


def switch() -> html.Button:
    """The choice, remembered by the browser (static/studyEnds.js)."""
    return html.Button(
        tr("Tell me when a study ends"),
        id="study-ends",
        className="tell-me",
        type="button",
        **{"aria-pressed": "false"},
    )


def told() -> list[Any]:
    """Where the news stands: what has ended, and the messages in the page."""
    words = {"data-close": tr("Close"), "data-refused": tr("The browser refuses notifications; the page tells you.")}
    return [dcc.Store(id="studies-ended"), html.Div(id="toasts", className="toasts", role="status", **words)]


async def ended(api: AtlasClient, before: dict[str, str], now: dict[str, str]) -> list[dict[str, str]]:
    """Of the studies that were under way and are no longer: title, finding and address of those that have ended."""
    return [told for study in before if study not in now and (told := await _news(api, int(study))) is not None]


async def _news(api: AtlasClient, study_id: int) -> dict[str, str] | None:
    try:
        study = await api.study(study_id)
    except ApiProblem:
        # Deleted, or not to be read just now: no news that a person could follow up.
        return None
    if study.status in UNDER_WAY:
        return None
    title = {
        "succeeded": tr("{study} is finished", study=study.name),
        "failed": tr("{study} has failed", study=study.name),
        "cancelled": tr("{study} was cancelled", study=study.name),
    }[study.status]
    return {"id": str(study.id), "title": title, "text": plain(study.finding), "href": f"/studies/{study.id}"}


def register() -> None:
    """Declare what happens in the browser; at each attach, as the shell's other callbacks."""
    clientside_callback(
        ClientsideFunction("study_ends", "choose"),
        Output("study-ends", "aria-pressed"),
        Input("study-ends", "n_clicks"),
    )
    clientside_callback(
        ClientsideFunction("study_ends", "tell"),
        Output("toasts", "id"),
        Input("studies-ended", "data"),
        prevent_initial_call=True,
    )
