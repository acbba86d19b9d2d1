"""Switching adapters on one base: every method gives its base back, or a whole model is loaded instead."""

from collections.abc import Callable
from pathlib import Path

import pytest

from peft_core.errors import PeftCoreError
from peft_core.method import methods
from peft_core.metrics.switch_time import SwitchTime, WrongAnswer
from tests.peft_core.metrics.conftest import TrainedRun

SmallBase = Callable[[str], Path]


@pytest.mark.parametrize("name", [name for name, kind in methods().items() if kind.learning_rate is not None])
def test_the_next_adapter_answers_right(name: str, trained: TrainedRun, small_base: SmallBase) -> None:
    try:
        run = trained(name, small_base("bert"))
    except PeftCoreError as reason:
        pytest.skip(f"not offered here: {reason}")
    found = SwitchTime().measure(run)
    assert found.value is not None
    assert found.value > 0
    swaps, merges = run.loop.method.capabilities.hot_switch, run.loop.method.capabilities.merges
    assert found.detail["how"] == ("adapter loaded from disk" if swaps else "whole model loaded")
    assert (found.detail["hot_seconds"] is not None) == swaps
    assert (found.detail["merged_seconds"] is not None) == merges


def test_an_adapter_that_answers_otherwise_is_no_switch(trained: TrainedRun, small_base: SmallBase) -> None:
    run = trained("lora", small_base("bert"))
    [parameter for parameter in run.model.parameters() if parameter.requires_grad][-1].data.add_(1.0)
    with pytest.raises(WrongAnswer, match="a logit differs by"):
        SwitchTime().measure(run)
