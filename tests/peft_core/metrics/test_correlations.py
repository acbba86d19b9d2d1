"""Pearson's and Spearman's correlations of a regression: worked out by hand, and missing where they are undefined."""

import math

import pytest

from peft_core.metrics.pearson import Pearson
from peft_core.metrics.spearman import Spearman
from peft_core.run_state import RunInProgress
from peft_core.tasks.regression import Target
from tests.peft_core.metrics.conftest import AnsweredRun


def regression(answered: AnsweredRun, targets: list[float], answers: list[float]) -> RunInProgress:
    return answered("regression", [Target(value, 0.0, 1.0) for value in targets], answers)


def test_pearson_by_hand(answered: AnsweredRun) -> None:
    # Deviations -1, 0, 1 and -4/3, -1/3, 5/3: 3 / sqrt(2 x 42/9).
    run = regression(answered, [1, 2, 3], [1, 2, 4])
    assert Pearson().measure(run).value == pytest.approx(3 / math.sqrt(2 * 42 / 9))


def test_spearman_by_hand_with_a_tie(answered: AnsweredRun) -> None:
    # Ranks 1, 2, 3, 4 and 1, 4, 2.5, 2.5: (2.25 - 0.75) / sqrt(5 x 4.5).
    run = regression(answered, [1, 2, 3, 40], [1, 30, 2, 2])
    assert Spearman().measure(run).value == pytest.approx(1.5 / math.sqrt(5 * 4.5))


def test_unit_and_offset_do_not_matter_and_order_alone_is_spearman(answered: AnsweredRun) -> None:
    run = regression(answered, [1, 2, 3, 4], [-10, -8, -6, 100])
    assert Spearman().measure(run).value == pytest.approx(1)
    assert Pearson().measure(regression(answered, [1, 2, 3, 4], [12, 9, 6, 3])).value == pytest.approx(-1)
    assert (Pearson().measure(run).value or 0) < 0.9


@pytest.mark.parametrize("metric", [Pearson, Spearman])
@pytest.mark.parametrize("answers", [[0.3, 0.3, 0.3], [1e6, 1e6, 1e6 + 1e-9]])
def test_one_answer_for_all_is_missing_and_no_zero(
    answered: AnsweredRun, metric: type[Pearson | Spearman], answers: list[float]
) -> None:
    found = metric().measure(regression(answered, [1, 2, 3], answers))
    assert found.value is None
    assert found.detail["missing"] == "undefined: every answer is the same number"
