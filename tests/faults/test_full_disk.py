"""F4: a disk that takes no more. Writes are refused with the reason, reads go on, readiness says so, training goes on,
and all recovers by itself."""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest
from sqlalchemy import Engine, select

from app.db.migrate import migrate
from app.db.session import make_engine, system_session
from app.db.tables import LogLineRow
from app.settings import Settings
from peft_core.checkpoint import STATE, TENSORS
from tests.faults.documents import SMALL, make_study, make_training, read_attempts, read_run, steps_told
from tests.faults.processes import Started, running, wait_until, web
from tests.faults.traffic import API
from tests.postgres import Postgres

pytestmark = pytest.mark.faults

TOLD_SECONDS = 5.0
RECOVERS_SECONDS = 15.0
FULL_SECONDS = 6.0
DISK_BYTES = 128 * 2**20
STEPS = 150


@dataclass(frozen=True)
class Disk:
    """A small file system that can be filled to the last byte."""

    folder: Path

    @contextmanager
    def full(self) -> Iterator[None]:
        """Whatever is deleted meanwhile is taken at once, as a busy disk's other users would."""
        ballast, stop = self.folder / "ballast", threading.Event()
        filling = threading.Thread(target=partial(self._fill, ballast, stop))
        self._fill_once(ballast)
        filling.start()
        try:
            yield
        finally:
            stop.set()
            filling.join()
            ballast.unlink()

    def _fill(self, ballast: Path, stop: threading.Event) -> None:
        while not stop.wait(0.02):
            self._fill_once(ballast)

    def _fill_once(self, ballast: Path) -> None:
        with ballast.open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(2**16))
            except OSError:
                return


@pytest.fixture
def disk() -> Iterator[Disk]:
    """Needs the right to mount one."""
    if sys.platform != "linux" or shutil.which("mount") is None:
        pytest.skip("There is no tmpfs here.")
    folder = Path(tempfile.mkdtemp(prefix="peft-atlas-disk-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=755", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(f"No file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def rename(client: httpx.Client, name: str) -> httpx.Response:
    return client.patch(f"{API}/studies/1", json={"name": name})


def post(client: httpx.Client) -> httpx.Response:
    return client.post(f"{API}/studies", json=SMALL.model_dump(mode="json"))


def ready(client: httpx.Client) -> int:
    return client.get(f"{API}/readyz").status_code


def assert_reads_go_on(client: httpx.Client) -> None:
    for path in ("/healthz", "/studies", "/studies/1", "/runs", "/runs/1", "/methods"):
        assert client.get(f"{API}{path}").status_code == 200, path


def assert_refused_for_want_of_room(answer: httpx.Response) -> None:
    assert answer.status_code in (503, 507), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@contextmanager
def file_size_limit(process: Started, size_bytes: int) -> Iterator[None]:
    """No file of the process may grow beyond it, as with a quota that is used up."""
    found = psutil.Process(process.pid)
    before = found.rlimit(resource.RLIMIT_FSIZE)
    found.rlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        found.rlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux limits a process that runs already.")
def test_a_used_up_quota_refuses_writes_and_leaves_the_rest(engine: Engine, settings: Settings) -> None:
    make_study(engine, settings)
    with web(settings) as started, httpx.Client(base_url=started.url, timeout=30) as client:
        assert (ready(client), rename(client, "Before").status_code) == (200, 200)
        with file_size_limit(started, 4096):
            refused = rename(client, "During")
            assert refused.status_code == 507
            assert "free some room" in refused.json()["detail"]
            assert int(refused.headers["retry-after"]) > 0
            assert ready(client) == 503
            assert_reads_go_on(client)
            assert client.get(f"{API}/studies/1").json()["name"] == "Before"
        assert rename(client, "After").status_code == 200
        wait_until(lambda: ready(client) == 200, RECOVERS_SECONDS)
        assert client.get(f"{API}/studies/1").json()["name"] == "After"


@pytest.fixture
def settings_on_disk(disk: Disk, home: Path) -> Settings:
    """The whole home on the small disk: database and store."""
    folder = disk.folder / "home"
    folder.mkdir()
    return Settings(home=folder)


@pytest.fixture
def engine_on_disk(settings_on_disk: Settings) -> Iterator[Engine]:
    migrate(settings_on_disk.database)
    engine = make_engine(settings_on_disk.database)
    yield engine
    engine.dispose()


@pytest.mark.slow
def test_a_full_disk_refuses_writes_and_a_training_run_goes_on(
    disk: Disk, engine_on_disk: Engine, settings_on_disk: Settings
) -> None:
    engine, settings = engine_on_disk, settings_on_disk
    trained = make_training(engine, settings, STEPS)
    with (
        web(settings) as started,
        httpx.Client(base_url=started.url, timeout=30) as client,
        running(settings, "app.worker", variables={"PEFT_ATLAS_CHECKPOINT_SECONDS": "0"}) as worker,
    ):
        wait_until(lambda: steps_told(engine, trained) > 3)
        with disk.full():
            told_seconds = wait_until(lambda: ready(client) == 503, TOLD_SECONDS)
            full_until = time.monotonic() + FULL_SECONDS
            while time.monotonic() < full_until:
                assert_refused_for_want_of_room(rename(client, "During"))
                assert_refused_for_want_of_room(post(client))
                assert_reads_go_on(client)
            checkpointed = read_checkpoint(settings.store_folder / "runs" / str(trained) / "1" / "checkpoint")
            assert worker.alive
        ready_seconds = wait_until(lambda: ready(client) == 200, RECOVERS_SECONDS)
        assert rename(client, "After").status_code == 200
        wait_until(lambda: read_run(engine, trained).status != "running", 120)
        assert worker.alive
    print(f"readyz 503 after {told_seconds:.2f} s, 200 again {ready_seconds:.2f} s after there was room")
    assert checkpointed > 0
    assert [attempt.outcome for attempt in read_attempts(engine)] == ["succeeded"]
    assert steps_told(engine, trained) == STEPS
    assert "could not be written" in log(engine)


def read_checkpoint(folder: Path) -> int:
    """The step of the newest one, which must be whole."""
    from safetensors.torch import load_file

    newest = sorted(folder.glob("step-*"))[-1]
    written = json.loads((newest / STATE).read_text(encoding="utf-8"))
    assert all(tensor.isfinite().all() for tensor in load_file(newest / TENSORS).values())
    step: int = written["done"]
    return step


def log(engine: Engine) -> str:
    with system_session(engine) as session:
        return "\n".join(session.scalars(select(LogLineRow.message).order_by(LogLineRow.id)))


@pytest.fixture
def database_on_disk(disk: Disk, postgres: Postgres) -> Iterator[str]:
    """A PostgreSQL database whose tables lie on the small disk."""
    folder = disk.folder / "tables"
    folder.mkdir(mode=0o700)
    os.chown(folder, psutil.Process(postgres.process.pid).uids().real, -1)
    postgres.run(f"CREATE TABLESPACE small LOCATION '{folder}'")
    url = postgres.make_database(migrated=False)
    name = url.rpartition("/")[2]
    postgres.run(f"ALTER DATABASE {name} SET TABLESPACE small")
    yield url
    postgres.drop_database(url)
    postgres.run("DROP TABLESPACE small")


@pytest.mark.slow
@pytest.mark.postgres
def test_a_full_disk_of_the_database_server_refuses_writes_and_recovers(
    disk: Disk, database_on_disk: str, home: Path
) -> None:
    settings = Settings(home=home, database_url=database_on_disk)
    migrate(settings.database)
    engine = make_engine(settings.database)
    trained = make_training(engine, settings, STEPS)
    with (
        web(settings) as started,
        httpx.Client(base_url=started.url, timeout=30) as client,
        running(settings, "app.worker") as worker,
    ):
        wait_until(lambda: steps_told(engine, trained) > 3)
        with disk.full():
            # Some fit into what the tables have already.
            wait_until(lambda: post(client).status_code == 507)
            told_seconds = wait_until(lambda: ready(client) == 503, TOLD_SECONDS)
            full_until = time.monotonic() + FULL_SECONDS
            while time.monotonic() < full_until:
                assert_refused_for_want_of_room(post(client))
                assert_reads_go_on(client)
            assert worker.alive
        assert post(client).status_code == 201
        ready_seconds = wait_until(lambda: ready(client) == 200, RECOVERS_SECONDS)
        wait_until(lambda: read_run(engine, trained).status != "running", 120)
        assert worker.alive
    engine.dispose()
    print(f"readyz 503 after {told_seconds:.2f} s, 200 again {ready_seconds:.2f} s after there was room")
    assert [attempt.outcome for attempt in read_attempts(engine, trained)] == ["succeeded"]
    assert steps_told(engine, trained) == STEPS
