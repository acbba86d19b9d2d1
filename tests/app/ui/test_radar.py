"""The radar: scores of up to six methods on the axes that all of them have."""

from app.schemas import Comparison
from app.ui.cells import Matrix
from app.ui.charts.radar import MOST_METHODS, default_choice, radar, radar_axes
from app.ui.theme import DARK, LIGHT
from tests.app.ui.documents import FULL, comparison

UNTUNED, LORA, PREFIX, P_TUNING_V2 = 1, 4, 6, 7


def matrix(document: Comparison | None = None) -> Matrix:
    return Matrix(document or comparison(), "accuracy")


def test_an_axis_that_one_chosen_method_lacks_is_left_out_for_all() -> None:
    scored, left_out = radar_axes(matrix(), [FULL, LORA, UNTUNED])
    assert {card.key for card in left_out} == {"training_speed", "peak_memory", "simplicity"}
    assert "task_performance" in {card.key for card in scored}
    assert radar_axes(matrix(), [FULL, LORA])[1] == []


def test_nothing_chosen_has_no_axis() -> None:
    scored, left_out = radar_axes(matrix(), [])
    assert scored == []
    assert len(left_out) == len(matrix().columns)


def test_the_default_is_the_reference_and_the_methods_never_the_baselines() -> None:
    chosen = default_choice(matrix())
    assert chosen[0] == FULL
    assert UNTUNED not in chosen
    assert len(chosen) <= MOST_METHODS


def test_profiles_are_closed_and_hold_the_normalised_scores() -> None:
    figure = radar(matrix(), [FULL, LORA], LIGHT)
    trace = figure.data[1]
    assert trace.r[0] == trace.r[-1]
    assert trace.theta[0] == trace.theta[-1] == "Accuracy"
    cell = matrix().cell(LORA, "task_performance")
    assert cell is not None
    assert trace.r[0] == cell.normalised


def test_every_point_carries_its_score_with_the_runs_and_the_reference_runs() -> None:
    entries = radar(matrix(), [LORA], LIGHT).data[0].customdata[0]
    score = next(entry for entry in entries if entry.get("statistic") == "normalised")
    assert score["source"] == "runs:41,42,43"
    assert score["reference"] == "runs:31,32,33"


def test_two_methods_of_one_family_share_colour_and_marker_and_differ_in_dash() -> None:
    first, second = radar(matrix(), [PREFIX, P_TUNING_V2], DARK).data
    assert first.line.color == second.line.color == DARK.family("soft_prompt").colour
    assert first.marker.symbol == second.marker.symbol
    assert first.line.dash != second.line.dash


def test_never_more_than_six_profiles() -> None:
    assert len(radar(matrix(), [1, 2, 3, 4, 5, 6, 7], LIGHT).data) == MOST_METHODS
