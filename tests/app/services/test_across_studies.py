"""Methods over several studies: who is compared, what stands for a method, and which tests the studies allow."""

import csv
import io
from dataclasses import replace

import pytest
from sqlalchemy import Engine

from app.db.session import system_session
from app.db.tables import Run, Study
from app.schemas import ApprovalChange, GainCell, StudiesCompared
from app.services import reviews
from app.services.across_studies import Asked, compare_studies
from app.services.across_studies_csv import as_csv
from app.services.callers import LOCAL
from tests.databases import on_both_databases
from tests.flow.finished_study import QUICKSTART, Row, insert
from tests.flow.several_studies import insert_several
from tests.flow.swept_study import RANKS

FEW = ("full", "lora", "adapter")


def compared(engine: Engine, asked: Asked = Asked()) -> StudiesCompared:  # noqa: B008 (frozen)
    return compare_studies(engine, LOCAL, asked)


def several(engine: Engine, count: int, *, without: tuple[str, ...] = ()) -> list[int]:
    with system_session(engine) as session:
        return [study.id for study in insert_several(session, count, without=without)]


def inserted(engine: Engine, rows: tuple[Row, ...], name: str = "One more") -> int:
    with system_session(engine) as session:
        return insert(session, team_id=1, rows=rows, name=name).id


def cell(found: StudiesCompared, study: int, method: str) -> GainCell:
    (one,) = [one for one in found.cells if (one.study, one.method) == (study, method)]
    return one


def reasons(found: StudiesCompared) -> dict[str, str]:
    return {study.name: study.reason for study in found.left_out}


def test_without_a_study_there_is_nothing_to_compare(engine: Engine) -> None:
    found = compared(engine)
    assert (found.kind, found.studies, found.cells, found.pair, found.all) == (None, [], [], None, None)


def test_one_study_is_no_comparison_over_studies(engine: Engine) -> None:
    several(engine, 1)
    found = compared(engine)
    assert (len(found.studies), found.pair, found.all) == (1, None, None)
    assert len(found.cells) == 6


@on_both_databases
def test_a_cell_is_the_share_of_full_fine_tunings_gain(engine: Engine) -> None:
    first, _ = several(engine, 2)
    one = cell(compared(engine), first, "lora")
    assert one.share is not None
    assert one.raw is not None
    assert one.interval is not None
    floor, full = 407 / 600, (565 + 562 + 567) / 1800
    assert one.raw.value == pytest.approx(sum(round(600 * (a + 0.02)) for a in (0.94, 0.9367, 0.9333)) / 1800)
    assert one.share.value == pytest.approx((one.raw.value - floor) / (full - floor))
    assert one.interval[0].value < one.share.value < one.interval[1].value
    assert one.score == pytest.approx(min(1.1, one.share.value) / 1.1)
    assert len(one.share.run_ids) == len(one.share.reference_run_ids) == 3


def test_below_eight_studies_there_is_no_test_but_what_there_is(engine: Engine) -> None:
    several(engine, 3)
    found = compared(engine)
    assert found.pair is not None
    assert found.all is not None
    assert (found.pair.a, found.pair.b) == ("lora", "full")
    assert found.pair.signed_rank is None
    assert found.pair.still_missing.value == 5
    assert len(found.pair.differences) == 3
    for one in found.pair.differences:
        assert one.interval is not None
        assert one.p_a is not None
        assert (one.p_a.value > 0.5) == (one.value.value > 0)
    assert found.all.friedman is None
    assert found.all.still_missing.value == 5
    assert sum(place.p_best.value for place in found.all.places) == pytest.approx(1)
    assert found.all.places[0].method == "lora"


def test_from_eight_studies_on_both_tests_are_there(engine: Engine) -> None:
    several(engine, 9)
    found = compared(engine)
    assert found.pair is not None
    assert found.all is not None
    assert found.pair.signed_rank is not None
    signed = found.pair.signed_rank
    assert signed.a.value + signed.equal.value + signed.b.value == pytest.approx(1)
    assert all(sum(draw) == pytest.approx(1, abs=1e-3) for draw in signed.draws)
    assert found.all.friedman is not None
    assert found.all.friedman.rejected
    # LoRA, full and the adapter lie close together; a linear probe does not.
    assert any({"lora", "full"} <= set(group) for group in found.all.friedman.groups)
    assert not any({"lora", "head_only"} <= set(group) for group in found.all.friedman.groups)


def test_the_pair_turned_round_says_the_same(engine: Engine) -> None:
    several(engine, 8)
    one, other = (compared(engine, Asked(a=a, b=b)).pair for a, b in (("lora", "adapter"), ("adapter", "lora")))
    assert one is not None
    assert other is not None
    for ours, theirs in zip(one.differences, other.differences, strict=True):
        assert ours.value.value == pytest.approx(-theirs.value.value)
        assert ours.p_a is not None
        assert theirs.p_a is not None
        assert ours.p_a.value + theirs.p_a.value == pytest.approx(1)
    assert one.signed_rank is not None
    assert other.signed_rank is not None
    assert one.signed_rank.a.value == pytest.approx(other.signed_rank.b.value, abs=0.02)


def test_studies_that_lack_a_method_are_shown_and_not_ranked(engine: Engine) -> None:
    *_, last = several(engine, 3, without=("adapter",))
    asked = Asked(methods=FEW)
    found = compared(engine, asked)
    assert cell(found, last, "adapter").missing == "not in this study"
    assert found.all is not None
    assert (len(found.all.studies), found.all.incomplete) == (2, [last])
    # Left to itself it takes the methods that every study has.
    assert "adapter" not in compared(engine).chosen_methods


def test_what_cannot_be_compared_says_why(engine: Engine) -> None:
    several(engine, 2)
    inserted(engine, tuple(row for row in QUICKSTART if row.method not in ("full", "lora")), "No full")
    flat = tuple(replace(row, accuracy=(0.6767, 0.68, 0.6783)) if row.method == "full" else row for row in QUICKSTART)
    inserted(engine, flat, "No gain")
    alone = inserted(engine, tuple(row for row in QUICKSTART if row.method in ("untuned", "full", "lora")), "Alone")
    with system_session(engine) as session:
        for run in session.query(Run).filter(Run.study_id == alone):
            run.status = "failed" if run.configuration.method == "lora" else run.status
    found = compared(engine)
    assert len(found.studies) == 2
    assert reasons(found) == {
        "No full": "there is nothing to take shares of: the study has no full fine-tuning",
        "No gain": "full fine-tuning's gain over the floor is not clear of noise",
        "Alone": "fewer than two of its methods have a result",
    }


def test_a_row_that_was_made_unlike_the_others_is_left_out(engine: Engine) -> None:
    first, _ = several(engine, 2)
    with system_session(engine) as session:
        for run in session.query(Run).filter(Run.study_id == first, Run.purpose == "report"):
            if run.configuration.method == "adapter":
                run.environment = (run.environment or {}) | {"precision": "fp32"}
    missing = cell(compared(engine, Asked(methods=FEW)), first, "adapter").missing
    assert missing == "made unlike the others: precision fp32 instead of bf16"


def test_of_several_configurations_the_best_on_validation_stands_for_the_method(engine: Engine) -> None:
    several(engine, 1)
    swept = inserted(engine, RANKS)
    with system_session(engine) as session:
        for run in session.query(Run).filter(Run.study_id == swept, Run.purpose == "report"):
            # On the test split another one may be better; that never chooses.
            run.validation_score = 0.99 if run.configuration.label == "LoRA r4" else 0.5
    one = cell(compared(engine, Asked(methods=("lora", "full"))), swept, "lora")
    assert one.label == "LoRA r4"
    assert one.variants > 1
    assert one.chosen_on_validation


def test_what_an_address_names_that_is_not_there_is_passed_over(engine: Engine) -> None:
    one, two, _ = several(engine, 3)
    found = compared(engine, Asked(studies=(one, two, 99), methods=("lora", "beauty", "full"), a="beauty", b="adapter"))
    assert found.chosen == [two, one]
    assert found.chosen_methods == ["lora", "full"]
    assert found.pair is not None
    assert (found.pair.a, found.pair.b) == ("adapter", "lora")


def test_kinds_are_kept_apart(engine: Engine) -> None:
    several(engine, 2)
    other = inserted(engine, QUICKSTART, "Pairs")
    with system_session(engine) as session:
        study = session.get_one(Study, other)
        study.task = study.task | {"kind": "sentence_pair"}
    found = compared(engine)
    assert found.kind == "classification"
    assert {one.kind: one.studies for one in found.kinds} == {"classification": 2, "sentence_pair": 1}
    assert other not in [study.id for study in found.studies]
    assert compared(engine, Asked(studies=(other,))).kind == "sentence_pair"


def test_the_matrix_as_csv_holds_every_cell_and_no_formula(engine: Engine) -> None:
    first, *_ = several(engine, 2, without=("adapter",))
    with system_session(engine) as session:
        session.get_one(Study, first).name = "=1+1"
    rows = list(csv.DictReader(io.StringIO(as_csv(compared(engine, Asked(methods=FEW))))))
    assert len(rows) == 6
    assert {row["study_name"] for row in rows} == {"'=1+1", "Study B"}
    (gone,) = [row for row in rows if row["missing"]]
    assert (gone["method"], gone["share_of_full_gain"]) == ("adapter", "")
    (full,) = [row for row in rows if row["method"] == "full" and row["study"] == str(first)]
    assert float(full["share_of_full_gain"]) == 1
    assert len(full["run_ids"].split()) == 3


def test_only_approved_studies_are_compared_where_that_is_asked(engine: Engine) -> None:
    one, two, three = several(engine, 3)
    for study in (one, two):
        reviews.change_approval(engine, LOCAL, study, ApprovalChange(state="approved", note=""))
    reviews.change_approval(engine, LOCAL, two, ApprovalChange(state="withdrawn", note="a mistake"))
    found = compared(engine, Asked(approved_only=True))
    assert [study.id for study in found.studies] == [one]
    assert reasons(found) == {"Study C": "nobody has approved it", "Study B": "its approval was withdrawn"}
    assert [study.id for study in compared(engine).studies if study.approved] == [one]
    assert len(compared(engine).studies) == 3
    assert three in compared(engine).chosen
