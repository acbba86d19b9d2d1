"""Runs that train together for real: one of them cancelled or broken, their process or their worker killed or stopped.

Each ends as it would have by itself, and what was interrupted goes on from its checkpoint to the same numbers.
"""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, select

from app.db.session import system_session
from app.db.tables import Run, SeriesPointRow
from app.schemas import MethodEntry
from app.services import runs
from app.services.callers import LOCAL
from app.settings import Settings
from tests.databases import on_both_databases
from tests.faults.documents import all_ended, make_training, read_attempts, read_run, read_runs, steps_told
from tests.faults.dying_groups import DIES_AT_STEP
from tests.faults.processes import Started, running
from tests.faults.processes import wait_until as wait_seconds_until

pytestmark = [pytest.mark.faults, pytest.mark.slow, on_both_databases, pytest.mark.timeout(900)]

ALONE, TOGETHER, DYING = "peft_core.run:run", "peft_core.fused.group:run_together", "tests.faults.dying_groups"
SEEDS, STEPS = 3, 8
ROUNDING = 2e-3
"""How far losses of the same run may be apart, trained beside others or alone for a part."""


def wait_until(condition: Callable[[], bool]) -> float:
    """Longer than a quiet machine needs by far; here others may be at work."""
    return wait_seconds_until(condition, 240)


@contextmanager
def worker(settings: Settings, together: str = TOGETHER, checkpoint_seconds: float = 60) -> Iterator[Started]:
    variables = {
        "PEFT_ATLAS_LEASE_SECONDS": "3",
        "PEFT_ATLAS_CHECKPOINT_SECONDS": str(checkpoint_seconds),
        "PEFT_ATLAS_SLOTS": "1",
    }
    with running(settings, "tests.faults.dying_worker", ALONE, "", together, variables=variables) as started:
        yield started


def seeds_of(engine: Engine, settings: Settings, name: str, steps: int = STEPS) -> list[int]:
    """A study of one method's seeds; their ids."""
    first = make_training(engine, settings, steps, seeds=SEEDS, name=name)
    return list(range(first, first + SEEDS))


def losses(engine: Engine, run_ids: Sequence[int]) -> list[list[float | None]]:
    with system_session(engine) as session:
        return [
            list(
                session.scalars(
                    select(SeriesPointRow.value)
                    .where(SeriesPointRow.run_id == run_id, SeriesPointRow.key == "train_loss")
                    .order_by(SeriesPointRow.step)
                )
            )
            for run_id in run_ids
        ]


def ended(engine: Engine, run_ids: Sequence[int]) -> bool:
    return all_ended([read_run(engine, run_id) for run_id in run_ids])


def outcomes(engine: Engine, run_ids: Sequence[int]) -> list[list[str | None]]:
    return [[attempt.outcome for attempt in read_attempts(engine, run_id)] for run_id in run_ids]


UNINTERRUPTED: list[list[float | None]] = []
"""The losses of three seeds that nobody interrupts, trained together: found once, the same on every database."""


def uninterrupted(engine: Engine, settings: Settings) -> list[list[float | None]]:
    if UNINTERRUPTED:
        return UNINTERRUPTED
    ids = seeds_of(engine, settings, "Uninterrupted")
    with worker(settings):
        wait_until(lambda: ended(engine, ids))
    found = [read_run(engine, run_id) for run_id in ids]
    assert [run.status for run in found] == ["succeeded"] * SEEDS, [run.reason for run in found]
    assert [(run.environment or {}).get("trained_together") for run in found] == [SEEDS] * SEEDS
    assert [run.train_seconds for run in found] == [None] * SEEDS
    UNINTERRUPTED.extend(losses(engine, ids))
    return UNINTERRUPTED


def same(found: list[list[float | None]], expected: list[list[float | None]]) -> bool:
    return len(found) == len(expected) and all(
        one == pytest.approx(other, abs=ROUNDING) for one, other in zip(found, expected, strict=True)
    )


def test_a_killed_worker_s_group_goes_on_from_its_checkpoints(engine: Engine, settings: Settings) -> None:
    expected = uninterrupted(engine, settings)
    ids = seeds_of(engine, settings, "Interrupted")
    with worker(settings, f"{DYING}:kill_worker", checkpoint_seconds=0) as first:
        wait_until(lambda: not first.alive)
    with worker(settings):
        wait_until(lambda: ended(engine, ids))
    assert outcomes(engine, ids) == [["lost", "succeeded"]] * SEEDS
    resumed = [read_attempts(engine, run_id)[1].resumed_from_step for run_id in ids]
    assert all(step is not None and step >= DIES_AT_STEP - 1 for step in resumed), resumed
    assert same(losses(engine, ids), expected)


def test_a_killed_group_s_runs_go_on_alone_from_their_checkpoints(engine: Engine, settings: Settings) -> None:
    expected = uninterrupted(engine, settings)
    ids = seeds_of(engine, settings, "Interrupted")
    with worker(settings, f"{DYING}:kill_itself", checkpoint_seconds=0):
        wait_until(lambda: ended(engine, ids))
    assert outcomes(engine, ids) == [["parted", "succeeded"]] * SEEDS
    assert all(read_attempts(engine, run_id)[1].resumed_from_step for run_id in ids)
    assert same(losses(engine, ids), expected)


def test_a_worker_that_is_told_to_stop_leaves_a_checkpoint_of_each(engine: Engine, settings: Settings) -> None:
    expected = uninterrupted(engine, settings)
    ids = seeds_of(engine, settings, "Stopped")
    with worker(settings, f"{DYING}:take_time") as first:
        wait_until(lambda: all(steps_told(engine, run_id) > 1 for run_id in ids))
        first.process.send_signal(signal.SIGTERM)
        assert wait_until(lambda: not first.alive) < 30
    assert outcomes(engine, ids) == [["returned"]] * SEEDS
    with worker(settings):
        wait_until(lambda: ended(engine, ids))
    assert all(read_attempts(engine, run_id)[1].resumed_from_step for run_id in ids)
    assert same(losses(engine, ids), expected)


def test_of_four_one_is_cancelled_one_breaks_and_two_end_well(engine: Engine, settings: Settings) -> None:
    rows = [
        MethodEntry(method="lora"),
        MethodEntry(method="lora", hyperparameters={"rank": 4}),
        MethodEntry(method="ia3"),
        MethodEntry(method="lora", hyperparameters={"rank": 2}),
    ]
    make_training(engine, settings, 30, methods=rows)
    with system_session(engine) as session:
        reports = select(Run.id).where(Run.purpose == "report").order_by(Run.id)
        good, broken, cancelled, other = session.scalars(reports).all()
        # More than a study may ask for.
        session.get_one(Run, broken).learning_rate = 1e30
    with worker(settings, f"{DYING}:take_time"):
        wait_until(lambda: steps_told(engine, cancelled) > 1)
        runs.request_cancel(engine, LOCAL, cancelled)
        assert wait_until(lambda: read_run(engine, cancelled).status == "cancelled") < 5
        wait_until(lambda: all_ended(read_runs(engine)))
    assert [read_run(engine, run_id).status for run_id in (good, broken, other)] == ["succeeded", "failed", "succeeded"]
    assert "Lower the learning rate" in (read_run(engine, broken).reason or "")
    ends = outcomes(engine, [good, broken, cancelled, other])
    assert ends == [["succeeded"], ["failed"], ["cancelled"], ["succeeded"]]
