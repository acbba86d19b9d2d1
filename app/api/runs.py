"""GET runs, their series, logs and files; cancel and retry."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Query
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from app.api.context import AsMember, AsViewer, RowId
from app.errors import Invalid
from app.schemas import (
    ArtifactView,
    Curves,
    DiagnosisView,
    EstimateView,
    ExamplesView,
    GivenPoints,
    LogLine,
    MergedView,
    Page,
    PointsWritten,
    PredictionsView,
    PredictionView,
    PredictRequest,
    RunDetail,
    RunView,
    Series,
    SpectrumView,
)
from app.services import diagnoses, jobs, predicted, run_curves, run_files, run_log, runs, spectra, try_out
from app.services.imports import elsewhere
from app.services.run_events import News, read_cursor, read_news
from app.services.runs import RunFilter, RunOrder
from app.services.store import stored_file
from peft_core.spec import Purpose

router = APIRouter(prefix="/runs", tags=["runs"])

LastEventId = Annotated[str | None, Header(max_length=40)]
EVENTS_SECONDS = 0.5
"""How often a stream looks for news."""


@router.get("")
def list_runs(
    here: AsViewer,
    study_id: RowId | None = None,
    status: Annotated[str | None, Query(pattern="^[a-z]+(,[a-z]+)*$", max_length=100)] = None,
    purpose: Purpose | None = None,
    method: Annotated[str | None, Query(max_length=100)] = None,
    device: Literal["cpu", "cuda"] | None = None,
    order: Literal["oldest", "newest", "lowest", "highest"] = "oldest",
    metric: Annotated[str | None, Query(max_length=100)] = None,
    cursor: Annotated[str | None, Query(max_length=60)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Page[RunView]:
    """Runs of the queue; `status` may name several, separated by commas. `lowest` and `highest` are by the runs' value
    of `metric`, and leave out those that have none."""
    by_value = order in ("lowest", "highest")
    if by_value != (metric is not None):
        raise Invalid("Name a metric with the order 'lowest' or 'highest', and with no other.", field="metric")
    wanted, descending = RunFilter(study_id, status, purpose, method, device), order in ("newest", "highest")
    return runs.list_runs(here.engine, here.caller, wanted, RunOrder(metric, descending), cursor=cursor, limit=limit)


@router.get("/{run_id}")
def read_run(here: AsViewer, run_id: RowId) -> RunDetail:
    """One run with its spec, measurements, files and attempts."""
    return runs.run_detail(here.engine, here.caller, run_id)


@router.post("/{run_id}/cancel")
def cancel_run(here: AsMember, run_id: RowId) -> RunDetail:
    """Cancel a queued run, stop a running one; what was measured stays."""
    runs.request_cancel(here.engine, here.caller, run_id)
    return runs.run_detail(here.engine, here.caller, run_id)


@router.post("/{run_id}/retry", status_code=201)
def retry_run(here: AsMember, run_id: RowId) -> RunDetail:
    """Queue a new run in place of one that failed or was cancelled."""
    return runs.run_detail(here.engine, here.caller, runs.retry_run(here.engine, here.caller, run_id))


@router.get("/{run_id}/series")
def read_series(
    here: AsViewer,
    run_id: RowId,
    key: Annotated[str, Query(max_length=100)],
    after: Annotated[int, Query(ge=-1, le=2**31)] = -1,
    max_points: Annotated[int, Query(ge=2, le=5_000)] = 320,
) -> Series:
    """A series of the run, thinned on the server: its peaks, its gaps and its last point stay."""
    return run_curves.read_series(here.engine, here.caller, run_id, key, after=after, max_points=max_points)


@router.get("/{run_id}/curves")
def read_curves(
    here: AsViewer,
    run_id: RowId,
    max_points: Annotated[int, Query(ge=2, le=run_curves.MOST_POINTS)] = 320,
    evenly: Annotated[bool, Query(description="Every n-th point instead, at steps that series share.")] = False,
) -> Curves:
    """Every series of the run, thinned on the server, and the training loss of full fine-tuning beside its own.

    Of a long series its peaks, its gaps and its last point stay; `total` says how many points it has.
    """
    return run_curves.read_curves(here.engine, here.caller, run_id, max_points=max_points, evenly=evenly)


@router.post("/{run_id}/points")
def add_points(here: AsMember, run_id: RowId, points: GivenPoints) -> PointsWritten:
    """Write values of an imported run's series; one that is given again replaces the old one."""
    return PointsWritten(written=elsewhere.add_points(here.engine, here.caller, run_id, points))


@router.get("/{run_id}/log")
def read_log(
    here: AsViewer,
    run_id: RowId,
    after: Annotated[int, Query(ge=0, le=2**63 - 1)] = 0,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    q: Annotated[str | None, Query(max_length=200)] = None,
) -> Page[LogLine]:
    """500 lines of the run's log, the oldest first: those after line `after`, or the last ones before line `before`;
    of all that contain `q`. next_cursor is the line to go on from in the same direction."""
    return run_log.read_log(here.engine, here.caller, run_id, after=after, before=before, query=q)


@router.get("/{run_id}/log.txt", response_class=StreamingResponse, responses={200: {"content": {"text/plain": {}}}})
def download_log(here: AsViewer, run_id: RowId) -> StreamingResponse:
    """The whole log as a text file, each line with its time in UTC."""
    lines = run_log.whole_log(here.engine, here.caller, run_id)
    return StreamingResponse(lines, media_type="text/plain; charset=utf-8", headers=_named(f"run-{run_id}.log"))


async def first_news(here: AsViewer, run_id: RowId, last_event_id: LastEventId = None) -> News:
    """Read before the stream begins, so that an unknown run is a 404 and no broken stream."""
    return await run_in_threadpool(read_news, here.engine, here.caller, run_id, read_cursor(last_event_id))


@router.get("/{run_id}/events", response_class=EventSourceResponse)
async def stream_events(
    here: AsViewer,
    run_id: RowId,
    news: Annotated[News, Depends(first_news)],
    last_event_id: LastEventId = None,
) -> AsyncIterator[ServerSentEvent]:
    """Server-Sent Events until the run has ended: `log`, `point`, `run` whenever it stands otherwise, and `end`.

    Each carries an id; sent back as Last-Event-ID, the stream goes on behind it.
    """
    cursor, shown = read_cursor(last_event_id), None
    while True:
        for line in news.lines:
            cursor = replace(cursor, line=line.id)
            yield ServerSentEvent(event="log", data=line, id=str(cursor))
        for point in news.points:
            cursor = replace(cursor, step=point.step)
            yield ServerSentEvent(event="point", data=point, id=str(cursor))
        cursor = news.cursor
        if news.run.model_copy(update={"eta_seconds": None}) != shown:
            shown = news.run.model_copy(update={"eta_seconds": None})
            yield ServerSentEvent(event="run", data=news.run, id=str(news.cursor))
        if news.ended:
            yield ServerSentEvent(event="end", data=news.run.status, id=str(news.cursor))
            return
        if not (news.lines or news.points):
            await asyncio.sleep(EVENTS_SECONDS)
        news = await run_in_threadpool(read_news, here.engine, here.caller, run_id, news.cursor)


@router.get("/{run_id}/predictions")
def read_predictions(here: AsViewer, run_id: RowId) -> PredictionsView:
    """The test split item by item."""
    return runs.read_predictions(here.engine, here.caller, run_id)


@router.get("/{run_id}/diagnosis")
def read_diagnosis(here: AsViewer, run_id: RowId) -> DiagnosisView:
    """What went wrong in the run, with the evidence, or that nothing was found."""
    return diagnoses.read_diagnosis(here.engine, here.caller, run_id)


@router.get("/{run_id}/spectrum")
def read_spectrum(
    here: AsViewer, run_id: RowId, layer: Annotated[str | None, Query(min_length=1, max_length=400)] = None
) -> SpectrumView:
    """The singular values of what the run has learned, of one layer; the most changed one unless asked."""
    return spectra.read_spectrum(here.engine, here.caller, here.settings.store_folder, run_id, layer=layer)


@router.get("/{run_id}/estimate")
def read_estimate(here: AsViewer, run_id: RowId) -> EstimateView:
    """What the cost model says of the run, to be read beside what it measured."""
    return predicted.read_estimate(here.engine, here.caller, run_id)


@router.get("/{run_id}/examples")
def read_examples(here: AsViewer, run_id: RowId) -> ExamplesView:
    """What a question to the run's model consists of, and some items of the test split to ask."""
    return try_out.read_examples(here.engine, here.caller, run_id)


@router.post("/{run_id}/predict")
async def predict(here: AsMember, run_id: RowId, request: PredictRequest) -> PredictionView:
    """What the run's model answers, beside its base. A worker answers within 30 s, also while it trains; a cost probe
    is waited for, a minute at most."""
    job = await run_in_threadpool(try_out.ask_for_answers, here.engine, here.caller, run_id, request)
    return try_out.as_answers(run_id, job, request, await jobs.answer(here.engine, here.caller, job))


@router.post("/{run_id}/merge")
async def merge(here: AsMember, run_id: RowId) -> MergedView:
    """Merge the run's adapter into its base, as files of the run that transformers loads without peft. Asked again, the
    same files."""
    job = await run_in_threadpool(try_out.ask_for_merging, here.engine, here.settings, here.caller, run_id)
    if job is not None:
        await jobs.answer(here.engine, here.caller, job)
    return await run_in_threadpool(try_out.merged, here.engine, here.caller, run_id)


@router.get("/{run_id}/artifacts")
def list_artifacts(here: AsViewer, run_id: RowId) -> Page[ArtifactView]:
    """The files the run left."""
    return Page(items=runs.run_files(here.engine, here.caller, run_id))


@router.get(
    "/{run_id}/artifacts.zip", response_class=StreamingResponse, responses={200: {"content": {"application/zip": {}}}}
)
def download_all(here: AsViewer, run_id: RowId) -> StreamingResponse:
    """All files of the run in one archive, made while it is sent."""
    files = run_files.files_to_send(here.engine, here.caller, here.settings.store_folder, run_id)
    archive = run_files.zipped(files)
    return StreamingResponse(archive, media_type="application/zip", headers=_named(f"run-{run_id}.zip"))


@router.get(
    "/{run_id}/artifacts/{artifact_id}",
    response_class=FileResponse,
    responses={200: {"content": {"application/octet-stream": {}}}},
)
def download_artifact(here: AsViewer, run_id: RowId, artifact_id: RowId) -> FileResponse:
    """One file, found by its id: a path never comes from the request."""
    artifact = runs.read_artifact(here.engine, here.caller, run_id, artifact_id)
    path = stored_file(here.settings.store_folder, artifact)
    return FileResponse(path, filename=artifact.path.rsplit("/", 1)[-1], media_type="application/octet-stream")


def _named(file: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{file}"'}
