"""DyLoRA: the first ranks of one LoRA, each step as many as it draws, and what is left when it is cut."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from peft_core.checkpoint import load_checkpoint, save_checkpoint
from peft_core.data import Item
from peft_core.method import build_method
from peft_core.methods._lora import lora_layers
from peft_core.methods.dylora import truncate
from peft_core.tasks.classification import Classification
from peft_core.training import Loop, Plan, Training
from tests.peft_core.methods.one_layer import (
    KIND,
    LoadClassifier,
    attach,
    base_weight,
    close,
    effective_weight,
    layer_of,
    logits,
    value,
)

FOUR_RANKS: dict[str, Any] = {"rank": 4, "alpha": 8.0, "dropout": 0.0}
ITEMS = [Item(index, (2, *range(20 + index, 25 + 2 * index), 3), index % 2) for index in range(8)]


@pytest.fixture
def base(small_base: Callable[[str], Path], load_classifier: LoadClassifier) -> nn.Module:
    return load_classifier(small_base("bert"))


def use(model: nn.Module, rank: int) -> None:
    for layer in lora_layers(model).values():
        layer.lora_A["default"].rank_in_use = rank


def first_ranks(layer: nn.Module, rank: int) -> torch.Tensor:
    """W + alpha / b B[:, :b] A[:b]."""
    a, b = value(layer, "lora_A.default.weight"), value(layer, "lora_B.default.weight")
    return base_weight(layer) + 8 / rank * b[:, :rank] @ a[:rank]


@pytest.mark.parametrize("rank", [1, 3, 4])
def test_a_step_uses_the_first_ranks_that_it_has_drawn(base: nn.Module, rank: int) -> None:
    model = attach("dylora", FOUR_RANKS, base)
    layer = layer_of(model)
    use(model, rank)
    assert close(effective_weight(layer.train()), first_ranks(layer, rank))
    assert close(effective_weight(layer.eval()), first_ranks(layer, 4))


def test_every_rank_is_drawn_as_often(base: nn.Module) -> None:
    """400 draws of 4 ranks: 100 each, with a standard deviation of 8.7."""
    method = build_method("dylora", FOUR_RANKS)
    model = method.attach(base, task_kind=KIND, total_steps=1)
    torch.manual_seed(0)
    drawn: list[int] = []
    for step in range(400):
        method.before_step(model, step)
        in_use = {layer.lora_A["default"].rank_in_use for layer in lora_layers(model).values()}
        assert len(in_use) == 1
        drawn += in_use
    assert all(abs(drawn.count(rank) - 100) < 4 * 8.7 for rank in (1, 2, 3, 4))
    assert set(drawn) == {1, 2, 3, 4}


@pytest.mark.parametrize("frozen", [False, True])
def test_a_step_trains_the_ranks_in_use_or_the_newest_alone(base: nn.Module, frozen: bool) -> None:
    method = build_method("dylora", FOUR_RANKS | {"frozen": frozen})
    model = attach("dylora", FOUR_RANKS | {"frozen": frozen}, base).train()
    use(model, 3)
    tokens = torch.arange(5, 21).view(2, 8)
    nn.functional.cross_entropy(model(input_ids=tokens).logits, torch.tensor([0, 1])).backward()  # type: ignore[no-untyped-call]
    method.after_backward(model)
    for layer in lora_layers(model).values():
        of_a = layer.lora_A["default"].weight.grad.abs().sum(dim=1)
        of_b = layer.lora_B["default"].weight.grad.abs().sum(dim=0)
        for gradient in (of_a, of_b):
            assert (gradient > 0).tolist() == ([False, False, True, False] if frozen else [True, True, True, False])


def test_cut_it_is_a_plain_lora_of_its_first_ranks(
    base: nn.Module, small_base: Callable[[str], Path], load_classifier: LoadClassifier, tmp_path: Path
) -> None:
    from peft import PeftModel

    model = attach("dylora", FOUR_RANKS, base).eval()
    expected = first_ranks(layer_of(model), 2)
    cut = truncate(model, 2)
    assert close(effective_weight(layer_of(cut)), expected)
    method = build_method("dylora", FOUR_RANKS)
    method.save(cut, tmp_path)
    plain = PeftModel.from_pretrained(load_classifier(small_base("bert")), str(tmp_path))
    assert value(layer_of(plain), "lora_A.default.weight").shape == (2, 64)
    assert torch.equal(logits(plain), logits(cut))
    merged = method.merge(cut)
    assert merged is not None
    assert close(merged.get_parameter("bert.encoder.layer.0.attention.self.query.weight").detach(), expected)


@pytest.mark.parametrize("rank", [0, 5])
def test_there_is_no_cut_to_ranks_that_were_not_trained(base: nn.Module, rank: int) -> None:
    with pytest.raises(ValueError, match="from 1 to 4"):
        truncate(attach("dylora", FOUR_RANKS, base), rank)


def test_a_checkpoint_goes_on_with_the_same_draws(
    base: nn.Module, small_base: Callable[[str], Path], load_classifier: LoadClassifier, tmp_path: Path
) -> None:
    def training(model: nn.Module) -> Training:
        method = build_method("dylora", {"rank": 64})
        loop = Loop(method, Classification, torch.device("cpu"), "fp32", 0)
        attached = method.attach(model, task_kind=KIND, total_steps=8)
        return Training(attached, loop, Plan(total_steps=8, learning_rate=1e-3, head_learning_rate=1e-2))

    def draws(run: Training, steps: range) -> list[int]:
        drawn = []
        for step in steps:
            run.step([ITEMS[step]])
            drawn.append(next(iter(lora_layers(run.model).values())).lora_A["default"].rank_in_use)
        return drawn

    torch.manual_seed(1)
    whole = training(base)
    draws(whole, range(4))
    save_checkpoint(tmp_path, whole, {}, {})
    expected = draws(whole, range(4, 8))
    torch.manual_seed(5)
    resumed = training(load_classifier(small_base("bert")))
    load_checkpoint(tmp_path, resumed)
    assert draws(resumed, range(4, 8)) == expected
    assert len(set(expected)) > 1
