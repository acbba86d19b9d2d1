"""The worker with a real Ray cluster: a head and two nodes on loopback, behind a token. One of them is killed."""

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import Engine, func, or_, select, update

from app.db.session import system_session
from app.db.tables import Attempt, LogLineRow, MeasurementRow, Run, SeriesPointRow, Study
from app.schemas import MethodEntry, StudyDocument
from app.services import run_queue, runs, studies
from app.services.callers import LOCAL
from app.settings import Settings
from app.worker.executors.executor import Executor
from app.worker.executors.local import LocalExecutor
from app.worker.executors.ray import INSTALL, ClusterUnusable, RayExecutor, Request
from app.worker.loop import Worker
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
ONE_CORE = Request(cpus=1, gpus=0)
TOKEN = "a-token-of-the-tests-" + "0123456789" * 2
LOOPBACK = {
    # Ray otherwise replaces 127.0.0.1 by the machine's address.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": TOKEN,
    "RAY_USAGE_STATS_ENABLED": "0",
}
NODE = {"node_ip_address": "127.0.0.1", "object_store_memory": 80 * 2**20}


@pytest.fixture(scope="module")
def head() -> Iterator[Any]:
    """A cluster whose head runs no tasks."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed: pip install -e '.[ray]'")
    with pytest.MonkeyPatch.context() as environment:
        for name, value in LOOPBACK.items():
            environment.setenv(name, value)
        from ray.cluster_utils import Cluster

        started = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **NODE})
        environment.setenv("RAY_ADDRESS", started.address)
        yield started
        started.shutdown()


@pytest.fixture
def cluster(head: Any) -> Iterator[Any]:
    """Two nodes of two cores each, and no connection from an earlier test."""
    import ray

    while len(head.worker_nodes) < 2:
        head.add_node(num_cpus=2, **NODE)
    yield head
    ray.shutdown()


@contextmanager
def large_node(cluster: Any) -> Iterator[Any]:
    node = cluster.add_node(num_cpus=3, **NODE)
    try:
        yield node
    finally:
        if node in cluster.worker_nodes:
            cluster.remove_node(node, allow_graceful=False)


@pytest.fixture
def study(engine: Engine, settings: Settings) -> int:
    """One reporting run and one probe, precision known."""
    made = studies.create_study(engine, settings, LOCAL, SMALL)
    with system_session(engine) as session:
        session.get_one(Study, made).precision = "fp32"
    return made


def on_ray(cluster: Any, function: str, request: Request = ONE_CORE) -> RayExecutor:
    return RayExecutor(cluster.address, request, f"{FUNCTIONS}:{function}", {"HF_TOKEN": "secret"})


@contextmanager
def working(engine: Engine, settings: Settings, executor: Executor) -> Iterator[Worker]:
    worker = Worker(engine, settings, executor)
    thread = threading.Thread(target=worker.work)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join(40)
        assert not thread.is_alive()


def all_runs(engine: Engine) -> list[Run]:
    with system_session(engine) as session:
        return list(session.scalars(select(Run).order_by(Run.id)))


def attempts(engine: Engine, run: int = 1) -> list[tuple[str | None, str | None]]:
    """The ends of a run's attempts, and their reasons."""
    with system_session(engine) as session:
        of_run = select(Attempt).where(Attempt.run_id == run).order_by(Attempt.attempt)
        return [(attempt.outcome, attempt.reason) for attempt in session.scalars(of_run)]


def log(engine: Engine) -> str:
    with system_session(engine) as session:
        return "\n".join(session.scalars(select(LogLineRow.message).order_by(LogLineRow.id)))


def pid_of(engine: Engine) -> int:
    """The process that the last run is in."""
    return int(log(engine).split("pid ")[-1].split()[0])


def ended(engine: Engine) -> bool:
    return all(run.status not in ("queued", "running") for run in all_runs(engine))


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.slow
def test_runs_succeed_with_every_event_each_in_a_process_of_its_own(
    cluster: Any, engine: Engine, settings: Settings, study: int
) -> None:
    with working(engine, settings, on_ray(cluster, "measure_itself")):
        wait_until(lambda: ended(engine))
    report, probe = all_runs(engine)
    assert [(run.status, run.validation_score) for run in (report, probe)] == [
        ("succeeded", run.seed + 0.25) for run in (report, probe)
    ]
    with system_session(engine) as session:
        points = select(func.count(), func.sum(SeriesPointRow.step)).where(SeriesPointRow.run_id == report.id)
        assert session.execute(points).one() == (1000, 500500)
    first, second = log(engine).splitlines()
    assert first.split()[1] != second.split()[1]
    # The quality run had the core that it asked for, the probe all of a node's; neither asked the hub as nobody.
    assert (first.split()[2:], second.split()[2:]) == (
        ["threads", "1", "token", "secret"],
        ["threads", "2", "token", "secret"],
    )
    assert list((settings.store_folder / "runs").glob("*")) == []


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("explain", "Lower the learning rate."),
        ("break_down", "KeyError: 'missing'. The run's log has the details."),
        ("run_out_of_memory", "Use a smaller batch"),
    ],
)
def test_a_run_that_breaks_says_why_and_is_not_tried_again(
    cluster: Any, engine: Engine, settings: Settings, study: int, function: str, reason: str
) -> None:
    with working(engine, settings, on_ray(cluster, function)):
        wait_until(lambda: ended(engine))
    assert [run.status for run in all_runs(engine)] == ["failed", "failed"]
    assert reason in (all_runs(engine)[0].reason or "")
    assert len(attempts(engine)) == 1
    if function == "break_down":
        assert "Traceback" in log(engine)


@pytest.mark.slow
@pytest.mark.faults
def test_a_task_that_is_killed_each_time_is_lost_three_times_and_then_fails(
    cluster: Any, engine: Engine, settings: Settings, study: int
) -> None:
    with working(engine, settings, on_ray(cluster, "be_killed")):
        wait_until(lambda: all_runs(engine)[0].status == "failed")
    assert all_runs(engine)[0].reason == run_queue.LOST_THRICE
    assert [outcome for outcome, _ in attempts(engine)] == ["lost", "lost", "lost"]
    assert all("The run's task was lost" in (reason or "") for _, reason in attempts(engine))


@pytest.mark.slow
def test_a_running_run_is_cancelled_within_five_seconds(
    cluster: Any, engine: Engine, settings: Settings, study: int
) -> None:
    with working(engine, settings, on_ray(cluster, "wait")):
        wait_until(lambda: "pid" in log(engine))
        asked = time.monotonic()
        runs.request_cancel(engine, LOCAL, 1)
        wait_until(lambda: all_runs(engine)[0].status == "cancelled", 10)
        assert time.monotonic() - asked < 5
        wait_until(lambda: not lives(pid_of(engine)), 5)


@pytest.mark.slow
def test_a_stopped_worker_waits_for_checkpoints_and_the_next_one_goes_on_from_them(
    cluster: Any, engine: Engine, settings: Settings, study: int
) -> None:
    executor = on_ray(cluster, "wait_for_a_pause")
    with working(engine, settings, executor):
        wait_until(lambda: "pid" in log(engine))
        stopped = time.monotonic()
    assert time.monotonic() - stopped < 10
    assert all_runs(engine)[0].status == "queued"
    with working(engine, settings, executor):
        wait_until(lambda: all_runs(engine)[0].status == "succeeded")
    assert [outcome for outcome, _ in attempts(engine)] == ["returned", "succeeded"]


@pytest.mark.slow
@pytest.mark.faults
def test_a_run_whose_node_is_killed_goes_on_from_its_checkpoint_on_the_other(
    cluster: Any, engine: Engine, settings: Settings, study: int
) -> None:
    with working(engine, settings, on_ray(cluster, "wait_for_a_pause")):
        wait_until(lambda: "pid" in log(engine))
        first = pid_of(engine)
        cluster.remove_node(node_of(cluster, first), allow_graceful=False)
        wait_until(lambda: all_runs(engine)[0].status == "succeeded")
    assert not lives(first)
    assert attempts(engine) == [("lost", "The node that it ran on died."), ("succeeded", None)]
    assert all_runs(engine)[0].validation_score == 0.5


@pytest.mark.slow
@pytest.mark.faults
def test_the_queue_waits_while_no_node_is_large_enough(
    cluster: Any, engine: Engine, settings: Settings, study: int, caplog: pytest.LogCaptureFixture
) -> None:
    with large_node(cluster) as node, working(engine, settings, on_ray(cluster, "wait_for_a_pause", Request(3, 0))):
        wait_until(lambda: "pid" in log(engine))
        cluster.remove_node(node, allow_graceful=False)
        wait_until(lambda: "waiting with the queue: A run asks for 3 CPU and 0 GPU" in caplog.text)
        wait_until(lambda: all_runs(engine)[0].status == "queued")
        with large_node(cluster):
            wait_until(lambda: all_runs(engine)[0].status == "succeeded")
    outcomes = [outcome for outcome, _ in attempts(engine)]
    # It may have been claimed once more before the cluster knew that the node was dead.
    assert outcomes in (["lost", "succeeded"], ["lost", "returned", "succeeded"])


@pytest.mark.slow
@pytest.mark.faults
def test_events_and_runs_survive_the_end_of_their_actor(
    cluster: Any, engine: Engine, settings: Settings, study: int
) -> None:
    import ray

    executor = on_ray(cluster, "wait_for_a_pause")
    with working(engine, settings, executor):
        wait_until(lambda: "pid" in log(engine))
        ray.kill(executor._post)
        wait_until(lambda: all_runs(engine)[0].status == "succeeded")
    assert [outcome for outcome, _ in attempts(engine)] == ["lost", "succeeded"]
    assert "actor" in (attempts(engine)[0][1] or "")


@pytest.mark.slow
@pytest.mark.faults
def test_a_killed_worker_leaves_no_orphan_in_the_cluster(
    cluster: Any, engine: Engine, settings: Settings, home: Path, study: int
) -> None:
    program = (
        "from app.settings import Settings; from app.db.session import make_engine; from app.worker.loop import Worker;"
        "from app.worker.executors.ray import RayExecutor, Request; s = Settings();"
        f"Worker(make_engine(s.database), s, RayExecutor(s.ray_address, Request(1, 0), '{FUNCTIONS}:wait')).work()"
    )
    worker = subprocess.Popen([sys.executable, "-c", program])
    wait_until(lambda: "pid" in log(engine))
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    wait_until(lambda: not lives(pid_of(engine)), 20)


@pytest.mark.slow
def test_what_the_cluster_does_not_have_is_refused_with_the_numbers(
    cluster: Any, engine: Engine, settings: Settings
) -> None:
    with pytest.raises(ClusterUnusable, match=r"1 CPU and 1 GPU .* have: .*2 CPU and 0 GPU, 2 CPU and 0 GPU"):
        RayExecutor(cluster.address, Request(cpus=1, gpus=1))
    worker = [sys.executable, "-m", "app.worker", "--device", "cuda"]
    environment = os.environ | {"PEFT_ATLAS_EXECUTOR": "ray"}
    ended = subprocess.run(worker, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "A run asks for 1 CPU and 1 GPU on one node of the Ray cluster" in ended.stderr


@pytest.mark.slow
def test_nobody_without_the_token_connects(cluster: Any, engine: Engine, settings: Settings) -> None:
    environment = os.environ | {"PEFT_ATLAS_EXECUTOR": "ray", "RAY_AUTH_TOKEN": TOKEN[::-1]}
    worker = [sys.executable, "-m", "app.worker"]
    ended = subprocess.run(worker, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "There is no Ray cluster to connect to" in ended.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_real_run_gives_the_same_numbers_as_on_this_machine(
    cluster: Any, engine: Engine, settings: Settings, study: int
) -> None:
    again = studies.create_study(engine, settings, LOCAL, SMALL)
    with system_session(engine) as session:
        session.get_one(Study, again).precision = "fp32"
        put_aside = or_(Run.study_id == again, Run.purpose == "probe")
        session.execute(update(Run).where(put_aside).values(status="cancelled"))
    with working(engine, settings, RayExecutor(cluster.address, ONE_CORE)):
        wait_until(lambda: ended(engine), 240)
    with system_session(engine) as session:
        session.execute(update(Run).where(Run.study_id == again, Run.purpose == "report").values(status="queued"))
    with working(engine, settings.model_copy(update={"slots": os.cpu_count()}), LocalExecutor()):
        wait_until(lambda: ended(engine), 240)
    on_the_cluster, _, here, _ = all_runs(engine)
    assert on_the_cluster.status == here.status == "succeeded"
    assert on_the_cluster.validation_score == here.validation_score
    assert quality(engine, on_the_cluster.id) == quality(engine, here.id) != {}


def quality(engine: Engine, run: int) -> dict[str, Any]:
    """A run's losses and its score, which the same seed and threads decide."""
    with system_session(engine) as session:
        points = session.execute(
            select(SeriesPointRow.step, SeriesPointRow.value).where(
                SeriesPointRow.run_id == run, SeriesPointRow.key == "loss"
            )
        )
        score = session.scalar(
            select(MeasurementRow.value).where(
                MeasurementRow.run_id == run, MeasurementRow.metric == "task_performance"
            )
        )
        return {"losses": [tuple(point) for point in points], "score": score}


def node_of(cluster: Any, pid: int) -> Any:
    """The node that a process is on: its raylet is the process's parent."""
    raylet = psutil.Process(pid).ppid()
    (node,) = [node for node in cluster.worker_nodes if raylet == node.all_processes["raylet"][0].process.pid]
    return node


def test_without_ray_the_worker_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ClusterUnusable, match="pip install"):
        RayExecutor(None, ONE_CORE)
    assert "peft-atlas[ray]" in INSTALL


def test_an_address_where_nobody_answers_is_said_at_once() -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install -e '.[ray]'")
    with pytest.raises(ClusterUnusable, match=r"no Ray cluster to connect to at 127\.0\.0\.1:9"):
        RayExecutor("127.0.0.1:9", ONE_CORE)


def test_nobody_imports_ray_who_has_not_asked_for_it(home: Path) -> None:
    program = (
        "import sys; from app.settings import Settings; from app.worker.__main__ import make_executor;"
        "make_executor(Settings(), 'cpu'); sys.exit('ray' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    ("request_", "node", "times"),
    [
        (Request(1, 0), {"CPU": 4.0}, 4),
        (Request(3, 0), {"CPU": 4.0}, 1),
        (Request(1, 0.5), {"CPU": 4.0, "GPU": 1.0}, 2),
        (Request(1, 1), {"CPU": 4.0}, 0),
        (Request(1, 0), {}, 0),
    ],
)
def test_a_request_fits_a_node_so_many_times(request_: Request, node: dict[str, float], times: int) -> None:
    assert request_.fits(node) == times
