"""What the run page reads of the API, and its parts, each with a key that changes when it has to be shown anew."""

import asyncio
from dataclasses import dataclass
from typing import Any

from app.client import ApiProblem, AtlasClient
from app.schemas import Curves, DiagnosisView, EstimateView, MetricCard, RunDetail, StudyDocument, WorkerView
from app.ui.run.conditions import conditions
from app.ui.run.diagnosis import diagnosis_panel
from app.ui.run.files import files_panel, merge_panel
from app.ui.run.head import head, progress
from app.ui.run.measured import measured_panel
from app.ui.states import same_when_alive

LIVE = ("queued", "running")
LIVE_POINTS, ENDED_POINTS = 200, 320
"""Of one curve, drawn again at each step or once."""


@dataclass(frozen=True)
class RunReading:
    """A run as it is now, with what is found wrong in it. estimate: None where nothing is predicted of it."""

    run: RunDetail
    curves: Curves
    diagnosis: DiagnosisView
    metrics: dict[str, MetricCard]
    estimate: EstimateView | None
    document: StudyDocument | None
    workers: list[WorkerView]
    """Who could take it, while it waits."""

    @property
    def live(self) -> bool:
        """Whether anything of it can still change."""
        return self.run.status in LIVE


@dataclass(frozen=True)
class ShownPart:
    """A part of the page. key: where it is the same, the part on screen stays, and with it the reader's focus."""

    key: str
    children: Any


async def read_run(api: AtlasClient, run_id: int) -> RunReading:
    """Raises ApiProblem where there is no such run."""
    run = await api.run(run_id)
    points = LIVE_POINTS if run.status in LIVE else ENDED_POINTS
    curves, found, metrics, estimate, document, workers = await asyncio.gather(
        api.curves(run_id, points),
        api.diagnosis(run_id),
        _metrics(api, run),
        _estimate(api, run),
        _document(api, run),
        _workers(api, run),
    )
    return RunReading(run, curves, found, metrics, estimate, document, workers)


async def _workers(api: AtlasClient, run: RunDetail) -> list[WorkerView]:
    return same_when_alive(await api.devices()) if run.status == "queued" else []


async def _metrics(api: AtlasClient, run: RunDetail) -> dict[str, MetricCard]:
    return {card.key: card for card in await api.metrics()} if run.measurements else {}


async def _estimate(api: AtlasClient, run: RunDetail) -> EstimateView | None:
    """Only beside something that was measured: it takes longer than all else."""
    if not run.measurements or run.source == "imported":
        return None
    try:
        return await api.run_estimate(run.id)
    except ApiProblem:
        # Its base model is gone or it never began: what was measured stands alone.
        return None


async def _document(api: AtlasClient, run: RunDetail) -> StudyDocument | None:
    if run.status in LIVE or run.source == "imported" or run.spec is None:
        return None
    try:
        return (await api.study(run.study_id)).document
    except ApiProblem:
        return None


def parts(reading: RunReading) -> dict[str, ShownPart]:
    """Everything but figures, by the id of its place on the page."""
    run = reading.run
    measured = f"{run.status} {run.validation_score} {len(run.measurements)}"
    files = f"{run.status} {[file.id for file in run.artifacts]}"
    takers = [(worker.id, worker.paused) for worker in reading.workers]
    attempts = "".join(row.model_dump_json() for row in run.attempts)
    return {
        "run-head": ShownPart(
            f"{run.status} {run.cancel_requested} {run.stalled} {run.reason}", head(run, reading.document)
        ),
        "run-progress": ShownPart(
            f"{run.status} {run.phase} {run.step} {run.eta_seconds} {run.runs_before} {takers}",
            progress(run, reading.workers),
        ),
        "run-diagnosis": ShownPart(
            f"{run.status} {reading.diagnosis.model_dump_json()}", diagnosis_panel(run, reading.diagnosis)
        ),
        "run-measured": ShownPart(measured, measured_panel(run, reading.metrics, reading.estimate)),
        "run-files": ShownPart(files, files_panel(run)),
        "run-merging": ShownPart(run.status, merge_panel(run)),
        "run-conditions": ShownPart(f"{attempts} {run.environment} {run.spec is None}", conditions(run)),
    }
