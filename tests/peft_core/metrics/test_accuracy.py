"""Accuracy counts decisions: the headline where an item is one, and every word the same where words are tagged."""

from peft_core.metrics.accuracy import Accuracy
from peft_core.metrics.task_performance import TaskPerformance
from peft_core.tasks.token_classification import Tagging
from tests.peft_core.metrics.conftest import AnsweredRun


def test_of_single_decisions_it_repeats_the_task_performance(answered: AnsweredRun) -> None:
    run = answered("classification", [0, 1, 1, 0], [0, 1, 0, 0])
    assert Accuracy().measure(run).value == TaskPerformance().measure(run).value == 3 / 4


def test_every_word_weighs_the_same_and_one_cut_off_is_wrong(answered: AnsweredRun) -> None:
    long, short = Tagging((0, 0, 1, 1), (1, 2, 3, None)), Tagging((1,), (1,))
    run = answered("token_classification", [long, short], [[0, 0, 1, None], [0]])
    assert Accuracy().measure(run).value == 3 / 5
    assert TaskPerformance().measure(run).value == (3 / 4 + 0) / 2
