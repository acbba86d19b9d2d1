"""Matthews' coefficient against hand-made counts, and against the correlation of 0 and 1 that it is for two classes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peft_core.metrics.mcc import Mcc, matthews
from tests.peft_core.metrics.conftest import AnsweredRun

BOOLEANS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=2, max_size=30)


def test_two_classes_by_the_four_counts(answered: AnsweredRun) -> None:
    # TP 6, FN 2, FP 1, TN 3: (6 x 3 - 1 x 2) / sqrt(7 x 8 x 4 x 5).
    targets, answers = [1] * 8 + [0] * 4, [1] * 6 + [0] * 2 + [1] + [0] * 3
    found = Mcc().measure(answered("classification", targets, answers)).value
    assert found == pytest.approx(16 / math.sqrt(7 * 8 * 4 * 5))


def test_three_classes_by_gorodkin_s_formula() -> None:
    # 6 decisions, 4 right; 3, 2 and 1 of each class on either side: (6 x 4 - 14) / (36 - 14).
    assert matthews([(0, 0), (0, 0), (0, 1), (1, 1), (1, 0), (2, 2)]) == pytest.approx(10 / 22)


def test_a_word_without_an_answer_costs_agreement() -> None:
    assert matthews([(0, 0), (1, 1), (1, 1)]) == 1
    # 3 decisions, 2 right: (3 x 2 - (1 x 1 + 2 x 1)) / sqrt((9 - 5) (9 - 3)).
    assert matthews([(0, 0), (1, 1), (1, None)]) == pytest.approx(3 / math.sqrt(4 * 6))


@given(BOOLEANS)
def test_of_two_classes_it_is_the_correlation(decisions: list[tuple[int, int]]) -> None:
    targets, answers = zip(*decisions, strict=True)
    found = matthews(decisions)
    if len(set(targets)) == 1 or len(set(answers)) == 1:
        assert found is None
    else:
        assert found == pytest.approx(np.corrcoef(targets, answers)[0, 1])


@pytest.mark.parametrize(("targets", "answers"), [([0, 1, 1], [1, 1, 1]), ([0, 0, 0], [0, 1, 0])])
def test_one_class_on_either_side_is_missing_and_no_zero(
    answered: AnsweredRun, targets: list[int], answers: list[int]
) -> None:
    found = Mcc().measure(answered("classification", targets, answers))
    assert found.value is None
    assert "same class" in str(found.detail["missing"])
