"""How long a run waits between its claim and its own first word."""

import os
import statistics

import pytest
from sqlalchemy import Engine, select

from app.db.session import system_session
from app.db.tables import LogLineRow, Run, Study
from app.schemas import MethodEntry, StudyDocument
from app.services import studies
from app.services.callers import LOCAL
from app.settings import Settings
from app.worker.executors.local import LocalExecutor
from peft_core.spec import Budget
from tests.app.worker.test_one_run_alone import wait_until, working

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

RUNS = 10
START_SECONDS = 3.0
"""One second is what a quiet machine takes; here others may be at work."""
DOCUMENT = StudyDocument(
    name="Starts",
    budget=Budget(steps=2, batch_size=4, max_length=16),
    seeds=RUNS,
    grid_points=1,
    methods=[MethodEntry(method="head_only")],
    references=[],
)


@pytest.fixture
def study(engine: Engine, settings: Settings) -> int:
    """Ten reporting runs that say when they began."""
    made = studies.create_study(engine, settings, LOCAL, DOCUMENT)
    with system_session(engine) as session:
        session.get_one(Study, made).precision = "fp32"
    return made


def waited_seconds(engine: Engine) -> list[float]:
    """From a run's claim, by the database's clock, to its first word, by its own: one machine, one clock."""
    with system_session(engine) as session:
        reports = select(Run).where(Run.purpose == "report", Run.status == "succeeded").order_by(Run.started_at)
        words = {line.run_id: float(line.message) for line in session.scalars(select(LogLineRow))}
        return [words[run.id] - run.started_at.timestamp() for run in session.scalars(reports) if run.started_at]


def test_a_run_is_at_work_soon_after_its_claim(engine: Engine, settings: Settings, study: int) -> None:
    one = settings.model_copy(update={"slots": 1})
    with working(engine, one, LocalExecutor("tests.app.worker.run_functions:tell_the_time")):
        wait_until(lambda: len(waited_seconds(engine)) == RUNS, 300)
    first, *others = waited_seconds(engine)
    median, load = statistics.median(others), os.getloadavg()[0]
    print(f"first after the worker's start {first:.2f} s, median of {len(others)} more {median:.2f} s, load {load:.1f}")
    assert first <= START_SECONDS
    assert median <= START_SECONDS
