"""F1 and F10: a worker that is killed or stopped anywhere loses nothing; its run ends as if nothing had happened."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from app.db.session import system_session
from app.db.tables import ArtifactRow, Attempt, PredictionSet, Run, SeriesPointRow, Study
from app.schemas import MethodEntry, StudyDocument, TaskEntry
from app.services import runs, studies
from app.services.callers import LOCAL
from app.services.store import object_path
from app.settings import Settings
from peft_core import assets
from peft_core.spec import Budget
from tests.databases import slowly_on_postgres_too
from tests.faults.dying_runs import DIES_AT_STEP

pytestmark = [pytest.mark.faults, slowly_on_postgres_too]

ROOT = Path(__file__).resolve().parents[2]
RUNS = "tests.faults.dying_runs"
WHOLE = "peft_core.run:run"
STEPS = 10
LEASE_SECONDS = 3.0
DOCUMENT = StudyDocument(
    name="Interrupted",
    budget=Budget(steps=STEPS, batch_size=4, max_length=32),
    seeds=1,
    grid_points=1,
    methods=[MethodEntry(method="lora")],
    references=[],
    metrics=["task_performance"],
)

COSTS = frozenset({"tokens_per_second", "train_seconds", "peak_memory_bytes"})
"""Series of what a step took, which is never twice the same."""


@dataclass(frozen=True)
class Ended:
    """All that a reporting run leaves, but its times."""

    status: str
    validation_score: float | None
    points: dict[tuple[str, int], float | None]
    predictions: tuple[list[str], list[float]] | None
    files: dict[str, str]


@pytest.fixture
def study(engine: Engine, settings: Settings, home: Path) -> int:
    """One reporting run (run 1) on a hundred real tweets; its probe is cancelled."""
    (home / "datasets").mkdir()
    lines = assets.tasks()["tweets"].dataset.read_text(encoding="utf-8").splitlines()
    (home / "datasets" / "few.csv").write_text("\n".join(lines[:121]) + "\n", encoding="utf-8")
    task = TaskEntry(dataset="few.csv", text="text", label="label")
    made = studies.create_study(engine, settings, LOCAL, DOCUMENT.model_copy(update={"task": task}))
    with system_session(engine) as session:
        session.get_one(Study, made).precision = "fp32"
    runs.request_cancel(engine, LOCAL, 2)
    return made


@contextmanager
def worker(settings: Settings, function: str, place: str = "", lease_seconds: float = LEASE_SECONDS) -> Iterator[int]:
    """A real worker process; its process id. It is told to stop at the end, if it still lives."""
    environment = os.environ | {
        "PEFT_ATLAS_HOME": str(settings.home_folder),
        "PEFT_ATLAS_DATABASE_URL": settings.database,
        "PEFT_ATLAS_LEASE_SECONDS": str(lease_seconds),
        "PEFT_ATLAS_CHECKPOINT_SECONDS": "0",
        "PEFT_ATLAS_SLOTS": "1",
    }
    command = [sys.executable, "-m", "tests.faults.dying_worker", function, place]
    process = subprocess.Popen(command, env=environment, cwd=ROOT)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(60)


def wait_until(condition: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def read_run(engine: Engine) -> Run:
    with system_session(engine) as session:
        return session.get_one(Run, 1)


def attempts(engine: Engine) -> list[Attempt]:
    with system_session(engine) as session:
        return list(session.scalars(select(Attempt).order_by(Attempt.attempt)))


def what_is_left(engine: Engine) -> Ended:
    with system_session(engine) as session:
        run = session.get_one(Run, 1)
        points = session.scalars(select(SeriesPointRow).where(SeriesPointRow.run_id == 1))
        predictions = session.scalar(select(PredictionSet).where(PredictionSet.run_id == 1))
        return Ended(
            run.status,
            run.validation_score,
            # How fast it was is not what must be the same.
            {(at.key, at.step): at.value for at in points if at.key not in COSTS},
            (predictions.predicted, predictions.scores) if predictions else None,
            {row.path: row.sha256 for row in session.scalars(select(ArtifactRow)) if row.path.startswith("adapter/")},
        )


UNINTERRUPTED: dict[str, Ended] = {}
"""How the run ends when nobody interrupts it, found once: the same on every database."""


def uninterrupted(engine: Engine, settings: Settings) -> Ended:
    if not UNINTERRUPTED:
        with worker(settings, f"{WHOLE}"):
            wait_until(lambda: read_run(engine).status == "succeeded")
        UNINTERRUPTED["run"] = what_is_left(engine)
        # The same run again, from nothing.
        again = runs_again(engine)
        assert again.status == "queued"
    return UNINTERRUPTED["run"]


def runs_again(engine: Engine) -> Run:
    with system_session(engine) as session:
        run = session.get_one(Run, 1)
        run.status, run.attempt, run.validation_score = "queued", 0, None
        for table in (Attempt, SeriesPointRow, PredictionSet, ArtifactRow):
            for row in session.scalars(select(table).where(table.run_id == 1)):
                session.delete(row)
        session.flush()
        return run


def every_file_is_there(engine: Engine, settings: Settings) -> bool:
    with system_session(engine) as session:
        hashes = session.scalars(select(ArtifactRow.sha256)).all()
    return bool(hashes) and all(object_path(settings.store_folder, sha256).is_file() for sha256 in hashes)


def interrupted_at(engine: Engine, settings: Settings, function: str, place: str) -> None:
    """Kill a worker there, start another, and see the run end."""
    with worker(settings, function, place) as pid:
        wait_until(lambda: not psutil_lives(pid))
    killed_at = time.monotonic()
    told = steps_told(engine)
    with worker(settings, function):
        wait_until(lambda: read_run(engine).attempt == 2)
        waited = time.monotonic() - killed_at
        assert set(told) <= set(steps_told(engine)) or attempts(engine)[1].resumed_from_step is None
        wait_until(lambda: read_run(engine).status not in ("queued", "running"))
    # The lease, a beat, and the start of the second worker.
    assert waited < LEASE_SECONDS + 12
    assert [attempt.outcome for attempt in attempts(engine)] == ["lost", "succeeded"]


def psutil_lives(pid: int) -> bool:
    import psutil

    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def steps_told(engine: Engine) -> list[int]:
    with system_session(engine) as session:
        query = select(SeriesPointRow.step).where(SeriesPointRow.run_id == 1, SeriesPointRow.key == "train_loss")
        return list(session.scalars(query.order_by(SeriesPointRow.step)))


PLACES = [
    ("claim", WHOLE, "claim", None),
    ("loading", f"{RUNS}:die_loading", "", None),
    ("training", f"{RUNS}:die_training", "", DIES_AT_STEP - 1),
    ("checkpoint", f"{RUNS}:die_in_a_checkpoint", "", DIES_AT_STEP - 1),
    ("evaluating", f"{RUNS}:die_evaluating", "", min(DOCUMENT.budget.evaluation_steps(STEPS)) - 1),
    ("measuring", f"{RUNS}:die_measuring", "", STEPS),
    ("artifact", WHOLE, "artifact", None),
    ("commit", WHOLE, "commit", None),
]
"""Where the worker dies, and the step that the next attempt must go on from."""


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("function", "place", "goes_on_from"),
    [pytest.param(*rest, id=name, marks=[] if name == "training" else pytest.mark.slow) for name, *rest in PLACES],
)
def test_a_killed_worker_costs_nothing_but_time(
    engine: Engine, settings: Settings, study: int, function: str, place: str, goes_on_from: int | None
) -> None:
    expected = uninterrupted(engine, settings)
    assert len(expected.points) >= 3 * STEPS
    interrupted_at(engine, settings, function, place)
    assert what_is_left(engine) == expected
    assert attempts(engine)[1].resumed_from_step == goes_on_from
    assert every_file_is_there(engine, settings)
    assert list((settings.store_folder / "runs").glob("*")) == []


@pytest.mark.timeout(240)
def test_sigterm_leaves_a_checkpoint_that_the_next_worker_goes_on_from(
    engine: Engine, settings: Settings, study: int
) -> None:
    expected = uninterrupted(engine, settings)
    with worker(settings, f"{RUNS}:take_time") as pid:
        wait_until(lambda: len(steps_told(engine)) > 0)
        os.kill(pid, signal.SIGTERM)
        asked_at = time.monotonic()
        wait_until(lambda: not psutil_lives(pid), 30)
        assert time.monotonic() - asked_at < 30
    stopped_at = len(steps_told(engine))
    assert read_run(engine).status == "queued"
    with worker(settings, WHOLE):
        wait_until(lambda: read_run(engine).status == "succeeded")
    assert what_is_left(engine) == expected
    found = attempts(engine)
    assert [attempt.outcome for attempt in found] == ["returned", "succeeded"]
    assert found[1].resumed_from_step == stopped_at


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_with_the_lease_of_the_product_a_lost_run_is_claimed_again_within_45_seconds(
    engine: Engine, settings: Settings, study: int
) -> None:
    with worker(settings, f"{RUNS}:die_training", lease_seconds=30) as pid:
        wait_until(lambda: not psutil_lives(pid))
        killed_at = time.monotonic()
    with worker(settings, WHOLE, lease_seconds=30):
        wait_until(lambda: read_run(engine).attempt == 2)
        print(f"claimed again after {time.monotonic() - killed_at:.1f} s")
        assert time.monotonic() - killed_at <= 45
        wait_until(lambda: read_run(engine).status == "succeeded")
    with system_session(engine) as session:
        assert session.scalar(select(func.count()).where(SeriesPointRow.key == "train_loss")) == STEPS
