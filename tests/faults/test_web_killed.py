"""F2: a web process that is killed while eight clients write loses nothing that it acknowledged, and comes back."""

import os
import signal
import time
from collections import Counter
from contextlib import ExitStack
from functools import partial

import pytest
from sqlalchemy import Engine, select, text

from app.db.session import system_session
from app.db.tables import Run, Study
from app.settings import Settings
from tests.databases import on_both_databases
from tests.faults.documents import make_training, read_attempts, read_run, steps_told
from tests.faults.processes import answers, free_port, sqlite_now_postgres_when_slow, up, wait_until, web
from tests.faults.traffic import Traffic, clients, make_studies

pytestmark = pytest.mark.faults

WRITERS = 8
BACK_SECONDS = 3.0
RUNS_OF_A_STUDY = 2


def acknowledged(traffic: Traffic) -> dict[int, str]:
    """The studies that were acknowledged, by id."""
    return {answer.body["id"]: answer.body["name"] for answer in traffic.answers if answer.status == 201}


def studies_by_id(engine: Engine) -> dict[int, str]:
    with system_session(engine) as session:
        return {study.id: study.name for study in session.scalars(select(Study))}


def runs_by_study(engine: Engine) -> Counter[int]:
    with system_session(engine) as session:
        return Counter(session.scalars(select(Run.study_id)))


def assert_nothing_is_broken(engine: Engine) -> None:
    """By the database's own check, where it has one."""
    if engine.dialect.name != "sqlite":
        return
    with engine.connect() as connection:
        assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
        assert connection.execute(text("PRAGMA foreign_key_check")).all() == []


def assert_nothing_is_lost(engine: Engine, traffic: Traffic) -> None:
    """All that was acknowledged is there with all its runs, and nothing was refused."""
    known, there = acknowledged(traffic), studies_by_id(engine)
    # That none is doubled waits for test_a_study_that_is_asked_for_again_is_made_once.
    doubled = sum(count - 1 for count in Counter(there.values()).values())
    print(f"{len(known)} acknowledged, {traffic.unanswered} requests unanswered, {doubled} studies doubled")
    assert len(known) > WRITERS
    assert known.items() <= there.items()
    assert {runs_by_study(engine)[study] for study in known} == {RUNS_OF_A_STUDY}
    assert {answer.status for answer in traffic.answers} == {201}
    assert_nothing_is_broken(engine)


@pytest.mark.timeout(120)
@sqlite_now_postgres_when_slow
def test_what_a_killed_web_process_acknowledged_is_there(engine: Engine, settings: Settings) -> None:
    traffic, port = Traffic(), free_port()
    writers = [partial(make_studies, f"http://127.0.0.1:{port}", f"Writer {n}", traffic) for n in range(WRITERS)]
    with ExitStack() as second, web(settings, port) as first, clients(*writers):
        wait_until(lambda: len(traffic.answers) > 2 * WRITERS)
        first.kill()
        before = len(traffic.answers)
        # It outlives the clients, which send what was not acknowledged until it is.
        second.enter_context(web(settings, port))
        wait_until(lambda: len(traffic.answers) > before + 2 * WRITERS)
    assert traffic.unanswered > 0
    assert_nothing_is_lost(engine, traffic)


@pytest.mark.slow
@pytest.mark.timeout(240)
@on_both_databases
def test_up_starts_it_again_within_three_seconds_and_training_goes_on(engine: Engine, settings: Settings) -> None:
    trained = make_training(engine, settings, steps=400, name="Trained", priority=9)
    traffic = Traffic()
    with up(settings, {"PEFT_ATLAS_SLOTS": "1"}) as started:
        wait_until(lambda: steps_told(engine, trained) > 5)
        writers = [partial(make_studies, started.url, f"Writer {number}", traffic) for number in range(WRITERS)]
        with clients(*writers):
            wait_until(lambda: len(traffic.answers) > 2 * WRITERS)
            trained_before = steps_told(engine, trained)
            os.kill(started.child("app.web"), signal.SIGKILL)
            killed_at = time.monotonic()
            wait_until(lambda: not answers(started.url), 1)
            wait_until(lambda: answers(started.url))
            away_seconds = time.monotonic() - killed_at
            before = len(traffic.answers)
            wait_until(lambda: len(traffic.answers) > before + WRITERS)
        trained_after = steps_told(engine, trained)
    print(f"back after {away_seconds:.2f} s; {trained_after - trained_before} steps trained meanwhile")
    assert_nothing_is_lost(engine, traffic)
    assert away_seconds <= BACK_SECONDS
    assert trained_after > trained_before
    assert [attempt.outcome for attempt in read_attempts(engine, trained)] in (["succeeded"], ["returned"])
    assert read_run(engine, trained).attempt == 1
