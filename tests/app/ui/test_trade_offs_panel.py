"""The panel of trade-offs: what is asked and its place in the address, the words, the table, and the empty states."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from sqlalchemy import Engine

from app.client import ApiProblem
from app.db.session import system_session
from app.schemas import Axis, Pareto, RunCounts, StudyDocument, StudyView
from app.services.callers import LOCAL
from app.services.pareto import pareto
from app.ui.cells import QUALITY, Matrix
from app.ui.study import front
from app.ui.study.front_words import draws_note, front_sentence, front_table, left_out
from app.ui.study.trade_off import TradeOff
from app.ui.theme import LIGHT
from peft_core.spec import Splits
from tests.app.ui.components import elements, sources, text_of, uncovered_digits
from tests.app.ui.documents import comparison
from tests.flow.finished_study import QUICKSTART, Row, insert

PARAMETERS = "trainable_parameters"
NOW = datetime(2026, 3, 2, tzinfo=UTC)


def matrix(*measured: str) -> Matrix:
    """The quickstart's; with names, only these metrics are measured."""
    found = comparison()
    cells = [cell for cell in found.cells if not measured or cell.metric in measured]
    return Matrix(found.model_copy(update={"cells": cells}), "accuracy")


def asked(engine: Engine, floor: float | None = None, rows: tuple[Row, ...] = QUICKSTART, **names: str) -> Pareto:
    wanted = cast(Mapping[Axis, str], {"x": PARAMETERS, "y": QUALITY, **names})
    with system_session(engine) as session:
        study = insert(session, team_id=1, rows=rows).id
    return pareto(engine, LOCAL, study, wanted, floor)


def study(status: str = "succeeded") -> StudyView:
    document = StudyDocument.model_validate({"name": "Quickstart", "methods": [{"method": "lora"}]})
    given: dict[str, Any] = {
        "id": 1,
        "name": "Quickstart",
        "status": status,
        "document": document,
        "metric": "accuracy",
    }
    given |= {"task_kind": "classification", "splits": Splits(train=400, validation=300, test=600), "precision": "bf16"}
    given |= {"counts": RunCounts(succeeded=45), "failures": 0, "finding": [], "created_by": "local"}
    return StudyView(**given, created_at=NOW, updated_at=NOW)


# -- what is asked ----------------------------------------------------------------------------------------------------


def test_quality_against_parameters_is_asked_first_else_what_is_measured() -> None:
    assert TradeOff.default(matrix()) == TradeOff(PARAMETERS, QUALITY)
    assert TradeOff.default(matrix("storage_bytes", "peak_memory")) == TradeOff("storage_bytes", "peak_memory")
    # Nothing is measured yet: these will be.
    assert TradeOff.default(matrix("nothing")) == TradeOff(PARAMETERS, QUALITY)


@pytest.mark.parametrize(
    "found",
    [
        TradeOff(PARAMETERS, QUALITY),
        TradeOff(QUALITY, PARAMETERS),
        TradeOff("storage_bytes", QUALITY, "peak_memory", 0.8),
        TradeOff(PARAMETERS, QUALITY, None, 0.0),
    ],
)
def test_an_address_gives_the_trade_off_back(found: TradeOff) -> None:
    query = {name: value for name, value in found.query(matrix()).items() if value is not None}
    assert TradeOff.from_query(query, matrix()) == found


def test_an_address_need_not_say_what_is_shown_anyway() -> None:
    assert set(TradeOff.default(matrix()).query(matrix()).values()) == {None}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"x": "beauty"}, TradeOff(PARAMETERS, QUALITY)),
        ({"x": QUALITY}, TradeOff(PARAMETERS, QUALITY)),
        ({"x": "storage_bytes", "y": "storage_bytes"}, TradeOff(PARAMETERS, QUALITY)),
        ({"z": QUALITY}, TradeOff(PARAMETERS, QUALITY)),
        ({"floor": "nan"}, TradeOff(PARAMETERS, QUALITY)),
        ({"floor": "-1"}, TradeOff(PARAMETERS, QUALITY)),
        ({"floor": "1.01"}, TradeOff(PARAMETERS, QUALITY)),
        ({"floor": "much"}, TradeOff(PARAMETERS, QUALITY)),
        (
            {"x": "storage_bytes", "z": "peak_memory", "floor": "1"},
            TradeOff("storage_bytes", QUALITY, "peak_memory", 1),
        ),
    ],
)
def test_what_cannot_be_read_is_left_at_its_default(query: dict[str, str], found: TradeOff) -> None:
    assert TradeOff.from_query(query, matrix()) == found


def test_no_metric_is_on_two_axes_after_a_choice() -> None:
    before = TradeOff("a", "b", "c", 0.5)
    assert before.moved("x", "b") == TradeOff("b", "a", "c", 0.5)
    assert before.moved("z", "a") == TradeOff("c", "b", "a", 0.5)
    assert before.moved("y", "d") == TradeOff("a", "d", "c", 0.5)
    assert before.moved("z", None) == TradeOff("a", "b", None, 0.5)
    assert before.moved("x", None) == before
    # One size has no metric that an axis could take.
    assert TradeOff("a", "b").moved("z", "a") == TradeOff("a", "b")


def test_the_floors_field_is_in_percent_and_empty_is_none() -> None:
    before = TradeOff("a", "b")
    assert front.answered(before, {}, 95, None).floor == pytest.approx(0.95)
    assert front.answered(before, {}, 0, None).floor == 0
    assert front.answered(before, {}, "", None).floor is None
    assert front.answered(before, {"x": "b", "y": "b", "z": None}, None, "x") == TradeOff("b", "a")


def test_the_measured_metrics_can_be_chosen_by_their_whole_names() -> None:
    names = [option["label"] for option in front.options(matrix(), TradeOff.default(matrix()))]
    assert {"Accuracy", "Trainable parameters", "Peak training memory", "Inference latency"} <= set(names)
    few = [
        option["value"] for option in front.options(matrix("storage_bytes", QUALITY), TradeOff("peak_memory", QUALITY))
    ]
    assert set(few) == {"storage_bytes", QUALITY, "peak_memory"}


# -- words and table --------------------------------------------------------------------------------------------------


def test_the_sentence_names_the_front_with_its_shares_and_who_may_be_on_it(engine: Engine) -> None:
    found = asked(engine)
    words = text_of(front_sentence(found, "accuracy"))
    on_front, _, maybe = words.partition("Off the front, but on it in some draws: ")
    for point in found.points:
        assert (point.label in on_front) == point.on_front
        assert (point.label in maybe) == (not point.on_front and point.front_share >= 0.05)
    assert "Nothing measured beats any of them in trainable parameters and accuracy at once." in on_front
    assert uncovered_digits(front_sentence(found, "accuracy")) == []
    assert len(sources(front_sentence(found, "accuracy"))) == words.count(" in ") - 2


def test_of_many_only_the_surest_are_named(engine: Engine) -> None:
    found = asked(engine)
    many = [found.points[0].model_copy(update={"configuration": k, "label": f"row {k}"}) for k in range(9)]
    words = text_of(front_sentence(found.model_copy(update={"points": many}), "accuracy"))
    assert [k for k in range(9) if f"row {k}" in words] == [0, 1, 2, 3]
    assert "and others, all in the table. Nothing measured" in words


def test_a_lone_method_on_the_front_is_said_to_be_alone(engine: Engine) -> None:
    lora = tuple(row for row in QUICKSTART if row.method in ("untuned", "lora"))
    words = text_of(front_sentence(asked(engine, rows=lora), "accuracy"))
    assert words.startswith("Alone on the front: LoRA r8 in >")
    assert "beats it in" in words


def test_the_note_says_what_is_drawn_and_what_cannot_be(engine: Engine) -> None:
    note = draws_note(asked(engine, z="peak_memory"), "accuracy")
    words = text_of(note)
    assert "2,000 draws, each of which takes accuracy over seeds and test items anew." in words
    assert (
        "Not varied: trainable parameters (exact) and peak training memory (one run each, its spread is unknown)."
        in words
    )
    assert uncovered_digits(note) == []


def test_what_is_no_point_is_listed_with_its_reason(engine: Engine) -> None:
    found = asked(engine, floor=0.8, z="peak_memory")
    listed = [text_of(element) for element in elements(left_out(found)) if element._type == "Li"]
    assert {row.label for row in found.left_out} == {
        label for label in (row.label for row in found.left_out) if any(text.startswith(label) for text in listed)
    }
    assert any("does not reach the floor" in text for text in listed)
    assert any(text.startswith("Untuned") for text in listed)
    assert uncovered_digits(left_out(found)) == []


def test_the_table_has_every_point_with_values_intervals_share_and_what_beats_it(engine: Engine) -> None:
    found = asked(engine, x="training_speed")
    shown = front_table(found, "accuracy")
    assert "Training speed, tokens/s ↑Accuracy ↑On the frontBeaten by" in text_of(shown)
    rows = {
        text_of(row.children[0]): row for row in elements(shown) if row._type == "Tr" and row.children[0]._type == "Th"
    }
    assert {point.label for point in found.points} <= set(rows)
    for point in found.points:
        beaten = text_of(rows[point.label].children[-1])
        assert (beaten == "nothing") == point.on_front
    assert uncovered_digits(shown) == []


def test_equal_points_say_that_they_are(engine: Engine) -> None:
    rows = (
        *QUICKSTART,
        Row(**{**vars(QUICKSTART[3]), "label": "LoRA twin", "hyperparameters": {"rank": 8, "alpha": 1.0}}),
    )
    shown = text_of(front_table(asked(engine, rows=rows), "accuracy"))
    assert "nothing; the same values as LoRA twin" in shown


# -- the view and its empty states ------------------------------------------------------------------------------------


def test_new_results_change_the_figure_in_place_and_it_is_an_image_with_a_sentence(engine: Engine) -> None:
    found = asked(engine, floor=0.5)
    shown = front.front_view(found, "accuracy", LIGHT, narrow=False)
    ids = {getattr(element, "id", None) for element in elements(shown.children)}
    assert set(shown.updates) <= ids
    image = next(element for element in elements(shown.children) if getattr(element, "role", None) == "img")
    assert getattr(image, "aria-labelledby") in ids
    assert shown.kind != front.front_view(found, "accuracy", LIGHT, narrow=True).kind
    assert uncovered_digits(shown.children) == []


def test_the_legend_explains_what_is_drawn(engine: Engine) -> None:
    plain = text_of(front.legend(asked(engine), "accuracy"))
    assert "front of the means" in plain
    assert "quality floor" not in plain
    sized = text_of(front.legend(asked(engine, floor=0.5, z="peak_memory"), "accuracy"))
    assert "front of the means" not in sized
    assert "larger marker: better peak training memory" in sized
    assert "quality floor: the least share of the reference's gain" in sized


def test_where_there_is_no_point_the_panel_says_what_to_do(engine: Engine) -> None:
    nothing = asked(engine).model_copy(update={"points": []})
    assert "as soon as it has every chosen metric" in text_of(front.no_points(nothing, study("running")))
    assert "Choose other metrics" in text_of(front.no_points(nothing, study()))
    floored = nothing.model_copy(update={"floor": 0.99})
    assert "Lower it" in text_of(front.no_points(floored, study()))
    assert "appear when two metrics are measured" in text_of(front.too_few(study("running")))
    assert "fewer were measured" in text_of(front.too_few(study()))


def test_a_question_that_cannot_be_answered_says_why_and_a_failure_can_be_tried_again() -> None:
    refused = front.problem_view(ApiProblem(422, "Not valid", "Ask without a floor.", []))
    assert text_of(refused) == "Ask without a floor."
    failed = front.problem_view(ApiProblem(503, "Busy", "The database is busy.", []))
    assert "Try again" in text_of(failed)


def test_the_panel_opens_with_what_the_address_asked() -> None:
    panel = front.panel(matrix(), TradeOff("storage_bytes", QUALITY, "peak_memory", 0.8))
    values = {getattr(element, "id", None): getattr(element, "value", None) for element in elements(panel)}
    assert [values[f"front-{axis}"] for axis in "xyz"] == ["storage_bytes", QUALITY, "peak_memory"]
    assert values["front-floor"] == 80
