"""Figures of several runs, as the comparison of a finished study gives them."""

from dataclasses import replace

import pytest
from sqlalchemy import Engine, delete, select, update

from app.db.session import database_now, system_session
from app.db.tables import Run, SeriesPointRow, Study
from app.schemas import Cell, Comparison
from app.services import results
from app.services.callers import LOCAL
from app.services.evidence import TRAIN_SECONDS, read_evidence
from app.services.exports import export_study
from tests.app.services import exported
from tests.app.services.exported import share_steps
from tests.flow.finished_study import QUICKSTART, Row, insert

WHOLE, THREE_QUARTERS = 11.5, 11.5 * 112 / 150
"""Training seconds of a run of the finished study at its last validation and at the one before."""


def compared(engine: Engine, rows: tuple[Row, ...] = QUICKSTART) -> Comparison:
    with system_session(engine) as session:
        study = insert(session, team_id=1, rows=rows).id
    return results.comparison(engine, LOCAL, study)


def cell(comparison: Comparison, method: str, metric: str) -> Cell:
    (found,) = [cell for cell in comparison.cells if (cell.method, cell.metric) == (method, metric)]
    return found


def test_where_every_seed_gets_there_it_is_their_mean_time(engine: Engine) -> None:
    # Full ends at 0.9411 on average and untuned at 0.6783: the target is 0.9280, which LoRA's third seed (0.9333)
    # has not reached with 97 % of its gain.
    found = cell(compared(engine), "lora", "time_to_target")
    assert found.values == pytest.approx([THREE_QUARTERS, THREE_QUARTERS, WHOLE])
    assert found.mean == pytest.approx((2 * THREE_QUARTERS + WHOLE) / 3)
    assert (found.missing, found.at_least, found.n) == (None, None, 3)


def test_where_a_seed_does_not_the_mean_is_only_known_to_be_larger(engine: Engine) -> None:
    adapter = next(row for row in QUICKSTART if row.method == "adapter")
    rows = tuple(replace(row, accuracy=(0.9417, 0.9417, 0.91)) if row is adapter else row for row in QUICKSTART)
    found = cell(compared(engine, rows), "adapter", "time_to_target")
    assert (found.mean, found.values, found.n, found.interval) == (None, [], 0, None)
    assert found.missing == "not reached: a run ended below the target"
    assert found.at_least == pytest.approx((2 * THREE_QUARTERS + WHOLE) / 3)
    assert len(found.run_ids) == 3
    assert found.source == "measured"
    with system_session(engine) as session:
        study = session.scalars(select(Study.id)).one()
    written = export_study(engine, LOCAL, study, "csv")
    assert f"missing: not reached: a run ended below the target, more than {found.at_least!r}" in written


def test_what_has_no_time_says_why(engine: Engine) -> None:
    study = compared(engine)
    assert cell(study, "untuned", "time_to_target").missing == "this method trains nothing"
    assert cell(study, "prefix_tuning", "time_to_target").at_least == pytest.approx(WHOLE)
    without_full = tuple(row for row in QUICKSTART if row.method != "full")
    assert str(cell(compared(engine, without_full), "lora", "time_to_target").missing).startswith("no target: full")
    with system_session(engine) as session:
        session.execute(delete(SeriesPointRow).where(SeriesPointRow.key == "train_seconds"))
        session.execute(update(Run).values(updated_at=database_now(session)))
    again = results.comparison(engine, LOCAL, study.study)
    assert "did not record" in str(cell(again, "lora", "time_to_target").missing)


STEP_SECONDS = 0.07


def test_runs_that_trained_together_are_timed_by_their_probe(engine: Engine) -> None:
    study = compared(engine).study
    share_steps(engine, study, STEP_SECONDS)
    after = results.comparison(engine, LOCAL, study)
    found = cell(after, "lora", "time_to_target")
    steps = [112, 112, 150]
    assert found.values == pytest.approx([step * STEP_SECONDS for step in steps])
    assert found.source == "estimated"
    assert found.formula is not None
    assert found.formula.startswith(f"steps_times_probed_step(step_seconds {STEP_SECONDS}, probes ")
    assert "Steps to the target" in found.notes[0]
    # The clock's own times stay what they are.
    assert cell(after, "adapter", "time_to_target").source == "measured"


def test_their_quality_compares_as_before_and_says_how_it_came_about(engine: Engine) -> None:
    before = compared(engine)
    share_steps(engine, before.study, STEP_SECONDS)
    after = results.comparison(engine, LOCAL, before.study)
    found, alone = cell(after, "lora", "task_performance"), cell(before, "lora", "task_performance")
    assert (found.values, found.split_off, found.flags) == (alone.values, [], alone.flags)
    assert after.flags == before.flags
    assert after.differences == before.differences
    assert "Quality from runs trained together (3 of 3)" in found.notes[0]
    assert cell(after, "lora", "training_speed").notes == []
    assert cell(after, "adapter", "task_performance").notes == []
    assert "Quality from runs trained together" in export_study(engine, LOCAL, before.study, "csv")
    assert "Quality from runs trained together" in export_study(engine, LOCAL, before.study, "html")


def test_without_a_probed_step_there_is_no_time_and_it_says_why(engine: Engine) -> None:
    study = compared(engine).study
    share_steps(engine, study, None)
    found = cell(results.comparison(engine, LOCAL, study), "lora", "time_to_target")
    assert (found.values, found.formula) == ([], None)
    assert found.missing == "its runs trained together with others, and no probe says what a step takes alone"


def test_a_constraint_on_training_time_holds_for_what_a_run_would_take_alone(engine: Engine) -> None:
    study = compared(engine).study
    share_steps(engine, study, STEP_SECONDS)
    with system_session(engine) as session:
        evidence = read_evidence(session, session.get_one(Study, study))
        (lora,) = [row for row in evidence.configurations if row.method == "lora"]
        assert evidence.candidate(lora).values[TRAIN_SECONDS] == pytest.approx((150 * STEP_SECONDS,) * 3)


def test_first_rungs_are_no_part_of_what_a_study_says_of_its_rows(engine: Engine) -> None:
    """Their scores are those of less training: neither tuning ease, nor conditions, nor what has learned."""
    found = results.comparison(engine, LOCAL, exported.halved(engine))
    row = next(row for row in found.configurations if row.method == "lora")
    assert row.tuning_ease is None
    assert (row.learning_rate, row.grid_edge, row.edges_left_out) == (1e-3, False, [])
    assert {point.full_steps for point in row.tuning} == {150}
    assert row.flags == []
    assert not any("training steps" in flag or flag.startswith("LoRA") for flag in found.flags)
    low = results.comparison(engine, LOCAL, exported.halved(engine, whole_scores=(0.67, 0.67)))
    assert [row.learned for row in low.configurations if row.method == "lora"] == [False]


def test_an_edge_that_the_first_rung_left_out_is_named(engine: Engine) -> None:
    found = results.comparison(engine, LOCAL, exported.halved(engine, chosen=2e-3))
    assert [row.edges_left_out for row in found.configurations if row.method == "lora"] == [[5e-3]]
    assert any(flag.startswith("LoRA r8: the first rung left out 5e−3, the edge") for flag in found.flags)


def test_a_complete_grid_of_five_makes_tuning_ease_a_part_of_simplicity(engine: Engine) -> None:
    lora = next(row for row in QUICKSTART if row.method == "lora")
    tuned = replace(lora, learning_rates=(2e-4, 5e-4, 1e-3, 2e-3, 5e-3), validation=(0.70, 0.935, 0.943, 0.94, 0.91))
    before = compared(engine)
    after = compared(engine, tuple(tuned if row is lora else row for row in QUICKSTART))
    ease = 0.60206
    assert [row.tuning_ease for row in before.configurations if row.method == "lora"] == [None]
    assert [row.tuning_ease for row in after.configurations if row.method == "lora"] == pytest.approx([ease])
    probed = cell(before, "lora", "simplicity").mean
    assert probed == 0.5893
    assert cell(after, "lora", "simplicity").mean == pytest.approx((2 * probed + ease) / 3)
    for method in ("full", "adapter", "head_only"):
        assert cell(after, method, "simplicity").mean == cell(before, method, "simplicity").mean


def test_a_metric_without_anchors_has_no_score(engine: Engine) -> None:
    study = compared(engine)
    assert cell(study, "lora", "time_to_target").normalised is None
    assert cell(study, "lora", "simplicity").normalised == cell(study, "lora", "simplicity").mean
