"""What is left behind or has run out goes; what was measured stays, and doing it twice changes nothing."""

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, func, select, update

from app.db.identity import AuditEntry, LoginAttempt, LoginSession, User
from app.db.session import database_now, system_session
from app.db.tables import ArtifactRow, LogLineRow, MeasurementRow, Run, SeriesPointRow
from app.services import retention, run_queue
from app.services.store import object_path
from app.settings import Settings
from peft_core.spec import Event, Log, Measurement, Point
from tests.databases import on_both_databases
from tests.faults.documents import make_study

KEPT_DAYS = 30
OLD, YOUNG = timedelta(days=KEPT_DAYS + 1), timedelta(days=KEPT_DAYS - 1)


@pytest.fixture
def keeping(settings: Settings) -> Settings:
    return settings.model_copy(update={"keep_log_days": KEPT_DAYS, "keep_audit_days": KEPT_DAYS})


def ended_run(engine: Engine, settings: Settings, ago: timedelta) -> int:
    """A run with a log, points and a measurement that failed so long ago."""
    make_study(engine, settings, priority=1)
    with system_session(engine) as session:
        worker = run_queue.register_worker(session, "a:1", "cpu", {})
        claim = run_queue.claim_next_run(session, worker, store=Path("s"), lease_seconds=30, alone=True)
    assert claim is not None
    told: list[Event] = [*(Log(message=f"line {number}") for number in range(3)), Point(key="loss", step=1, value=0.5)]
    with system_session(engine) as session:
        run_queue.record_events(session, claim.lease, [*told, Measurement(metric="accuracy", value=0.9)])
        run_queue.fail_run(session, claim, "It failed.")
        ended = database_now(session) - ago
        session.execute(update(Run).where(Run.id == claim.lease.run_id).values(ended_at=ended))
    return claim.lease.run_id


def log_of(engine: Engine, run_id: int) -> list[str]:
    with system_session(engine) as session:
        wanted = select(LogLineRow.message).where(LogLineRow.run_id == run_id).order_by(LogLineRow.id)
        return list(session.scalars(wanted))


def measured(engine: Engine) -> tuple[int, int]:
    with system_session(engine) as session:
        return tuple(session.scalar(select(func.count()).select_from(t)) or 0 for t in (MeasurementRow, SeriesPointRow))  # type: ignore[return-value]


@on_both_databases
def test_old_logs_go_and_say_so_and_what_was_measured_stays(
    engine: Engine, settings: Settings, keeping: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "RUNS_AT_ONCE", 1)
    old = [ended_run(engine, settings, OLD) for _ in range(3)]
    young = ended_run(engine, settings, YOUNG)
    retention.forget(engine, settings)
    assert len(log_of(engine, old[0])) >= 3  # Nothing is deleted unless a setting says so.
    before = measured(engine)
    for _ in range(2):
        retention.forget(engine, keeping)
        for run in old:
            (line,) = log_of(engine, run)
            assert line.startswith("This log was removed on ")
            assert line.endswith(f"with 3 lines: logs are kept for {KEPT_DAYS} days after a run has ended.")
    assert log_of(engine, young) == ["line 0", "line 1", "line 2"]
    assert measured(engine) == before == (4, 4)


@on_both_databases
def test_expired_sessions_old_attempts_and_old_audit_entries_go(
    engine: Engine, settings: Settings, keeping: Settings
) -> None:
    with system_session(engine) as session:
        now = database_now(session)
        session.add(User(name="ada", created_at=now))
        session.flush()
        for name, expires in (("old", now - timedelta(seconds=1)), ("young", now + timedelta(hours=1))):
            made = {"csrf_token": "c", "user_id": 1, "team_id": 1, "created_at": now, "last_seen_at": now}
            session.add(LoginSession(token_sha256=name, expires_at=expires, **made))
        for name, at in (("old", now - OLD), ("young", now)):
            session.add(LoginAttempt(counted=name, at=at))
            session.add(AuditEntry(at=at, means="local", action=name, target="", detail={}))
    retention.forget(engine, settings)
    assert kept(engine) == (["young"], ["young"], ["old", "young"])
    for _ in range(2):
        retention.forget(engine, keeping)
        assert kept(engine) == (["young"], ["young"], ["young"])


def kept(engine: Engine) -> tuple[list[str], ...]:
    with system_session(engine) as session:
        wanted = (LoginSession.token_sha256, LoginAttempt.counted, AuditEntry.action)
        return tuple(sorted(session.scalars(select(column))) for column in wanted)


@on_both_databases
def test_files_that_nothing_refers_to_go_when_they_are_old(engine: Engine, settings: Settings) -> None:
    make_study(engine, settings)
    store = settings.store_folder
    with system_session(engine) as session:
        session.add(ArtifactRow(team_id=1, run_id=1, path="a", size_bytes=1, sha256="a" * 64))
        session.execute(update(Run).where(Run.id == 1).values(status="succeeded"))
    for sha256 in ("a" * 64, "b" * 64, "c" * 64):
        path = object_path(store, sha256)
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x")
    long_ago = time.time() - 2 * retention.UNREGISTERED_SECONDS
    for sha256 in ("a" * 64, "b" * 64):
        os.utime(object_path(store, sha256), (long_ago, long_ago))
    for run in (1, 2):
        (store / "runs" / str(run) / "1" / "checkpoint").mkdir(parents=True)
    for _ in range(2):
        retention.sweep(engine, store)
        there = sorted(path.name[0] for path in (store / "objects").glob("*/*"))
        assert there == ["a", "c"]  # Registered, and too young to tell.
        assert [path.name for path in (store / "runs").glob("*")] == ["2"]  # Whose run still waits.


@on_both_databases
def test_the_folder_of_a_run_that_begins_meanwhile_stays(engine: Engine, settings: Settings) -> None:
    store = settings.store_folder
    begun = store / "runs" / "77"

    def begin(*_of_statement: object) -> None:
        """Another worker, just after it was asked which runs there are."""
        begun.mkdir(parents=True, exist_ok=True)

    event.listen(engine, "after_cursor_execute", begin)
    retention.sweep(engine, store)
    event.remove(engine, "after_cursor_execute", begin)
    assert begun.is_dir()
