"""Macro-F1 against values worked out by hand."""

import pytest

from peft_core.metrics.macro_f1 import MacroF1, macro_f1
from peft_core.tasks.token_classification import Tagging
from tests.peft_core.metrics.conftest import AnsweredRun


def test_three_classes(answered: AnsweredRun) -> None:
    # 0: 2 right, 1 missed, 1 too many -> 4/6. 1: 1 right, 1 missed, 1 too many -> 2/4. 2: all right -> 1.
    run = answered("classification", [0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 0, 2])
    assert MacroF1().measure(run).value == pytest.approx((4 / 6 + 2 / 4 + 1) / 3)


def test_always_the_majority_scores_half_of_its_own_class() -> None:
    # The majority: 3 right, none missed, 1 too many -> 6/7. The other: nothing.
    assert macro_f1([(0, 0), (0, 0), (0, 0), (1, 0)]) == pytest.approx(6 / 7 / 2)


def test_a_class_that_is_only_answered_counts_and_one_that_never_occurs_does_not() -> None:
    assert macro_f1([(0, 0), (0, 5)]) == pytest.approx((2 / 3 + 0) / 2)


def test_a_word_without_an_answer_is_missed_and_belongs_to_no_class(answered: AnsweredRun) -> None:
    run = answered("token_classification", [Tagging((0, 1, 1), (1, 2, None))], [[0, 1, None]])
    assert MacroF1().measure(run).value == pytest.approx((1 + 2 / 3) / 2)
