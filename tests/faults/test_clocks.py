"""F7: a worker whose clock is an hour off takes nobody's run, loses none, and leaves no time that cannot be."""

import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine

from app.db.session import database_now, system_session
from app.services import runs, workers
from app.services.callers import LOCAL
from app.settings import Settings
from tests.databases import on_both_databases
from tests.faults.documents import all_ended, files_missing, make_study, read_attempts, read_runs
from tests.faults.processes import ROOT, running, wait_until

pytestmark = pytest.mark.faults

HOUR = 3600
LEASE_SECONDS = "3"
"""Shorter than a run, so that every run's lease must be renewed."""
TOLD = "import time, datetime; now = datetime.datetime.now(datetime.UTC); print(time.time(), now.timestamp())"


def test_the_clock_of_these_tests_is_really_off() -> None:
    program = f"from tests.faults.clocks import skew; skew({HOUR}); {TOLD}"
    wrong = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    right = subprocess.run([sys.executable, "-c", TOLD], cwd=ROOT, capture_output=True, text=True, check=True)
    for off, on in zip(wrong.stdout.split(), right.stdout.split(), strict=True):
        assert float(off) - float(on) == pytest.approx(HOUR, abs=5)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [HOUR, -HOUR], ids=["an-hour-fast", "an-hour-slow"])
@on_both_databases
def test_a_wrong_clock_rescues_nobody_and_makes_no_negative_time(
    engine: Engine, settings: Settings, seconds: int
) -> None:
    make_study(engine, settings, seeds=5)
    with system_session(engine) as session:
        began = database_now(session)
    with ExitStack() as stack:
        for skew in (seconds, 0):
            function = "tests.faults.steady_runs:steady"
            settled = {"PEFT_ATLAS_LEASE_SECONDS": LEASE_SECONDS, "PEFT_ATLAS_SLOTS": "1"}
            stack.enter_context(running(settings, "tests.faults.clocks", str(skew), function, variables=settled))
        wait_until(lambda: len({attempt.worker for attempt in read_attempts(engine)}) == 2)
        # Their hearts begin to beat once torch is imported.
        wait_until(lambda: [worker.alive for worker in workers.list_workers(engine, LOCAL)] == [True, True], 5)
        while not all_ended(read_runs(engine)):
            assert_no_time_is_out_of_order(engine, began)
            time.sleep(0.5)
    assert {run.status for run in read_runs(engine)} == {"succeeded"}
    assert {(attempt.attempt, attempt.outcome) for attempt in read_attempts(engine)} == {(1, "succeeded")}
    assert_no_time_is_out_of_order(engine, began)
    assert files_missing(engine, settings.store_folder) == []


def assert_no_time_is_out_of_order(engine: Engine, began: datetime) -> None:
    for run in read_runs(engine):
        detail = runs.run_detail(engine, LOCAL, run.id)
        with system_session(engine) as session:
            now = database_now(session)
        times = [began, detail.started_at, detail.ended_at, now + timedelta(seconds=1)]
        known = [at for at in times if at is not None]
        assert known == sorted(known)
        assert detail.eta_seconds is None or detail.eta_seconds >= 0
        assert detail.train_seconds is None or 4 < detail.train_seconds < 60
        for attempt in detail.attempts:
            assert began <= attempt.started_at <= (attempt.ended_at or now + timedelta(seconds=1))
