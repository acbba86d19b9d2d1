"""Each method's maths against its paper's formula and its bounds."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from peft_core.errors import InvalidHyperparameter, UnknownName
from peft_core.method import build_method
from peft_core.methods._bottleneck import Bottleneck, insert_bottleneck
from peft_core.model_shape import ModelShape, read_model_shape
from peft_core.spec import TaskSpec
from peft_core.tasks.classification import Classification

MINILM_PARAMETERS = 22_713_216


@pytest.fixture(scope="module")
def shape(minilm: Path) -> ModelShape:
    return read_model_shape(minilm)


@pytest.mark.parametrize(
    ("name", "hyperparameters", "count"),
    [
        ("full", {}, MINILM_PARAMETERS),
        ("head_only", {}, 0),
        ("lora", {"rank": 8}, 6 * 2 * 8 * (384 + 384)),
        ("lora", {"rank": 4, "target_modules": "all_linear"}, 6 * 4 * (4 * 768 + 2 * (384 + 1536))),
        ("adapter", {"bottleneck_size": 48}, 6 * (2 * 384 * 48 + 48 + 384)),
        ("adapter", {"bottleneck_size": 48, "position": "both"}, 12 * (2 * 384 * 48 + 48 + 384)),
        ("p_tuning_v2", {"num_virtual_tokens": 20}, 2 * 6 * 20 * 384),
        (
            "prefix_tuning",
            {"num_virtual_tokens": 20, "encoder_hidden_size": 256},
            20 * 384 + (384 * 256 + 256) + (256 * 2 * 6 * 384 + 2 * 6 * 384),
        ),
    ],
)
def test_trainable_parameters(shape: ModelShape, name: str, hyperparameters: dict[str, Any], count: int) -> None:
    assert build_method(name, hyperparameters).trainable_parameters(shape) == count


def test_lora_is_w_plus_alpha_over_r_b_a(minilm: Path, tweets: TaskSpec) -> None:
    base = Classification.load_model(tweets, str(minilm))
    before = copy.deepcopy(base.state_dict())
    method = build_method("lora", {"rank": 4, "alpha": 8})
    model = method.attach(base, task_kind="classification", total_steps=1)
    path = "bert.encoder.layer.0.attention.self.query"
    layer = model.get_submodule(f"base_model.model.{path}")
    down, up = layer.get_parameter("lora_A.default.weight"), layer.get_parameter("lora_B.default.weight")
    nn.init.normal_(up)
    expected = before[f"{path}.weight"] + 8 / 4 * up.detach() @ down.detach()
    merged = method.merge(model)
    assert merged is not None
    assert torch.allclose(merged.get_parameter(f"{path}.weight"), expected, atol=1e-6)


def test_the_bottleneck_is_h_plus_u_f_of_d_h() -> None:
    bottleneck = Bottleneck(6, 2, "relu", 0.0)
    nn.init.normal_(bottleneck.up.weight)
    hidden = torch.randn(3, 6)
    by_hand = hidden + torch.relu(hidden @ bottleneck.down.weight.T + bottleneck.down.bias) @ bottleneck.up.weight.T
    assert torch.allclose(bottleneck(hidden), by_hand, atol=1e-6)


def test_the_bottleneck_follows_its_linear_layer() -> None:
    linear = nn.Linear(4, 6)
    bottleneck = insert_bottleneck(linear, 2, "gelu", 0.0)
    nn.init.normal_(bottleneck.up.weight)
    hidden = torch.randn(3, 4)
    plain = hidden @ linear.weight.T + linear.bias
    assert torch.allclose(linear(hidden), bottleneck(plain), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "hyperparameters", "field"),
    [
        ("lora", {"rank": 0}, "rank"),
        ("lora", {"rank": 385}, "rank"),
        ("lora", {"rank": "8"}, "rank"),
        ("lora", {"rank": True}, "rank"),
        ("lora", {"rank": 2.5}, "rank"),
        ("lora", {"rank": None}, "rank"),
        ("lora", {"dropout": 1.0}, "dropout"),
        ("lora", {"dropout": float("nan")}, "dropout"),
        ("lora", {"alpha": 0}, "alpha"),
        ("lora", {"target_modules": "everything"}, "target_modules"),
        ("lora", {"ranks": 8}, "ranks"),
        ("adapter", {"bottleneck_size": 0}, "bottleneck_size"),
        ("adapter", {"bottleneck_size": 385}, "bottleneck_size"),
        ("prefix_tuning", {"num_virtual_tokens": 0}, "num_virtual_tokens"),
        ("prefix_tuning", {"num_virtual_tokens": 4097}, "num_virtual_tokens"),
        ("p_tuning_v2", {"num_virtual_tokens": 449}, "num_virtual_tokens"),
    ],
)
def test_bounds_refuse(shape: ModelShape, name: str, hyperparameters: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidHyperparameter) as refusal:
        build_method(name, hyperparameters).check(shape, task_kind="classification", max_length=64)
    assert refusal.value.field == field
    assert field in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "hyperparameters"),
    [
        ("lora", {"rank": 1}),
        ("lora", {"rank": 384}),
        ("lora", {"alpha": 0.5}),
        ("adapter", {"bottleneck_size": 1}),
        ("adapter", {"bottleneck_size": 384}),
        ("prefix_tuning", {"num_virtual_tokens": 1}),
        ("p_tuning_v2", {"num_virtual_tokens": 448}),
    ],
)
def test_outside_the_recommended_range_is_no_refusal(
    shape: ModelShape, name: str, hyperparameters: dict[str, Any]
) -> None:
    build_method(name, hyperparameters).check(shape, task_kind="classification", max_length=64)


def test_an_unknown_method_names_the_known_ones() -> None:
    with pytest.raises(UnknownName, match=r"no method named 'lorra'.*lora"):
        build_method("lorra", {})
