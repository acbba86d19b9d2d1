"""Run: how far it is, its curves, what went wrong, what it changed and measured, its model to try, and its log."""

import asyncio
from typing import Any

from dash import Input, Output, State, dcc, html, no_update, register_page

from app.client import ApiProblem, AtlasClient
from app.language import filled, tr
from app.schemas import Curves, ExamplesView, LogLine, Page, RunDetail, RunView
from app.ui import live
from app.ui.elements import panel
from app.ui.policy import reading, writing
from app.ui.run import against, copying, curves, files, log, try_it
from app.ui.run.curves import change_curves, curves_kind, curves_panels
from app.ui.run.reading import ENDED_POINTS, RunReading, parts, read_run
from app.ui.run.spectrum import layer_shown, spectrum_panel
from app.ui.session import client
from app.ui.states import empty, error, loading
from app.ui.theme import palette

register_page(
    __name__,
    path_template="/runs/<run_id>",
    name="Run",
    title=lambda run_id="", **_: tr("Run {run} · PEFT Atlas", run=run_id),
)
copying.register()
curves.register()
log.register()
files.register()
against.register()
try_it.register()
live.follow("run", read=lambda api, what: read_run(api, int(what)), ended=lambda reading: not reading.live)

PLACES = ("run-head", "run-progress", "run-diagnosis", "run-measured", "run-files", "run-merging", "run-conditions")


async def layout(run_id: str = "", **query: str) -> Any:
    """All that needs no figure at once; curves follow when the browser has said its colours. The address may say which
    run this one is held against."""
    if not (run_id.isascii() and run_id.isdigit() and len(run_id) < 19):
        why = tr("The address does not name a run.")
        return empty(tr("No such run"), why, [(tr("Queue"), "/runs"), (tr("Studies"), "/studies")])
    api = client()
    try:
        reading = await read_run(api, int(run_id))
        lines, siblings = await asyncio.gather(api.log(reading.run.id, before=log.NEWEST), _siblings(api, reading))
        questions = await api.examples(reading.run.id)
    except ApiProblem as problem:
        return _unreadable(problem)
    return _page(reading, lines, siblings, questions, query.get("against"))


def _unreadable(problem: ApiProblem) -> Any:
    if problem.status == 404:
        return empty(tr("No such run"), problem.detail, [(tr("Queue"), "/runs"), (tr("Studies"), "/studies")])
    return error(tr("The run could not be read"), problem.detail)


async def _siblings(api: AtlasClient, reading: RunReading) -> list[RunView]:
    runs = (await api.runs(study_id=reading.run.study_id, limit=against.MOST_CHOICES)).items
    return [run for run in runs if run.id != reading.run.id]


def _page(
    reading: RunReading,
    lines: Page[LogLine],
    siblings: list[RunView],
    questions: ExamplesView,
    held_against: str | None,
) -> html.Div:
    run, shown = reading.run, parts(reading)
    place = {name: html.Div(shown[name].children, id=name) for name in PLACES}
    return html.Div(
        [
            dcc.Store(id="run-id", data=run.id),
            dcc.Store(id="run-shown", data={name: part.key for name, part in shown.items()}),
            dcc.Store(id="run-curves-shown"),
            dcc.Store(id="run-log-newest", data=run.last_line),
            dcc.Store(id="run-against-asked"),
            copying.listening(),
            dcc.Store(id="run-ended", data=not reading.live),
            live.following("run", str(run.id), reading),
            place["run-head"],
            html.Div(id="run-asked", className="problem"),
            place["run-progress"],
            html.Div(
                [
                    html.Div(
                        [
                            html.Div(
                                curves.room_for_curves(run, reading.curves), id="run-curves", className="run-column"
                            ),
                            html.Div(_room_for_spectrum(reading), id="run-spectrum"),
                        ],
                        className="run-column",
                    ),
                    html.Div(
                        [
                            place["run-diagnosis"],
                            place["run-measured"],
                            html.Div(try_it.try_panel(questions, run.label), id="run-trial"),
                            log.log_panel(run.id, lines),
                            place["run-files"],
                            place["run-merging"],
                        ],
                        className="run-column",
                    ),
                ],
                className="run-grid",
            ),
            against.against_panel(siblings, held_against),
            place["run-conditions"],
        ],
        className="run-page",
    )


def _room_for_spectrum(reading: RunReading) -> Any:
    if reading.live:
        words = tr("Comes when the run has ended: what of the model it changed, and in how many directions.")
        return panel(tr("Update spectrum"), html.P(words, className="quiet"))
    return html.Section(loading(8), className="panel run-room")


@reading(
    *[Output(name, "children") for name in PLACES],
    Output("run-shown", "data"),
    Output("run-log-newest", "data"),
    Output("run-ended", "data"),
    Input("run-live", "data"),
    State("run-shown", "data"),
    State("run-id", "data"),
    prevent_initial_call=True,
)
async def follow(_version: str, shown: dict[str, str], run_id: int) -> Any:
    """What of the page has changed."""
    try:
        reading: RunReading = await live.latest("run", str(run_id))
    except ApiProblem as problem:
        return [_unreadable(problem), *[no_update] * (len(PLACES) + 2)]
    now = parts(reading)
    changed = [now[name].children if now[name].key != shown.get(name) else no_update for name in PLACES]
    return [*changed, {name: part.key for name, part in now.items()}, reading.run.last_line, not reading.live]


@reading(
    Output("run-curves", "children"),
    Output("run-curves-shown", "data"),
    Input("scheme-now", "data"),
    Input("narrow-now", "data"),
    Input("run-live", "data"),
    State("run-curves-shown", "data"),
    State("run-ended", "data"),
    State("run-id", "data"),
)
async def draw_curves(
    scheme: str | None, narrow: bool | None, _version: str | None, kind: str | None, ended: bool, run_id: int
) -> Any:
    """The curves, once the browser has said its colours and width; new points change them in place."""
    if scheme is None or narrow is None:
        return no_update, no_update
    try:
        run, found = await _curves(run_id, ended)
    except ApiProblem as problem:
        return error(tr("The curves could not be read"), problem.detail), "error"
    shown = run, found, palette(scheme)
    new = curves_kind(found, palette(scheme), narrow=narrow)
    if new == kind and found.series:
        change_curves(*shown, narrow=narrow)
        return no_update, no_update
    return curves_panels(*shown, narrow=narrow), new


async def _curves(run_id: int, ended: bool) -> tuple[RunDetail, Curves]:
    """Of a run that goes on what its watcher has read; of one that has ended nothing else is read again."""
    if ended:
        return await asyncio.gather(client().run(run_id), client().curves(run_id, ENDED_POINTS))
    now: RunReading = await live.latest("run", str(run_id))
    return now.run, now.curves


@reading(Output("run-spectrum", "children"), Input("run-ended", "data"), State("run-id", "data"))
async def show_spectrum(ended: bool | None, run_id: int) -> Any:
    """What the run has changed, once it has ended."""
    if not ended:
        return no_update
    try:
        return spectrum_panel(await client().spectrum(run_id))
    except ApiProblem as problem:
        words = html.P(problem.detail, className="quiet", **{"data-id": str(run_id)})
        return panel(tr("Update spectrum"), words)


@reading(
    Output("run-trial", "children"), Input("run-ended", "data"), State("run-id", "data"), prevent_initial_call=True
)
async def offer_trial(ended: bool | None, run_id: int) -> Any:
    """What can be asked, once the run has ended while its page was open."""
    if not ended:
        return no_update
    api = client()
    try:
        questions, run = await asyncio.gather(api.examples(run_id), api.run(run_id))
    except ApiProblem as problem:
        return panel(tr("Try it"), html.P(problem.detail, className="quiet"))
    return try_it.try_panel(questions, run.label)


@reading(
    Output("run-layer-shown", "children"),
    Input("run-layer", "value"),
    Input("scheme-now", "data"),
    State("run-id", "data"),
)
async def show_layer(layer: str | None, scheme: str | None, run_id: int) -> Any:
    """The chosen layer."""
    if layer is None:
        return no_update
    try:
        found = await client().spectrum(run_id, layer)
    except ApiProblem as problem:
        return error(tr("The layer could not be read"), problem.detail)
    return layer_shown(found.shown, palette(scheme), run_id) if found.shown else []


@writing(
    Output("run-asked", "children"),
    Input("run-act", "n_clicks"),
    State("run-id", "data"),
    prevent_initial_call=True,
)
async def act(clicks: int | None, run_id: int) -> Any:
    """Cancel what waits or runs, retry what failed."""
    if not clicks:
        return no_update
    api = client()
    try:
        run = await api.run(run_id)
        if run.status in ("queued", "running"):
            await api.cancel_run(run_id)
            words = tr("Asked to stop; what was measured stays.")
            return html.Div(words, className="note note-warn", role="status")
        again = await api.retry_run(run_id)
    except ApiProblem as problem:
        return html.Div(problem.detail, className="note note-bad", role="alert")
    link = dcc.Link(tr("run {run}", run=again.id), href=f"/runs/{again.id}")
    return html.Div(filled("Queued again as {link}.", link=link), className="note note-warn", role="status")
