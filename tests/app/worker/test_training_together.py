"""The worker with runs that train together: each is recorded, cancelled, failed and given back by itself."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, select

from app.db.session import system_session
from app.db.tables import Attempt, LogLineRow, Run, SeriesPointRow, Study
from app.schemas import MethodEntry, StudyDocument
from app.services import runs, studies
from app.services.callers import LOCAL
from app.settings import Settings
from app.worker.executors.group import LocalGroups
from app.worker.executors.local import LocalExecutor
from app.worker.loop import Worker
from peft_core.spec import Budget

ALONE = "tests.app.worker.run_functions:succeed"
GROUPS = "tests.app.worker.group_functions"
SEEDS = 3
SMALL = StudyDocument(
    name="Small",
    budget=Budget(steps=2, batch_size=4, max_length=16),
    seeds=SEEDS,
    grid_points=1,
    methods=[MethodEntry(method="lora")],
    references=[],
)


@pytest.fixture
def study(engine: Engine, settings: Settings) -> int:
    """Three reporting runs (1 to 3) and a probe (4), precision known."""
    made = studies.create_study(engine, settings, LOCAL, SMALL)
    with system_session(engine) as session:
        session.get_one(Study, made).precision = "fp32"
    return made


@contextmanager
def working(engine: Engine, settings: Settings, function: str, slots: int = 1, alone: str = ALONE) -> Iterator[Worker]:
    one_slot = settings.model_copy(update={"slots": slots})
    worker = Worker(engine, one_slot, LocalExecutor(alone, groups=LocalGroups(f"{GROUPS}:{function}")))
    thread = threading.Thread(target=worker.work)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join(20)
        assert not thread.is_alive()


def wait_until(condition: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def statuses(engine: Engine) -> list[str]:
    with system_session(engine) as session:
        return list(session.scalars(select(Run.status).order_by(Run.id)))


def outcomes(engine: Engine) -> dict[int, list[str | None]]:
    found: dict[int, list[str | None]] = {}
    with system_session(engine) as session:
        for attempt in session.scalars(select(Attempt).order_by(Attempt.run_id, Attempt.attempt)):
            found.setdefault(attempt.run_id, []).append(attempt.outcome)
    return found


def said(engine: Engine, run_id: int) -> list[str]:
    with system_session(engine) as session:
        return list(session.scalars(select(LogLineRow.message).where(LogLineRow.run_id == run_id)))


def stepped(engine: Engine, run_id: int) -> bool:
    with system_session(engine) as session:
        return session.scalar(select(SeriesPointRow.step).where(SeriesPointRow.run_id == run_id).limit(1)) is not None


def test_three_seeds_train_in_one_slot_and_their_probe_alone_after_them(
    engine: Engine, settings: Settings, study: int
) -> None:
    with working(engine, settings, "succeed"):
        wait_until(lambda: statuses(engine) == ["succeeded"] * 4)
    assert [said(engine, number) for number in (1, 2, 3)] == [[f"hello from {number}"] for number in (1, 2, 3)]
    with system_session(engine) as session:
        *reports, probe = session.scalars(select(Run).order_by(Run.id))
    assert {run.environment["trained_together"] for run in reports if run.environment} == {SEEDS}
    assert probe.started_at is not None
    assert all(run.ended_at is not None and run.ended_at <= probe.started_at for run in reports)


def test_one_is_cancelled_within_five_seconds_and_the_others_end_well(
    engine: Engine, settings: Settings, study: int
) -> None:
    with working(engine, settings, "step_until_one_is_asked"):
        wait_until(lambda: statuses(engine)[:3] == ["running"] * 3)
        asked = time.monotonic()
        runs.request_cancel(engine, LOCAL, 2)
        wait_until(lambda: statuses(engine)[:3] == ["succeeded", "cancelled", "succeeded"], 10)
        assert time.monotonic() - asked < 5


def test_a_worker_that_is_told_to_stop_gives_all_of_them_back(engine: Engine, settings: Settings, study: int) -> None:
    with working(engine, settings, "step_until_asked"):
        wait_until(lambda: all(stepped(engine, number) for number in (1, 2, 3)))
        stopped = time.monotonic()
    assert time.monotonic() - stopped < 5
    assert statuses(engine)[:3] == ["queued"] * 3
    assert outcomes(engine) == {1: ["returned"], 2: ["returned"], 3: ["returned"]}


def test_where_memory_runs_out_each_is_tried_alone(engine: Engine, settings: Settings, study: int) -> None:
    with working(engine, settings, "run_out_of_memory"):
        wait_until(lambda: statuses(engine)[:3] == ["succeeded"] * 3)
    assert outcomes(engine)[1] == ["parted", "succeeded"]
    assert outcomes(engine)[3] == ["parted", "succeeded"]
    assert "hello" in said(engine, 1)
    assert any("Out of memory" in line for line in said(engine, 1))


def test_where_their_process_is_killed_who_had_ended_has_ended(engine: Engine, settings: Settings, study: int) -> None:
    with working(engine, settings, "be_killed"):
        wait_until(lambda: statuses(engine)[:3] == ["succeeded"] * 3)
    ended = outcomes(engine)
    assert [ended[number] for number in (1, 2, 3)] == [["succeeded"], ["parted", "succeeded"], ["parted", "succeeded"]]
    with system_session(engine) as session:
        reason = session.scalar(select(Attempt.reason).where(Attempt.run_id == 2, Attempt.attempt == 1))
    assert reason is not None
    assert "SIGKILL" in reason


def test_after_a_group_that_was_too_large_the_next_are_half_as_large(
    engine: Engine, settings: Settings, study: int
) -> None:
    larger = SMALL.model_copy(update={"name": "Larger", "seeds": 5})
    made = studies.create_study(engine, settings, LOCAL, larger)
    with system_session(engine) as session:
        session.get_one(Study, made).precision = "fp32"
        session.get_one(Study, made).priority = 1
    with working(engine, settings, "run_out_of_memory") as worker:
        # Five fall apart; of the next study's three not more than two begin together, which does not help them either.
        wait_until(lambda: set(statuses(engine)) == {"succeeded"})
        assert worker._claiming._most_together == 1
    ended = outcomes(engine)
    assert [len(ended[number]) for number in (1, 2, 3)] == [2, 2, 1]


def test_a_second_slot_takes_its_share(engine: Engine, settings: Settings, study: int) -> None:
    with working(engine, settings, "step_until_asked", slots=2):
        wait_until(lambda: statuses(engine)[:3] == ["running"] * 3)
        # Two together, and the third alone: it ends at once, as what is done alone does here.
        wait_until(lambda: statuses(engine)[2] == "succeeded" or statuses(engine)[1] == "succeeded", 5)


def test_a_slot_that_is_busy_keeps_its_share(engine: Engine, settings: Settings) -> None:
    studies.create_study(engine, settings, LOCAL, SMALL.model_copy(update={"seeds": [1, 2, 3, 4, 5]}))
    first = "tests.app.worker.run_functions:choose_a_precision_and_wait"
    with working(engine, settings, "step_until_asked", slots=2, alone=first):
        wait_until(lambda: statuses(engine)[1] == "running")
        # Of the four that waited for the precision, two go together, and two wait for the slot of the first.
        assert statuses(engine)[:5] == ["running"] * 3 + ["queued"] * 2


def test_nobody_trains_together_where_the_setting_says_so(engine: Engine, settings: Settings, study: int) -> None:
    alone = settings.model_copy(update={"most_together": 1})
    with working(engine, alone, "break_down"):
        wait_until(lambda: set(statuses(engine)) == {"succeeded"})
    assert set(map(tuple, outcomes(engine).values())) == {("succeeded",)}
