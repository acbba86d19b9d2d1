"""Adapter + LoRA: each part where its own method puts it, in one model, and both gone again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from peft_core.errors import InvalidHyperparameter, NotOffered
from peft_core.method import build_method
from peft_core.model_shape import read_model_shape
from peft_core.training import split_head

LoadClassifier = Callable[[Path], nn.Module]
HYPERPARAMETERS: dict[str, Any] = {"rank": 4, "alpha": 8.0, "bottleneck_size": 6}
TOKENS = torch.tensor([[2, 17, 30, 41, 3]])


@pytest.fixture
def model(small_base: Callable[[str], Path], load_classifier: LoadClassifier) -> Any:
    """Adapted, and every trained number moved from its start."""
    method = build_method("adapter_lora", HYPERPARAMETERS)
    attached = method.attach(load_classifier(small_base("bert")), task_kind="classification", total_steps=1)
    with torch.no_grad():
        for parameter in split_head(attached)[0]:
            parameter.normal_()
    return attached


def seen_by(module: nn.Module, model: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    handle = module.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output)))
    with torch.no_grad():
        model(input_ids=TOKENS)
    handle.remove()
    return seen[0]


@pytest.mark.parametrize("name", ["query", "value"])
def test_queries_and_values_get_lora_s_update(name: str, model: Any) -> None:
    """W x + b + (8 / 4) B A x."""
    layer = model.bert.encoder.layer[1].attention.self.get_submodule(name)
    hidden, output = seen_by(layer, model)
    down, up = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    expected = layer.base_layer(hidden) + 2 * hidden @ down.T @ up.T
    assert torch.allclose(output, expected, atol=1e-4)


def test_the_feed_forward_layer_is_followed_by_the_adapter(model: Any) -> None:
    """y + U gelu(D y), y = W x + b."""
    layer = model.bert.encoder.layer[1].output.dense
    hidden, output = seen_by(layer, model)
    y = hidden @ layer.weight.T + layer.bias
    down, up = layer.adapter.down, layer.adapter.up
    expected = y + nn.functional.gelu(y @ down.weight.T + down.bias) @ up.weight.T + up.bias
    assert torch.allclose(output, expected, atol=1e-4)


def test_the_count_is_that_of_both(model: Any, small_base: Callable[[str], Path]) -> None:
    """Two layers, d = 64: 2 (2*64*6 + 6 + 64) of the adapters and 2 * 2 * 4 (64 + 64) of LoRA."""
    shape = read_model_shape(small_base("bert"))
    by_hand = 2 * (2 * 64 * 6 + 6 + 64) + 2 * 2 * 4 * (64 + 64)
    assert build_method("adapter_lora", HYPERPARAMETERS).trainable_parameters(shape) == by_hand
    assert sum(parameter.numel() for parameter in split_head(model)[0]) == by_hand


def test_unloaded_nothing_of_either_is_left(
    model: Any, small_base: Callable[[str], Path], load_classifier: LoadClassifier
) -> None:
    base = load_classifier(small_base("bert"))
    given: Any = build_method("adapter_lora", HYPERPARAMETERS).unload(model)
    assert given.state_dict().keys() == base.state_dict().keys()
    assert [type(module) for module in given.modules()] == [type(module) for module in base.modules()]
    assert not hasattr(given, "peft_config")
    assert torch.equal(given(input_ids=TOKENS).logits, base(input_ids=TOKENS).logits)


def test_what_the_base_is_too_narrow_for_is_refused(small_base: Callable[[str], Path]) -> None:
    shape = read_model_shape(small_base("bert"))
    for field in ("rank", "bottleneck_size"):
        with pytest.raises(InvalidHyperparameter, match=f"{field} is 65: at most 64"):
            build_method("adapter_lora", {field: 65}).check(shape, task_kind="classification", max_length=16)


def test_a_base_without_feed_forward_layers_to_follow_is_refused(small_base: Callable[[str], Path]) -> None:
    with pytest.raises(NotOffered, match="no feed-forward layers to follow in a gpt2 model"):
        build_method("adapter_lora", {}).check(
            read_model_shape(small_base("gpt2")), task_kind="classification", max_length=16
        )
