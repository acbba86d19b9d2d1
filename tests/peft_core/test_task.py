"""What holds for kinds of task as such."""

from pathlib import Path

import pytest

from peft_core.errors import NotOffered, UnknownName
from peft_core.model_shape import read_model_shape
from peft_core.task import check_length, sign, task_kind
from peft_core.tasks.causal_lm import CausalLM
from peft_core.tasks.regression import Regression


def test_items_are_no_longer_than_the_base_model_reads(minilm: Path) -> None:
    shape = read_model_shape(minilm)
    check_length(shape, 512)
    with pytest.raises(NotOffered, match=r"reads 512 tokens at most and items may have 513. Lower max_length"):
        check_length(shape, 513)


def test_a_score_times_its_sign_is_better_when_higher() -> None:
    assert sign(Regression) == 1
    assert sign(CausalLM) == -1


def test_a_kind_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(UnknownName, match=r"no kind of task named 'sorting'.*causal_lm, classification"):
        task_kind("sorting")
