"""PSOFT and DEFT: what each does within a subspace of a weight matrix, written out, and how many numbers that takes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from peft_core.errors import InvalidHyperparameter
from peft_core.method import build_method
from peft_core.model_shape import ModelShape, read_model_shape
from tests.peft_core.methods.one_layer import (
    KIND,
    LENGTH,
    LoadClassifier,
    attach,
    base_weight,
    close,
    effective_weight,
    layer_of,
    value,
)

RANK = 5


@pytest.fixture
def base(small_base: Callable[[str], Path], load_classifier: LoadClassifier) -> nn.Module:
    return load_classifier(small_base("bert"))


def test_psoft_rotates_and_scales_the_main_directions_of_a_weight(base: nn.Module) -> None:
    """W + B (R - I) A: A the r main right singular vectors, B the left ones times their values, R = diag(b) Q diag(a),
    Q = (I - S)^-1 (I + S) with S skew-symmetric."""
    layer = layer_of(attach("psoft", {"rank": RANK}, base))
    weight = base_weight(layer)
    left, values, right = torch.linalg.svd(weight)
    skew = torch.zeros(RANK, RANK)
    skew[tuple(torch.triu_indices(RANK, RANK, 1))] = value(layer, "psoft_R.default.weight")
    skew = skew - skew.T
    identity = torch.eye(RANK)
    rotation = (identity + skew) @ torch.linalg.inv(identity - skew)
    assert close(rotation @ rotation.T, identity)
    scales = (value(layer, f"psoft_R.default.vector_{name}") for name in "ba")
    turned = next(scales)[:, None] * rotation * next(scales)[None]
    update = left[:, :RANK] * values[:RANK] @ (turned - identity) @ right[:RANK]
    assert close(effective_weight(layer), weight + update)


def test_deft_takes_a_subspace_out_and_writes_it_anew(base: nn.Module) -> None:
    """W - P relu(P)^T W + P R."""
    layer = layer_of(attach("deft", {"rank": RANK}, base))
    weight, p, r = base_weight(layer), value(layer, "deft_P.default"), value(layer, "deft_R.default")
    assert close(effective_weight(layer), weight - p @ p.relu().T @ weight + p @ r)


def test_deft_starts_at_the_base_but_for_rounding(base: nn.Module) -> None:
    torch.manual_seed(0)
    model = build_method("deft", {"rank": RANK}).attach(base, task_kind=KIND, total_steps=1)
    layer = layer_of(model)
    assert close(effective_weight(layer), base_weight(layer))


def llama_3b() -> ModelShape:
    """Queries and values of Llama-3.2-3B: all that these methods target."""
    widths = {"q": 3072, "v": 1024}
    tensors: dict[str, tuple[int, ...]] = {
        f"layers.{layer}.self_attn.{name}_proj.weight": (width, 3072)
        for layer in range(28)
        for name, width in widths.items()
    }
    return ModelShape("llama", 3072, 28, 24, 1024, 8192, 128256, 131072, tensors)


@pytest.mark.parametrize(
    ("name", "hyperparameters", "count"),
    [("psoft", {"rank": 256}, 1_856_512), ("deft", {"rank": 32}, 9_175_040)],
)
def test_counts_are_those_that_hugging_face_published(name: str, hyperparameters: dict[str, Any], count: int) -> None:
    """peft's method comparison on MetaMathQA: psoft--llama-3.2-3B-default, deft--llama-3.2-3B-rank32."""
    assert build_method(name, hyperparameters).trainable_parameters(llama_3b()) == count


@pytest.mark.parametrize("name", ["psoft", "deft"])
def test_no_subspace_has_more_dimensions_than_the_weight(name: str, small_base: Callable[[str], Path]) -> None:
    shape = read_model_shape(small_base("bert"))
    build_method(name, {"rank": 64}).check(shape, task_kind=KIND, max_length=LENGTH)
    with pytest.raises(InvalidHyperparameter, match="rank is 65: at most 64"):
        build_method(name, {"rank": 65}).check(shape, task_kind=KIND, max_length=LENGTH)
