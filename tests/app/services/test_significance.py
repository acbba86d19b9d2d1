"""Which methods of a finished study differ, and that every mark of the study says the same."""

from dataclasses import replace

import pytest
from sqlalchemy import Engine

from app.db.session import system_session
from app.errors import NotFound
from app.schemas import SignificanceView
from app.services import differences, results
from app.services.callers import LOCAL
from tests.databases import on_both_databases
from tests.flow.finished_study import QUICKSTART, Row, insert

pytestmark = on_both_databases


def asked(engine: Engine, rows: tuple[Row, ...] = QUICKSTART) -> SignificanceView:
    with system_session(engine) as session:
        study = insert(session, team_id=1, rows=rows).id
    return differences.significance(engine, LOCAL, study)


def one_seed(row: Row) -> Row:
    return replace(row, accuracy=row.accuracy[:1], failed_seeds=0)


def without(*methods: str) -> tuple[Row, ...]:
    return tuple(row for row in QUICKSTART if row.method not in methods)


def test_every_method_is_set_beside_the_best_and_the_reference(engine: Engine) -> None:
    best = replace(next(row for row in QUICKSTART if row.method == "adapter"), accuracy=(0.955, 0.96, 0.95))
    found = asked(engine, tuple(best if row.method == "adapter" else row for row in QUICKSTART))
    rows = {row.label: row for row in found.rows}
    assert set(rows) == {row.label for row in QUICKSTART if row.method != "untuned"}
    assert rows["Adapter d48"].configuration == found.best
    assert rows["Full fine-tuning"].configuration == found.reference
    assert rows["Adapter d48"].with_best is None
    assert rows["Full fine-tuning"].with_reference is None
    lora = rows["LoRA r8"]
    assert lora.with_best is not None
    assert lora.with_reference is not None
    assert (lora.with_best.reference, lora.with_reference.reference) == (found.best, found.reference)
    # Five methods beside full and five beside the best, of which full and the best are one pair.
    assert found.comparisons == 9
    assert found.untested == []
    assert found.tied_with_best == [row.configuration for row in found.rows if row.tied_with_best]


def test_the_study_page_shows_the_same_verdicts(engine: Engine) -> None:
    found = asked(engine)
    shown = {one.configuration: one for one in results.comparison(engine, LOCAL, found.study).differences}
    for row in found.rows:
        if row.with_reference is None:
            continue
        one = shown[row.configuration]
        assert one.model_dump() == row.with_reference.model_dump(exclude={"reference", "raw_p_value"})
        assert (one.verdict == "tie") == row.tied_with_reference
        low, high = one.corrected
        assert (one.verdict == "tie") == (low <= 0 <= high)
        assert row.with_reference.raw_p_value <= one.p_value


def test_a_failed_seed_leaves_the_seeds_that_both_have(engine: Engine) -> None:
    (row,) = [row for row in asked(engine).rows if row.label == "P-Tuning v2 n20"]
    assert row.n == 2
    assert row.with_reference is not None
    assert len(row.with_reference.run_ids) == len(row.with_reference.reference_run_ids) == 2


def test_single_seeds_are_tested_over_items_and_say_so(engine: Engine) -> None:
    found = asked(engine, tuple(one_seed(row) for row in QUICKSTART))
    tested = [row.with_reference for row in found.rows if row.with_reference is not None]
    assert {one.test for one in tested} == {"McNemar"}
    assert {one.covers for one in tested} == {"test items of these two trained models"}
    verdict = results.comparison(engine, LOCAL, found.study).verdict
    assert verdict[-1].text == "One seed each: this holds for these trained models, not for the methods."


def test_without_full_fine_tuning_the_lora_row_stands_in_and_is_named(engine: Engine) -> None:
    found = asked(engine, without("full"))
    (lora,) = [row for row in found.rows if row.label == "LoRA r8"]
    assert found.reference == lora.configuration
    assert found.reference_note is not None
    assert found.reference_note.startswith("LoRA r8 stands in for full fine-tuning")
    verdict = results.comparison(engine, LOCAL, found.study).verdict
    assert next(part.label for part in verdict if part.label) == "LoRA r8"


def test_without_anything_to_refer_to_there_is_still_a_best(engine: Engine) -> None:
    found = asked(engine, without("full", "lora"))
    assert found.reference is None
    assert found.comparisons == 3
    assert all(row.with_reference is None for row in found.rows)


def test_tests_across_studies_wait_for_eight_and_count_those_there_are(engine: Engine) -> None:
    asked(engine, without("full", "head_only", "adapter", "prefix_tuning", "p_tuning_v2"))
    found = asked(engine)
    across = asked(engine).across_studies
    assert (found.across_studies.found, across.found, across.needed) == (1, 2, 8)
    words = "".join(part.text or (f"{part.number.value:g}" if part.number else "") for part in across.sentence)
    assert words.endswith("wait for 8 comparable studies; there are 2.")


def test_a_study_that_is_not_there_is_not_found(engine: Engine) -> None:
    with pytest.raises(NotFound):
        differences.significance(engine, LOCAL, 99)
