"""The worker with real processes: runs that succeed, fail, crash, are cancelled, and the real thing."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from sqlalchemy import Engine, select

from app.db.session import system_session
from app.db.tables import ArtifactRow, Attempt, LogLineRow, MeasurementRow, Run, Study
from app.schemas import MethodEntry, StudyDocument, TaskEntry
from app.services import runs, studies
from app.services.callers import LOCAL
from app.services.store import object_path, objects
from app.settings import Settings
from app.worker.executors.local import LocalExecutor, visible_devices
from app.worker.loop import Worker
from peft_core import assets
from peft_core.spec import Budget

SMALL = StudyDocument(
    name="Small",
    budget=Budget(steps=2, batch_size=4, max_length=16),
    seeds=1,
    grid_points=1,
    methods=[MethodEntry(method="head_only")],
    references=[],
)
FUNCTIONS = "tests.app.worker.run_functions"


@pytest.fixture
def study(engine: Engine, settings: Settings) -> int:
    """One reporting run and one probe, precision known."""
    made = studies.create_study(engine, settings, LOCAL, SMALL)
    with system_session(engine) as session:
        session.get_one(Study, made).precision = "fp32"
    return made


@contextmanager
def working(engine: Engine, settings: Settings, function: str) -> Iterator[Worker]:
    worker = Worker(engine, settings, LocalExecutor(function))
    thread = threading.Thread(target=worker.work)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join(20)
        assert not thread.is_alive()


def all_runs(engine: Engine) -> list[Run]:
    with system_session(engine) as session:
        return list(session.scalars(select(Run).order_by(Run.id)))


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def ended(engine: Engine) -> bool:
    return all(run.status not in ("queued", "running") for run in all_runs(engine))


def log(engine: Engine) -> str:
    with system_session(engine) as session:
        return "\n".join(session.scalars(select(LogLineRow.message).order_by(LogLineRow.id)))


def test_runs_succeed_and_leave_no_scratch(engine: Engine, settings: Settings, study: int) -> None:
    with working(engine, settings, f"{FUNCTIONS}:succeed"):
        wait_until(lambda: ended(engine))
    assert [run.status for run in all_runs(engine)] == ["succeeded", "succeeded"]
    assert "hello" in log(engine)
    assert list((settings.store_folder / "runs").glob("*")) == []


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("explain", "Lower the learning rate."),
        ("break_down", "KeyError: 'missing'. The run's log has the details."),
        ("run_out_of_memory", "Use a smaller batch"),
        ("be_killed", "ended by SIGKILL"),
    ],
)
@pytest.mark.faults
def test_a_run_that_breaks_says_why_and_the_worker_lives(
    engine: Engine, settings: Settings, study: int, function: str, reason: str
) -> None:
    with working(engine, settings, f"{FUNCTIONS}:{function}"):
        wait_until(lambda: ended(engine))
    found = all_runs(engine)
    assert [run.status for run in found] == ["failed", "failed"]
    assert reason in (found[0].reason or "")
    if function == "break_down":
        assert "Traceback" in log(engine)


def test_a_running_run_is_cancelled_within_five_seconds(engine: Engine, settings: Settings, study: int) -> None:
    with working(engine, settings, f"{FUNCTIONS}:wait"):
        wait_until(lambda: "pid" in log(engine))
        asked = time.monotonic()
        runs.request_cancel(engine, LOCAL, 1)
        wait_until(lambda: all_runs(engine)[0].status == "cancelled", 10)
        assert time.monotonic() - asked < 6


def test_a_stopped_worker_gives_its_run_back(engine: Engine, settings: Settings, study: int) -> None:
    impatient = settings.model_copy(update={"drain_seconds": 1})
    with working(engine, impatient, f"{FUNCTIONS}:wait"):
        wait_until(lambda: "pid" in log(engine))
    first = all_runs(engine)[0]
    assert (first.status, first.attempt, first.lease_token) == ("queued", 1, None)
    with system_session(engine) as session:
        assert session.scalars(select(Attempt.outcome)).all() == ["returned"]


def test_a_stopped_worker_waits_for_checkpoints_and_the_next_one_goes_on_from_them(
    engine: Engine, settings: Settings, study: int
) -> None:
    with working(engine, settings, f"{FUNCTIONS}:wait_for_a_pause"):
        wait_until(lambda: "pid" in log(engine))
        stopped = time.monotonic()
    assert time.monotonic() - stopped < 10
    assert all_runs(engine)[0].status == "queued"
    with working(engine, settings, f"{FUNCTIONS}:wait_for_a_pause"):
        wait_until(lambda: all_runs(engine)[0].status == "succeeded")
    with system_session(engine) as session:
        ended = session.scalars(select(Attempt.outcome).where(Attempt.run_id == 1).order_by(Attempt.attempt)).all()
    assert ended == ["returned", "succeeded"]


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux alone")
@pytest.mark.faults
def test_a_run_that_exceeds_its_memory_fails_with_what_to_change(
    engine: Engine, settings: Settings, study: int
) -> None:
    limited = settings.model_copy(update={"run_memory_bytes": 2**30})
    with working(engine, limited, f"{FUNCTIONS}:fill_memory"):
        wait_until(lambda: ended(engine), 30)
    assert all_runs(engine)[0].status == "failed"
    assert "memory" in (all_runs(engine)[0].reason or "").lower()


@pytest.mark.parametrize(
    ("device", "given", "visible"),
    [("cpu", "", ""), ("cpu", "0,1", ""), ("cuda", "", "0"), ("cuda:1", "", "1"), ("cuda:1", "4,6", "6")],
)
def test_a_run_sees_its_workers_device_alone(
    monkeypatch: pytest.MonkeyPatch, device: str, given: str, visible: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert visible_devices(device) == visible


def test_a_worker_keeps_of_whole_models_the_first_seeds(engine: Engine, settings: Settings) -> None:
    document = SMALL.model_copy(
        update={"methods": [MethodEntry(method="full"), MethodEntry(method="lora")], "seeds": 2}
    )
    made = studies.create_study(engine, settings, LOCAL, document)
    with system_session(engine) as session:
        session.get_one(Study, made).precision = "fp32"
    with working(engine, settings, f"{FUNCTIONS}:leave_an_adapter"):
        wait_until(lambda: ended(engine))
    reports = [run for run in all_runs(engine) if run.purpose == "report"]
    with system_session(engine) as session:
        kept = [set(session.scalars(select(ArtifactRow.path).where(ArtifactRow.run_id == run.id))) for run in reports]
    adapter, spectrum = "adapter/weights.safetensors", "spectrum.json"
    assert kept == [{adapter, spectrum}, {spectrum}, {adapter, spectrum}, {adapter, spectrum}]
    studies.delete_study(engine, settings, LOCAL, made)
    assert list(objects(settings.store_folder)) == []
    assert list((settings.store_folder / "runs").glob("*")) == []


@pytest.mark.faults
def test_a_killed_worker_leaves_no_orphan(engine: Engine, settings: Settings, home: Path, study: int) -> None:
    environment = os.environ | {"PEFT_ATLAS_HOME": str(home)}
    program = (
        "from app.settings import Settings; from app.db.session import make_engine; from app.worker.loop import Worker;"
        "from app.worker.executors.local import LocalExecutor; s = Settings();"
        f"Worker(make_engine(s.database), s, LocalExecutor('{FUNCTIONS}:wait')).work()"
    )
    worker = subprocess.Popen([sys.executable, "-c", program], env=environment)
    wait_until(lambda: "pid" in log(engine))
    child = int(log(engine).split("pid ")[1].split()[0])
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    wait_until(lambda: not lives(child), 10)


def lives(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has waited for does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def few_tweets(home: Path) -> TaskEntry:
    """A hundred real tweets as a dataset of one's own."""
    (home / "datasets").mkdir()
    lines = assets.tasks()["tweets"].dataset.read_text(encoding="utf-8").splitlines()
    (home / "datasets" / "few.csv").write_text("\n".join(lines[:121]) + "\n", encoding="utf-8")
    return TaskEntry(dataset="few.csv", text="text", label="label")


@pytest.mark.timeout(700)
def test_a_real_study_is_measured_from_end_to_end(engine: Engine, settings: Settings, few_tweets: TaskEntry) -> None:
    # What takes a probe its five seconds of calls each is measured in test_run.py and, from the form, in tests/flow.
    asked = ["task_performance", "storage_bytes", "training_speed", "peak_memory"]
    document = SMALL.model_copy(update={"references": ["untuned"], "task": few_tweets, "metrics": asked})
    studies.create_study(engine, settings, LOCAL, document)
    with working(engine, settings, "peft_core.run:run"):
        wait_until(lambda: ended(engine), 600)
    found = all_runs(engine)
    assert {run.status for run in found} == {"succeeded"}, [run.reason for run in found]
    with system_session(engine) as session:
        assert session.scalar(select(Study.precision)) in ("fp32", "bf16")
        measured = {(row.run_id, row.metric) for row in session.scalars(select(MeasurementRow))}
        artifacts = list(session.scalars(select(ArtifactRow)))
    head_only = next(run.id for run in found if run.purpose == "report" and run.learning_rate is not None)
    assert (head_only, "task_performance") in measured
    assert {artifact.run_id for artifact in artifacts if artifact.path.startswith("adapter/")} == {head_only}
    for artifact in artifacts:
        assert object_path(settings.store_folder, artifact.sha256).stat().st_size == artifact.size_bytes
