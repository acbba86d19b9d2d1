"""Pausing a worker: it claims nothing more, and what it runs goes on."""

from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from app.client import ApiProblem, AtlasClient
from app.db.session import system_session
from app.schemas import MethodEntry, StudyDocument
from app.services import run_queue
from app.services.run_queue import ClaimedRun
from peft_core.spec import Budget, Log, PrecisionChosen
from tests.databases import on_both_databases

pytestmark = [pytest.mark.anyio, on_both_databases]

DOCUMENT = StudyDocument(
    name="Paused",
    budget=Budget(steps=5, batch_size=4, max_length=32),
    seeds=3,
    grid_points=1,
    methods=[MethodEntry(method="lora")],
    references=[],
)


def register(engine: Engine, name: str) -> int:
    with system_session(engine) as session:
        return run_queue.register_worker(session, name, "cpu", {"name": "a processor"})


def claim(engine: Engine, worker: int) -> ClaimedRun | None:
    with system_session(engine) as session:
        return run_queue.claim_next_run(session, worker, store=Path("s"), lease_seconds=30, alone=True)


async def test_a_paused_worker_claims_nothing_and_finishes_what_it_runs(web: FastAPI, engine: Engine) -> None:
    client = AtlasClient.in_process(web)
    await client.create_study(DOCUMENT)
    one, other = register(engine, "one:1"), register(engine, "other:2")
    running = claim(engine, one)
    assert running is not None
    paused = await client.pause_worker(one)
    assert (paused.id, paused.paused, paused.alive, paused.run_id) == (one, True, True, running.lease.run_id)
    assert (await client.pause_worker(one)).paused
    assert claim(engine, one) is None
    chosen = PrecisionChosen(precision="fp32", fp32_step_seconds=1, bf16_step_seconds=None)
    with system_session(engine) as session:
        run_queue.record_events(session, running.lease, [chosen, Log(message="goes on")])
        run_queue.renew_lease(session, running.lease, 30)
    assert claim(engine, one) is None
    assert claim(engine, other) is not None
    assert {worker.id: worker.paused for worker in await client.devices()} == {one: True, other: False}
    assert not (await client.resume_worker(one)).paused
    assert claim(engine, one) is not None
    await client.close()


async def test_only_a_worker_that_works_is_paused(web: FastAPI, engine: Engine, api: httpx.AsyncClient) -> None:
    client = AtlasClient.in_process(web)
    gone = register(engine, "gone:1")
    with system_session(engine) as session:
        run_queue.sign_off(session, gone)
    for ask in (client.pause_worker, client.resume_worker):
        with pytest.raises(ApiProblem) as refused:
            await ask(gone)
        assert (refused.value.status, "peft-atlas worker" in str(refused.value)) == (409, True)
        with pytest.raises(ApiProblem) as unknown:
            await ask(gone + 1)
        assert unknown.value.status == 404
    for name in ("0", "-1", "x", str(2**63), "1e3"):
        assert (await api.post(f"/api/v1/workers/{name}/pause")).status_code == 422
    await client.close()
