"""A study that halves its learning rates, trained for real by a worker."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from app.db.session import system_session
from app.db.tables import SeriesPointRow
from app.schemas import MethodEntry, StudyDocument, TaskEntry
from app.services import results, studies
from app.services.callers import LOCAL
from app.settings import Settings
from peft_core import assets
from peft_core.spec import Budget
from tests.app.worker.test_loop import all_runs, ended, wait_until, working

STEPS = 8


@pytest.fixture
def halved(home: Path) -> StudyDocument:
    """Five learning rates on a hundred real tweets."""
    (home / "datasets").mkdir()
    lines = assets.tasks()["tweets"].dataset.read_text(encoding="utf-8").splitlines()
    (home / "datasets" / "few.csv").write_text("\n".join(lines[:121]) + "\n", encoding="utf-8")
    return StudyDocument(
        name="Halved",
        task=TaskEntry(dataset="few.csv", text="text", label="label"),
        budget=Budget(steps=STEPS, batch_size=4, max_length=16),
        seeds=1,
        tuning="halving",
        methods=[MethodEntry(method="head_only", learning_rates=[1e-3, 3e-3, 1e-2, 3e-2, 1e-1])],
        references=[],
        metrics=["task_performance"],
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_worker_trains_both_rungs_and_reports_at_the_chosen_rate(
    engine: Engine, settings: Settings, halved: StudyDocument
) -> None:
    study = studies.create_study(engine, settings, LOCAL, halved)
    with working(engine, settings, "peft_core.run:run"):
        wait_until(lambda: ended(engine), 240)
    runs = all_runs(engine)
    with system_session(engine) as session:
        last = select(SeriesPointRow.run_id, func.max(SeriesPointRow.step)).group_by(SeriesPointRow.run_id)
        steps = {row[0]: row[1] for row in session.execute(last)}
    assert {run.status for run in runs} == {"succeeded"}, [run.reason for run in runs]
    first = [run for run in runs if run.rung_steps is not None]
    whole = [run for run in runs if run.purpose == "tune" and run.rung_steps is None]
    assert [steps[run.id] for run in first] == [STEPS // 4] * 5
    # Where all score the same after two steps, all go on.
    assert len(whole) in (2, 5)
    assert {steps[run.id] for run in whole} == {STEPS}
    (row,) = results.comparison(engine, LOCAL, study).configurations
    assert row.learning_rate in {run.learning_rate for run in whole}
    assert [run.learning_rate for run in runs if run.purpose == "report"] == [row.learning_rate]
