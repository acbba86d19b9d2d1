"""A run's events as a stream that can be cut anywhere and goes on where it was."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from sqlalchemy import Engine

from app.db.session import system_session
from app.db.tables import Study
from app.schemas import MethodEntry, StudyDocument
from app.services import run_queue, studies
from app.services.callers import LOCAL
from app.services.run_queue import ClaimedRun
from app.settings import Settings
from peft_core.spec import Event, Log, Point, Progress, Resumed, RunResult
from tests.databases import on_both_databases

pytestmark = [pytest.mark.anyio, on_both_databases]

DOCUMENT = StudyDocument(
    name="Watched", seeds=1, grid_points=1, methods=[MethodEntry(method="head_only")], references=[]
)
FIRST: tuple[Event, ...] = (
    Resumed(step=0),
    Log(message="begins"),
    *(Point(key=key, step=step, value=step / 10) for step in (1, 2) for key in ("gradient_norm", "train_loss")),
    Progress(phase="training", step=2, total_steps=3),
)
LATER: tuple[Event, ...] = (
    Point(key="validation_score", step=2, value=0.5),
    Point(key="train_loss", step=3, value=0.3),
    Log(message="ends"),
)


@pytest.fixture
def claim(engine: Engine, settings: Settings) -> ClaimedRun:
    """A running run."""
    made = studies.create_study(engine, settings, LOCAL, DOCUMENT)
    with system_session(engine) as session:
        session.get_one(Study, made).precision = "fp32"
        worker = run_queue.register_worker(session, "test:1", "cpu", {})
        found = run_queue.claim_next_run(session, worker, store=Path("store"), lease_seconds=30, alone=True)
    assert found is not None
    return found


def record(engine: Engine, claim: ClaimedRun, events: Sequence[Event]) -> None:
    with system_session(engine) as session:
        run_queue.record_events(session, claim.lease, events)


def finish(engine: Engine, claim: ClaimedRun) -> None:
    result = RunResult(validation_score=0.5, train_seconds=1.0, artifacts=(), environment={})
    with system_session(engine) as session:
        run_queue.finish_run(session, claim, result, ())


async def events(api: httpx.AsyncClient, run_id: int, after: str | None = None) -> list[dict[str, Any]]:
    """Everything that a stream tells until it ends by itself."""
    headers = {"Last-Event-ID": after} if after else {}
    answer = await api.get(f"/api/v1/runs/{run_id}/events", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    return [read_event(block) for block in answer.text.strip().split("\n\n") if not block.startswith(":")]


def read_event(block: str) -> dict[str, Any]:
    fields = dict(line.split(": ", 1) for line in block.splitlines())
    return {"event": fields["event"], "id": fields["id"], "data": json.loads(fields["data"])}


def points(told: Sequence[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(event["data"]["key"], event["data"]["step"]) for event in told if event["event"] == "point"]


def lines(told: Sequence[dict[str, Any]]) -> list[str]:
    return [event["data"]["message"] for event in told if event["event"] == "log"]


ALL_POINTS = [
    ("gradient_norm", 1),
    ("train_loss", 1),
    ("gradient_norm", 2),
    ("train_loss", 2),
    ("validation_score", 2),
    ("train_loss", 3),
]


async def test_what_is_written_while_one_listens_is_told_once(
    api: httpx.AsyncClient, engine: Engine, claim: ClaimedRun
) -> None:
    record(engine, claim, FIRST)
    told: list[dict[str, Any]] = []

    async def listen() -> None:
        told.extend(await events(api, claim.lease.run_id))

    async with anyio.create_task_group() as group:
        group.start_soon(listen)
        await anyio.sleep(1)
        record(engine, claim, LATER)
        finish(engine, claim)
    assert points(told) == ALL_POINTS
    assert lines(told) == ["begins", "ends"]
    assert [event["data"]["status"] for event in told if event["event"] == "run"] == ["running", "succeeded"]
    assert (told[-1]["event"], told[-1]["data"]) == ("end", "succeeded")


async def test_cut_after_any_event_it_goes_on_without_a_gap(
    api: httpx.AsyncClient, engine: Engine, claim: ClaimedRun
) -> None:
    record(engine, claim, FIRST)
    record(engine, claim, LATER)
    finish(engine, claim)
    whole = await events(api, claim.lease.run_id)
    for place, last in enumerate(whole[:-1]):
        rest = await events(api, claim.lease.run_id, after=last["id"])
        seen = whole[: place + 1] + rest
        assert lines(seen) == ["begins", "ends"]
        assert list(dict.fromkeys(points(seen))) == ALL_POINTS
        # Only points of the last step that was seen may come twice.
        again = set(points(whole[: place + 1])) & set(points(rest))
        assert {step for _, step in again} <= {int(last["id"].partition(".")[2])}


async def test_what_is_no_run_and_what_is_no_cursor_is_refused(
    api: httpx.AsyncClient, engine: Engine, claim: ClaimedRun
) -> None:
    assert (await api.get("/api/v1/runs/999/events")).status_code == 404
    for cursor in ("x", "1", "1.2.3", "-1.2", "1.--2"):
        answer = await api.get(f"/api/v1/runs/{claim.lease.run_id}/events", headers={"Last-Event-ID": cursor})
        assert (answer.status_code, "Last-Event-ID" in answer.text) == (422, True), cursor
