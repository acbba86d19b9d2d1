"""A database with a row in every table, and all that a database holds."""

import hashlib
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, MetaData, select

from app.db.identity import (
    AuditEntry,
    Invitation,
    LoginAttempt,
    LoginSession,
    Publication,
    ShareLink,
    TeamSecret,
)
from app.db.migrate import VERSION_TABLE
from app.db.session import database_now, system_session
from app.db.tables import (
    Base,
    CustomScenarioRow,
    Dataset,
    Job,
    StudyApproval,
    StudyComment,
    StudyTag,
    StudyTemplate,
)
from app.services import idempotency, run_queue, runs
from app.services.accounts import tokens, users
from app.services.callers import LOCAL, Caller
from app.services.run_queue import ClaimedRun
from app.settings import Settings
from peft_core.spec import Artifact, Log, Measurement, Point, Predictions, RunResult
from tests.faults.documents import make_study

PASSWORD = "three old wooden boats"


def fill(engine: Engine, settings: Settings) -> None:
    """A row in every table, and a run in every state."""
    idempotency.once(engine, LOCAL, "key", "request", lambda remember: make_study(engine, settings, remember, seeds=6))
    with system_session(engine) as session:
        worker = run_queue.register_worker(session, "test:1", "cpu", {"cores": 2})
    succeeds, fails, is_lost, goes_on = (claimed(engine, worker) for _ in range(4))
    with system_session(engine) as session:
        run_queue.record_events(session, succeeds.lease, [Log(message="ü\n€"), Point(key="a", step=1, value=1 / 3)])
        run_queue.record_events(session, succeeds.lease, [Measurement(metric="accuracy", value=0.1, detail={"n": 1})])
        run_queue.record_events(session, succeeds.lease, [Predictions(items=(1,), predicted=("b",), scores=(0.7,))])
        result = RunResult(validation_score=0.5, train_seconds=1.5, artifacts=(), environment=ENVIRONMENT)
        run_queue.finish_run(session, succeeds, result, [Artifact(path="a/b", size_bytes=2**40, sha256="0" * 64)])
        run_queue.fail_run(session, fails, "The loss was nan at step 3.")
        run_queue.renew_lease(session, is_lost.lease, -60)
        run_queue.release_expired_leases(session)
        run_queue.renew_lease(session, goes_on.lease, 600)
        now = database_now(session)
        session.add(Job(team_id=1, run_id=1, kind="predict", request={"texts": ["ü"]}, created_at=now))
        session.add_all(what_a_team_keeps(now))
    runs.retry_run(engine, LOCAL, fails.lease.run_id)
    runs.request_cancel(engine, LOCAL, 7)


def what_a_team_keeps(now: datetime) -> list[Base]:
    """What its people wrote, signed, uploaded and named."""
    by: dict[str, Any] = {"team_id": 1, "created_at": now}
    return [
        StudyComment(study_id=1, user="ü", text="Reads well.\n€", **by),
        StudyTag(team_id=1, study_id=1, tag="tweets"),
        StudyApproval(study_id=1, state="approved", user="ü", note="", results_sha256="0" * 64, **by),
        CustomScenarioRow(
            name="Edge", weights={"memory": 1.0}, constraints={}, quality_floor=0.9, created_by="ü", **by
        ),
        StudyTemplate(name="Ours", document={"name": "Ours"}, created_by="ü", **by),
        Dataset(
            name="few.csv",
            file="few-0.csv",
            sha256="0" * 64,
            size_bytes=9,
            rows=1,
            columns=[],
            head=[],
            created_by="ü",
            **by,
        ),
    ]


def add_people(engine: Engine) -> str:
    """An operator with all that an account can have; an API token of theirs. From now on it is asked for."""
    user = users.add_user(engine, "ada", PASSWORD, operator=True, role="admin")
    caller = Caller(team_id=1, user="ada", role="admin", operator=True, user_id=user)
    _, token = tokens.create_token(engine, caller, "for tests", "admin", None)
    with system_session(engine) as session:
        session.add_all(what_people_have(user, database_now(session)))
    return token


def what_people_have(user: int, now: datetime) -> list[Base]:
    """Sessions, links, secrets and traces."""
    later = now + timedelta(days=1)
    mine: dict[str, Any] = {"team_id": 1, "created_by": "ada", "created_at": now}
    link = {"note": "ü", "expires_at": later, **mine}
    return [
        LoginSession(
            token_sha256="1" * 64,
            csrf_token="c",
            user_id=user,
            team_id=1,
            created_at=now,
            last_seen_at=now,
            expires_at=later,
        ),
        LoginAttempt(counted="2" * 64, at=now),
        Invitation(token_sha256="3" * 64, role="viewer", **link),
        ShareLink(token_sha256="4" * 64, study_id=1, **link),
        Publication(
            team_id=1,
            study_id=1,
            slug="five",
            html="<p>ü</p>",
            results_sha256="0" * 64,
            published_by="ada",
            published_at=now,
        ),
        TeamSecret(kind="hub_token", ciphertext=bytes(range(256)), **mine),
        AuditEntry(team_id=1, at=now, user="ada", means="local", action="made", target="study 1", detail={"ü": 1}),
    ]


ENVIRONMENT: dict[str, Any] = {"device_name": "cpu", "precision": "fp32", "torch": "2", "peft": "0"}


def claimed(engine: Engine, worker: int) -> ClaimedRun:
    with system_session(engine) as session:
        found = run_queue.claim_next_run(session, worker, store=Path("s"), lease_seconds=30, alone=True)
    assert found is not None
    return found


Contents = dict[str, tuple[int, str]]


def contents(engine: Engine, schema: MetaData) -> Contents:
    """Of each table as `schema` knows it: how many rows, and the hash of all that is in them."""
    return {name: (len(rows), _hash(rows)) for name, rows in rows_of(engine, schema).items()}


def rows_of(engine: Engine, schema: MetaData) -> dict[str, list[dict[str, Any]]]:
    with engine.connect() as connection:
        return {
            table.name: [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()]
            for table in schema.sorted_tables
        }


def _hash(rows: list[dict[str, Any]]) -> str:
    return hashlib.sha256(json.dumps(rows, sort_keys=True, default=str).encode()).hexdigest()


def schema_of(engine: Engine) -> MetaData:
    schema = MetaData()
    schema.reflect(engine, only=lambda name, _: name != VERSION_TABLE)
    return schema
