"""The checklist of simplicity: what is tried is tried for real, and what cannot be tried counts for nothing."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from peft_core.errors import PeftCoreError
from peft_core.method import methods
from peft_core.metrics import simplicity
from peft_core.metrics.simplicity import Simplicity, trains_on_a_4_bit_base
from tests.peft_core.metrics.conftest import TrainedRun

SmallBase = Callable[[str], Path]


@pytest.mark.parametrize("name", [name for name, kind in methods().items() if kind.learning_rate is not None])
def test_a_step_on_4_bits_succeeds_where_the_method_promises_it(
    name: str, trained: TrainedRun, small_base: SmallBase
) -> None:
    pytest.importorskip("bitsandbytes")
    try:
        run = trained(name, small_base("bert"))
    except PeftCoreError as reason:
        pytest.skip(f"not offered here: {reason}")
    assert trains_on_a_4_bit_base(run) == run.loop.method.capabilities.quantised_base


def test_full_fine_tuning_merges_and_has_neither_4_bits_nor_hot_swap(
    trained: TrainedRun, small_base: SmallBase
) -> None:
    pytest.importorskip("bitsandbytes")
    found = Simplicity().measure(trained("full", small_base("bert")))
    assert found.detail["checks"] == {
        "4-bit base step": False,
        "gradient checkpointing": True,
        "exact merge": True,
        "hot swap": False,
        "bit-equal save and load": True,
    }
    # 3 of 5 checks; no hyper-parameter of its own: a footprint of 1.
    assert found.value == pytest.approx((3 / 5 + 1) / 2)


def test_lora_passes_everything_and_pays_for_its_four_settings(trained: TrainedRun, small_base: SmallBase) -> None:
    pytest.importorskip("bitsandbytes")
    found = Simplicity().measure(trained("lora", small_base("bert")))
    assert found.detail["capability_share"] == 1
    assert found.value == pytest.approx((1 + 1 / (1 + math.log2(1 + 4))) / 2)


def test_without_4_bit_layers_they_are_not_tried(
    trained: TrainedRun, small_base: SmallBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simplicity, "has_four_bit_layers", lambda: False)
    found = Simplicity().measure(trained("full", small_base("bert")))
    assert found.detail["capability_share"] == 3 / 4
