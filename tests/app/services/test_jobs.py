"""Interactive jobs in the database: who does them, in which order, and when nobody waits any more."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, update

from app.db.session import database_now, system_session
from app.db.tables import Job, Run, Worker
from app.errors import Conflict, Unavailable
from app.schemas import MethodEntry, StudyDocument
from app.services import jobs, run_queue, studies
from app.services.callers import LOCAL
from app.settings import Settings
from peft_core.spec import Artifact, Budget
from tests.databases import on_both_databases

pytestmark = [on_both_databases, pytest.mark.anyio]

SMALL = StudyDocument(
    name="Small",
    budget=Budget(steps=2, batch_size=4, max_length=16),
    seeds=1,
    grid_points=1,
    methods=[MethodEntry(method="head_only")],
    references=[],
)


@pytest.fixture
def worker(engine: Engine, settings: Settings) -> int:
    """A worker, and a study whose first run is run 1."""
    studies.create_study(engine, settings, LOCAL, SMALL)
    return another_worker(engine)


def another_worker(engine: Engine) -> int:
    with system_session(engine) as session:
        return run_queue.register_worker(session, "test:1", "cpu", {})


def ask(engine: Engine) -> int:
    return jobs.ask(engine, LOCAL, 1, "predict", {"inputs": [{"text": "ü"}]})


def claim(engine: Engine, worker: int) -> int | None:
    with system_session(engine) as session:
        found = jobs.claim_next_job(session, worker)
    return found.id if found else None


def grow_older(engine: Engine, seconds: float) -> None:
    """Everything about jobs happened so much longer ago."""
    with system_session(engine) as session:
        for job in session.query(Job):
            job.created_at -= timedelta(seconds=seconds)
            if job.started_at is not None:
                job.started_at -= timedelta(seconds=seconds)


async def test_the_job_that_has_waited_longest_is_done_by_one_worker(engine: Engine, worker: int) -> None:
    first, second = ask(engine), ask(engine)
    other = another_worker(engine)
    assert [claim(engine, worker), claim(engine, other), claim(engine, worker)] == [first, second, None]


async def test_the_answer_names_the_worker_and_the_wait(engine: Engine, worker: int) -> None:
    ask(engine)
    with system_session(engine) as session:
        job = jobs.claim_next_job(session, worker)
        assert job is not None
        assert (job.kind, job.request, job.files) == ("predict", {"inputs": [{"text": "ü"}]}, ())
    with system_session(engine) as session:
        jobs.finish_job(session, job, {"answers": []}, [Artifact(path="merged/a", size_bytes=1, sha256="0" * 64)])
    answered = await jobs.answer(engine, LOCAL, job.id)
    assert (answered.result, answered.worker) == ({"answers": []}, "test:1")
    assert 0 <= answered.waited_seconds < 5
    ask(engine)
    with system_session(engine) as session:
        again = jobs.claim_next_job(session, worker)
    assert again is not None
    assert [file.path for file in again.files] == ["merged/a"]


async def test_a_failed_job_says_why(engine: Engine, worker: int) -> None:
    number = ask(engine)
    with system_session(engine) as session:
        job = jobs.claim_next_job(session, worker)
        assert job is not None
        jobs.fail_job(session, job, "It cannot be merged.")
    with pytest.raises(Conflict, match="It cannot be merged"):
        await jobs.answer(engine, LOCAL, number)


async def test_without_a_worker_it_says_what_to_start(engine: Engine, worker: int) -> None:
    with system_session(engine) as session:
        session.execute(update(Worker).values(heartbeat_at=database_now(session) - timedelta(minutes=1)))
    with pytest.raises(Unavailable, match="Start one with `peft-atlas worker`"):
        ask(engine)
    with system_session(engine) as session:
        assert session.query(Job).count() == 0


async def test_a_paused_worker_takes_no_job(engine: Engine, worker: int) -> None:
    waiting = ask(engine)
    with system_session(engine) as session:
        session.execute(update(Worker).values(paused_at=database_now(session)))
    assert claim(engine, worker) is None
    with pytest.raises(Unavailable, match="Resume one on the Queue page"):
        ask(engine)
    with system_session(engine) as session:
        session.execute(update(Worker).values(paused_at=None))
    assert claim(engine, worker) == waiting


async def test_a_worker_that_dies_while_somebody_waits_is_noticed(engine: Engine, worker: int) -> None:
    waiting = ask(engine)
    with system_session(engine) as session:
        session.execute(update(Worker).values(heartbeat_at=database_now(session) - timedelta(minutes=1)))
    with pytest.raises(Unavailable, match="Start one"):
        await jobs.answer(engine, LOCAL, waiting)
    assert claim(engine, another_worker(engine)) is None, "nobody waits for it any more"


async def test_a_worker_lost_over_a_job_is_noticed(engine: Engine, worker: int) -> None:
    waiting = ask(engine)
    claim(engine, worker)
    grow_older(engine, jobs.LIMIT_SECONDS + jobs.NOTICE_SECONDS + 1)
    with pytest.raises(Unavailable, match="was lost over this"):
        await jobs.answer(engine, LOCAL, waiting)


async def test_a_busy_worker_is_waited_for_half_a_minute_and_a_probe_longer(engine: Engine, worker: int) -> None:
    waiting = ask(engine)
    grow_older(engine, jobs.LIMIT_SECONDS + 1)
    with system_session(engine) as session:
        run = session.get_one(Run, 1)
        run.status, run.purpose, run.worker_id = "running", "probe", worker
    assert claim(engine, worker) == waiting, "a probe ended, and it is still waited for"
    late = ask(engine)
    grow_older(engine, jobs.LIMIT_SECONDS + jobs.PROBE_SECONDS + 1)
    with pytest.raises(Unavailable, match="A cost probe has had the device alone"):
        await jobs.answer(engine, LOCAL, late)
    with system_session(engine) as session:
        session.get_one(Run, 1).status = "succeeded"
    late = ask(engine)
    grow_older(engine, jobs.LIMIT_SECONDS + 1)
    with pytest.raises(Unavailable, match="No worker got to it in 30 s"):
        await jobs.answer(engine, LOCAL, late)


async def test_old_questions_are_forgotten(engine: Engine, worker: int) -> None:
    ask(engine)
    grow_older(engine, 3_700)
    recent = ask(engine)
    with system_session(engine) as session:
        jobs.forget_old_jobs(session)
    with system_session(engine) as session:
        assert [job.id for job in session.query(Job)] == [recent]
