"""F11: a backup that is taken while eight clients write and a run trains is one moment, and opens elsewhere with the
rows and files that its manifest says."""

import hashlib
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select, text, update

from app.db.session import make_engine, system_session
from app.db.tables import ArtifactRow, Run, SeriesPointRow, Study
from app.services import run_queue, studies
from app.services.backup import Manifest, RestoreReport, restore_backup, write_backup
from app.services.backup.archive import MANIFEST, sha256_of
from app.services.callers import LOCAL
from app.services.store import object_path
from app.settings import Settings
from peft_core.spec import Artifact, Point, RunResult
from tests.databases import slowly_on_postgres_too
from tests.faults.documents import SMALL, make_study
from tests.faults.traffic import asked_in_process
from tests.postgres import Postgres

pytestmark = [pytest.mark.faults, slowly_on_postgres_too]

WRITERS = 8
RUNS_OF_A_STUDY = 2
POINTS_BEFORE = 10_000
FILE_BYTES = 2**18
ENVIRONMENT = {"device_name": "cpu", "precision": "fp32", "torch": "2", "peft": "0"}


@pytest.fixture
def elsewhere(request: pytest.FixtureRequest, database: str | None, tmp_path: Path) -> Iterator[Settings]:
    """Another, empty installation with the same kind of database."""
    if database is None:
        yield Settings(home=tmp_path / "elsewhere")
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = server.make_database(migrated=False)
    yield Settings(home=tmp_path / "elsewhere", database_url=url)
    server.drop_database(url)


@dataclass
class Written:
    """What was acknowledged so far."""

    studies: list[int] = field(default_factory=list)
    finished: list[int] = field(default_factory=list)
    slowest_seconds: float = 0.0


@contextmanager
def written_to(engine: Engine, settings: Settings) -> Iterator[Written]:
    """Eight clients make studies, one run tells points, and another worker finishes runs that leave a file each."""
    written, stop, broken = Written(), threading.Event(), list[BaseException]()
    with system_session(engine) as session:
        worker = run_queue.register_worker(session, "test:1", "cpu", {})

    def make() -> None:
        began = time.monotonic()
        written.studies.append(studies.create_study(engine, settings, LOCAL, SMALL))
        written.slowest_seconds = max(written.slowest_seconds, time.monotonic() - began)
        with system_session(engine) as session:
            session.execute(update(Study).where(Study.id == written.studies[-1]).values(precision="fp32"))

    training = claimed(engine, worker, settings)
    steps = iter(range(1, 10**9))

    def tell() -> None:
        step = next(steps)
        with system_session(engine) as session:
            # Two points in one transaction: a backup has both or neither.
            points = [Point(key=key, step=step, value=step) for key in ("b", "c")]
            run_queue.record_events(session, training.lease, points)

    def finish() -> None:
        claim = claimed(engine, worker, settings)
        content = str(claim.lease.run_id).encode() * FILE_BYTES
        artifact = Artifact(path="adapter/a", size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
        target = object_path(settings.store_folder, artifact.sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        result = RunResult(validation_score=0.5, train_seconds=1.0, artifacts=(), environment=ENVIRONMENT)
        with system_session(engine) as session:
            run_queue.finish_run(session, claim, result, [artifact])
        written.finished.append(claim.lease.run_id)

    def until_stopped(work: Callable[[], None]) -> None:
        try:
            while not stop.is_set():
                work()
                time.sleep(0.01)
        except BaseException as error:
            broken.append(error)

    threads = [threading.Thread(target=until_stopped, args=(work,)) for work in (*[make] * WRITERS, tell, finish)]
    for thread in threads:
        thread.start()
    try:
        yield written
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
        assert broken == []


def claimed(engine: Engine, worker: int, settings: Settings) -> run_queue.ClaimedRun:
    with system_session(engine) as session:
        found = run_queue.claim_next_run(session, worker, store=settings.store_folder, lease_seconds=600, alone=True)
    assert found is not None
    return found


def fill(engine: Engine, settings: Settings) -> None:
    """Enough that a backup takes a while: one study with many runs, and points of one."""
    make_study(engine, settings, seeds=60)
    with system_session(engine) as session:
        for first in range(0, POINTS_BEFORE, 1000):
            points = [
                SeriesPointRow(team_id=1, run_id=1, key="a", step=first + step, value=1 / (first + step + 1))
                for step in range(1000)
            ]
            session.add_all(points)


@pytest.mark.timeout(120)
def test_a_backup_under_writers_is_one_moment_and_opens_elsewhere(
    engine: Engine, settings: Settings, elsewhere: Settings, tmp_path: Path
) -> None:
    fill(engine, settings)
    file = tmp_path / "atlas.backup"
    with written_to(engine, settings) as written:
        while len(written.studies) < 2 * WRITERS or len(written.finished) < 3:
            time.sleep(0.02)
        before, finished = set(written.studies), set(written.finished)
        began = time.monotonic()
        report = write_backup(engine, settings, file)
        seconds, after = time.monotonic() - began, len(written.studies)
        restored = restore_backup(elsewhere, file, replace=False)
    print(f"{report.bytes} bytes in {seconds:.2f} s, {after - len(before)} studies were made meanwhile")
    print(f"the slowest write took {written.slowest_seconds:.2f} s")
    assert report.left_out == ()
    assert_it_is_what_the_manifest_says(file, restored, elsewhere)
    there = make_engine(elsewhere.database)
    assert_it_is_one_moment(there, before, finished)
    there.dispose()
    assert_it_works(elsewhere)


def assert_it_is_what_the_manifest_says(file: Path, restored: RestoreReport, elsewhere: Settings) -> None:
    """By its own reading of the archive and of what was put back."""
    with zipfile.ZipFile(file) as archive:
        manifest = Manifest.model_validate_json(archive.read(MANIFEST))
        for part in manifest.parts:
            assert hashlib.sha256(archive.read(part.name)).hexdigest() == part.sha256
    engine = make_engine(elsewhere.database)
    with engine.connect() as connection:
        rows = {name: connection.scalar(text(f'SELECT count(*) FROM "{name}"')) for name in manifest.rows}
    assert rows == manifest.rows == restored.rows
    with system_session(engine) as session:
        hashes = set(session.scalars(select(ArtifactRow.sha256)))
    engine.dispose()
    assert {part.name for part in manifest.parts_in("objects")} == {f"objects/{sha256}" for sha256 in hashes}
    assert all(sha256_of(object_path(elsewhere.store_folder, sha256)) == sha256 for sha256 in hashes)


def assert_it_is_one_moment(engine: Engine, before: set[int], finished: set[int]) -> None:
    """What was acknowledged before is there, and no transaction by half."""
    with system_session(engine) as session:
        there = set(session.scalars(select(Study.id)))
        counts = Counter(session.scalars(select(Run.study_id).where(Run.study_id > 1)))
        ended = set(session.scalars(select(Run.id).where(Run.status == "succeeded")))
        with_file = set(session.scalars(select(ArtifactRow.run_id)))
        pairs = Counter(session.scalars(select(SeriesPointRow.step).where(SeriesPointRow.key.in_(("b", "c")))))
        points = session.scalar(select(func.count()).where(SeriesPointRow.key == "a"))
    assert before <= there
    assert set(counts.values()) == {RUNS_OF_A_STUDY}
    assert counts.keys() == there - {1}
    assert finished <= ended == with_file
    assert set(pairs.values()) == {2}
    assert points == POINTS_BEFORE
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
            assert connection.execute(text("PRAGMA foreign_key_check")).all() == []


def assert_it_works(settings: Settings) -> None:
    """The web process is ready on it, and what was running is waited for, then run again."""
    paths = ["/readyz", "/studies", "/runs", "/runs/1", "/runs/1/series?key=a"]
    assert [answer.status_code for answer in asked_in_process(settings, paths)] == [200] * len(paths)
    engine = make_engine(settings.database)
    made = make_study(engine, settings, priority=9)
    with system_session(engine) as session:
        worker = run_queue.register_worker(session, "test:2", "cpu", {})
    assert claimed(engine, worker, settings).study_id == made
    engine.dispose()
