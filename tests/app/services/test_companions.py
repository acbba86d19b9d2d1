"""Claiming runs that train together, on real databases: which may come along, and whose each of them is."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from app.db.session import database_now, system_session
from app.db.tables import Attempt, Run, Study, Worker
from app.errors import LeaseLost
from app.schemas import MethodEntry, StudyDocument
from app.services import run_queue, runs, studies, workers
from app.services.callers import LOCAL
from app.services.companions import claim_companions
from app.services.run_queue import ClaimedRun
from app.settings import Settings
from peft_core.spec import Budget, RunResult, RunSpec
from tests.databases import on_both_databases

pytestmark = on_both_databases

TWO_METHODS = StudyDocument(
    name="Two methods",
    budget=Budget(steps=5, batch_size=4, max_length=32),
    seeds=2,
    grid_points=3,
    methods=[MethodEntry(method="lora"), MethodEntry(method="ia3")],
    references=[],
)
DONE = RunResult(validation_score=0.5, train_seconds=None, artifacts=(), environment={"trained_together": 3})
Choose = Callable[[Sequence[RunSpec]], Sequence[RunSpec]]


@pytest.fixture
def study(engine: Engine, settings: Settings) -> int:
    """Two rows of three tuning runs, two reporting runs and a probe each, precision known."""
    return make_study(engine, settings, TWO_METHODS)


def make_study(engine: Engine, settings: Settings, document: StudyDocument) -> int:
    made = studies.create_study(engine, settings, LOCAL, document)
    with system_session(engine) as session:
        session.get_one(Study, made).precision = "fp32"
    return made


@pytest.fixture
def worker(engine: Engine) -> int:
    with system_session(engine) as session:
        return run_queue.register_worker(session, "test:1", "cpu", {"slots": 2})


def everyone(waiting: Sequence[RunSpec]) -> Sequence[RunSpec]:
    return waiting


def claim_together(engine: Engine, worker: int, choose: Choose = everyone, *, alone: bool = True) -> list[ClaimedRun]:
    """As the worker does it: the next run and its companions in one transaction."""
    with system_session(engine) as session:
        first = run_queue.claim_next_run(session, worker, store=Path("s"), lease_seconds=30, alone=alone)
        if first is None:
            return []
        return [first, *claim_companions(session, worker, first, choose, store=Path("s"), lease_seconds=30)]


def ids(claims: Sequence[ClaimedRun]) -> list[int]:
    return [claim.lease.run_id for claim in claims]


def finish(engine: Engine, claims: Sequence[ClaimedRun]) -> None:
    for claim in claims:
        with system_session(engine) as session:
            run_queue.finish_run(session, claim, DONE, ())


def read(engine: Engine, run_id: int) -> Run:
    with system_session(engine) as session:
        return session.get_one(Run, run_id)


def test_every_tuning_run_of_the_study_may_come_along_and_each_is_its_own(
    engine: Engine, study: int, worker: int
) -> None:
    claims = claim_together(engine, worker)
    assert [claim.spec.purpose for claim in claims] == ["tune"] * 6
    assert ids(claims) == [1, 2, 3, 7, 8, 9]
    assert len({claim.lease.token for claim in claims}) == 6
    assert {claim.lease.attempt for claim in claims} == {1}
    with system_session(engine) as session:
        attempts = session.scalars(select(Attempt).order_by(Attempt.run_id)).all()
    assert [(attempt.run_id, attempt.attempt, attempt.worker) for attempt in attempts] == [
        (run_id, 1, "test:1") for run_id in ids(claims)
    ]
    assert {read(engine, run_id).status for run_id in ids(claims)} == {"running"}


def test_only_the_chosen_ones_are_claimed(engine: Engine, study: int, worker: int) -> None:
    assert ids(claim_together(engine, worker, lambda waiting: waiting[2:3])) == [1, 7]
    assert ids(claim_together(engine, worker, lambda _: [])) == [2]


def test_reports_wait_for_their_rate_and_come_along_with_those_of_the_other_row(
    engine: Engine, study: int, worker: int
) -> None:
    finish(engine, claim_together(engine, worker))
    claims = claim_together(engine, worker)
    assert [(claim.spec.purpose, claim.spec.method) for claim in claims] == [
        ("report", "lora"),
        ("report", "lora"),
        ("report", "ia3"),
        ("report", "ia3"),
    ]
    assert [claim.first_seed for claim in claims] == [True, False, True, False]


def test_a_probe_at_the_head_waits_for_what_its_own_study_trains(engine: Engine, study: int, worker: int) -> None:
    finish(engine, claim_together(engine, worker))
    # The probe of the first row is run 6: it keeps no slot empty while the second row has reports to train.
    assert ids(claim_together(engine, worker, lambda waiting: waiting[:2])) == [4, 5, 10]
    assert ids(claim_together(engine, worker, alone=False)) == [11]
    assert claim_together(engine, worker, alone=False) == []
    probe = claim_together(engine, worker, lambda _: [], alone=True)
    assert [(claim.lease.run_id, claim.spec.purpose) for claim in probe] == [(6, "probe")]


def test_runs_of_another_study_or_of_an_unknown_precision_do_not_come_along(
    engine: Engine, settings: Settings, study: int, worker: int
) -> None:
    other = make_study(engine, settings, TWO_METHODS.model_copy(update={"name": "Other"}))
    assert {claim.study_id for claim in claim_together(engine, worker)} == {study}
    with system_session(engine) as session:
        session.get_one(Study, other).precision = None
    assert ids(claim_together(engine, worker)) == [13]


def test_a_group_is_one_turn_of_its_study(engine: Engine, settings: Settings, study: int, worker: int) -> None:
    other = make_study(engine, settings, TWO_METHODS.model_copy(update={"name": "Other"}))
    turns = [claim_together(engine, worker, lambda waiting: waiting[:1])[0].study_id for _ in range(4)]
    assert turns == [study, other, study, other]


def test_what_becomes_of_one_touches_no_other(engine: Engine, study: int, worker: int) -> None:
    first, second, third, *_ = claim_together(engine, worker)
    with system_session(engine) as session:
        session.get_one(Run, second.lease.run_id).lease_expires_at = database_now(session) - timedelta(seconds=1)
    with system_session(engine) as session:
        assert run_queue.release_expired_leases(session) == [second.lease.run_id]
    runs.request_cancel(engine, LOCAL, third.lease.run_id)
    with system_session(engine) as session:
        run_queue.cancel_run(session, third)
    with pytest.raises(LeaseLost):
        finish(engine, [second])
    finish(engine, [first])
    assert [read(engine, claim.lease.run_id).status for claim in (first, second, third)] == [
        "succeeded",
        "queued",
        "cancelled",
    ]


def test_a_run_that_parted_trains_alone_from_then_on(engine: Engine, study: int, worker: int) -> None:
    first, second, *_ = claim_together(engine, worker, lambda waiting: waiting[:1])
    for claim in (first, second):
        with system_session(engine) as session:
            assert run_queue.give_back(session, claim.lease, "out of memory", "parted")
    # It is next, and nothing comes along with it.
    assert ids(claim_together(engine, worker)) == [1]
    assert ids(claim_together(engine, worker)) == [2]
    # Nor does it come along with another.
    with system_session(engine) as session:
        run_queue.give_back(session, lease_of(engine, 1), "stopped")
        session.get_one(Run, 1).position = 99
    assert ids(claim_together(engine, worker)) == [3, 7, 8, 9]
    with system_session(engine) as session:
        outcomes = session.scalars(select(Attempt.outcome).where(Attempt.run_id == 2).order_by(Attempt.attempt)).all()
    assert outcomes == ["parted", None]


def test_a_run_that_was_lost_with_its_worker_trains_alone_from_then_on(engine: Engine, study: int, worker: int) -> None:
    """Whatever ended the worker does so to one run at a time: the others do not fail with it at the third time."""
    first, second, *_ = claim_together(engine, worker, lambda waiting: waiting[:1])
    with system_session(engine) as session:
        for claim in (first, second):
            session.get_one(Run, claim.lease.run_id).lease_expires_at = database_now(session) - timedelta(seconds=1)
    with system_session(engine) as session:
        assert run_queue.release_expired_leases(session) == [1, 2]
    assert ids(claim_together(engine, worker)) == [1]
    assert ids(claim_together(engine, worker)) == [2]
    assert ids(claim_together(engine, worker)) == [3, 7, 8, 9]


def lease_of(engine: Engine, run_id: int) -> run_queue.Lease:
    run = read(engine, run_id)
    assert run.lease_token is not None
    return run_queue.Lease(run.id, run.team_id, run.attempt, run.lease_token)


def test_a_run_that_somebody_cancelled_does_not_go_back_when_it_parts(engine: Engine, study: int, worker: int) -> None:
    first, *_ = claim_together(engine, worker)
    runs.request_cancel(engine, LOCAL, first.lease.run_id)
    with system_session(engine) as session:
        assert not run_queue.give_back(session, first.lease, "out of memory", "parted")
    assert read(engine, first.lease.run_id).status == "cancelled"


def test_free_slots_are_those_of_living_workers_of_the_same_kind(engine: Engine, study: int, worker: int) -> None:
    with system_session(engine) as session:
        beside = run_queue.register_worker(session, "test:2", "cpu", {"slots": 3})
        run_queue.register_worker(session, "gpu:1", "cuda:0", {"slots": 8})
        paused = run_queue.register_worker(session, "test:3", "cpu", {"slots": 8})
        silent = run_queue.register_worker(session, "test:4", "cpu", {"slots": 8})
    with system_session(engine) as session:
        session.get_one(Worker, paused).paused_at = database_now(session)
        session.get_one(Worker, silent).heartbeat_at = database_now(session) - timedelta(seconds=60)
    assert len(claim_together(engine, beside, lambda _: [])) == 1
    with system_session(engine) as session:
        assert workers.free_slots_elsewhere(session, worker) == 2
