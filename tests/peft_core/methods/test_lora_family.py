"""LoRA's variants against their formulas: learning rates, scale, magnitude, a frozen A, and starts from the weights."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from peft_core.method import build_method
from tests.peft_core.methods.one_layer import (
    KIND,
    Hyperparameters,
    LoadClassifier,
    attach,
    base_weight,
    close,
    effective_weight,
    layer_of,
    logits,
    move,
    value,
)

QUERY = "bert.encoder.layer.0.attention.self.query"


@pytest.fixture
def base(small_base: Callable[[str], Path], load_classifier: LoadClassifier) -> nn.Module:
    """A small BERT, 64 wide."""
    return load_classifier(small_base("bert"))


def factors(layer: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """A (r x d_in) and B (d_out x r)."""
    return value(layer, "lora_A.default.weight"), value(layer, "lora_B.default.weight")


# -- LoRA+ and rsLoRA ----------------------------------------------------------------------------------------------


def test_lora_plus_gives_b_a_multiple_of_the_learning_rate_of_a(base: nn.Module) -> None:
    method = build_method("lora_plus", {"rank": 4, "lr_ratio": 16.0})
    model = method.attach(base, task_kind=KIND, total_steps=1)
    name_of = {id(parameter): name for name, parameter in model.named_parameters()}
    a, b, head = method.parameter_groups(model, 0.001, 0.05)
    assert [group["lr"] for group in (a, b, head)] == [0.001, 0.016, 0.05]
    for group, part in ((a, ".lora_A."), (b, ".lora_B.")):
        names = [name_of[id(parameter)] for parameter in group["params"]]
        assert len(names) == 4  # Query and value of two layers.
        assert all(part in name for name in names)


def test_rslora_is_scaled_by_the_square_root_of_its_rank(base: nn.Module) -> None:
    """W + alpha / sqrt(r) B A: 8 / sqrt(16) = 2, where LoRA has 8 / 16."""
    layer = layer_of(attach("rslora", {"rank": 16, "alpha": 8}, base))
    a, b = factors(layer)
    assert close(effective_weight(layer), base_weight(layer) + 2 * b @ a)


# -- DoRA ----------------------------------------------------------------------------------------------------------


def test_dora_gives_every_direction_a_magnitude(base: nn.Module) -> None:
    """W' = m V / |V|, V = W + alpha / r B A, the norm taken over each row of d_in weights."""
    layer = layer_of(attach("dora", {"rank": 4, "alpha": 8}, base))
    a, b = factors(layer)
    direction = base_weight(layer) + 2 * b @ a
    magnitude = value(layer, "lora_magnitude_vector.default.weight")
    expected = magnitude[:, None] * direction / direction.norm(dim=1, keepdim=True)
    assert close(effective_weight(layer), expected)
    assert close(effective_weight(layer).norm(dim=1), magnitude.abs())


def test_dora_s_magnitudes_start_as_the_norms_of_the_rows(base: nn.Module) -> None:
    layer = layer_of(build_method("dora", {}).attach(base, task_kind=KIND, total_steps=1))
    assert close(value(layer, "lora_magnitude_vector.default.weight"), base_weight(layer).norm(dim=1))


def test_dora_holds_the_norm_constant_in_the_backward_pass(base: nn.Module) -> None:
    """The gradient of B is that of m V / c with the number c = |V|: section 4.3 of the paper."""
    layer = layer_of(attach("dora", {"rank": 4, "alpha": 8}, base))
    hidden, wanted = torch.randn(1, 5, 64), torch.randn(1, 5, 64)
    a, b = factors(layer)
    magnitude = value(layer, "lora_magnitude_vector.default.weight")
    constant = (base_weight(layer) + 2 * b @ a).norm(dim=1)
    (layer(hidden) * wanted).sum().backward()
    leaf = b.clone().requires_grad_()
    direction = base_weight(layer) + 2 * leaf @ a
    (hidden @ ((magnitude / constant)[:, None] * direction).T * wanted).sum().backward()
    found = layer.get_parameter("lora_B.default.weight").grad
    assert found is not None
    assert leaf.grad is not None
    assert torch.allclose(found, leaf.grad, rtol=1e-3, atol=1e-4)


# -- LoRA-FA -------------------------------------------------------------------------------------------------------


def test_lora_fa_trains_b_alone(base: nn.Module) -> None:
    method = build_method("lora_fa", {"rank": 4})
    model = method.attach(base, task_kind=KIND, total_steps=1)
    layer = layer_of(model)
    assert not layer.get_parameter("lora_A.default.weight").requires_grad
    assert layer.get_parameter("lora_B.default.weight").requires_grad
    trained, _ = method.parameter_groups(model, 0.1, 0.1)
    assert {parameter.shape for parameter in trained["params"]} == {(64, 4)}


def test_lora_fa_s_gradient_comes_nearest_to_that_of_the_whole_matrix(base: nn.Module) -> None:
    """g_B = argmin | alpha / r g_B A - g_W |, g_W the gradient of the whole weight matrix."""
    method = build_method("lora_fa", {"rank": 4, "alpha": 8})
    model = method.attach(base, task_kind=KIND, total_steps=1)
    layer = layer_of(model)
    weight = layer.get_parameter("base_layer.weight").requires_grad_()
    tokens = torch.arange(5, 21).view(2, 8)
    nn.functional.cross_entropy(model(input_ids=tokens).logits, torch.tensor([0, 1])).backward()  # type: ignore[no-untyped-call]
    method.after_backward(model)
    a, _ = factors(layer)
    found = layer.get_parameter("lora_B.default.weight").grad
    assert found is not None
    assert weight.grad is not None
    nearest = torch.linalg.lstsq(2 * a.T, weight.grad.T).solution.T
    assert found.abs().max() > 0
    assert torch.allclose(found, nearest, rtol=1e-3, atol=1e-3 * nearest.abs().max().item())


# -- PiSSA and OLoRA -----------------------------------------------------------------------------------------------


def with_query_weight(base: nn.Module, weight: torch.Tensor) -> nn.Module:
    base.get_parameter(f"{QUERY}.weight").data.copy_(weight)
    return base


def test_pissa_starts_from_the_strongest_singular_components(base: nn.Module) -> None:
    """W = diag(64, 63, ... 1) is its own decomposition: A and B share the first r entries, halved by alpha / r = 2
    and by the square root, and the residual is what is left of the diagonal."""
    diagonal = torch.arange(64.0, 0.0, -1)
    method = build_method("pissa", {"rank": 4, "alpha": 8})
    model = method.attach(with_query_weight(base, diagonal.diag()), task_kind=KIND, total_steps=1)
    layer = layer_of(model)
    a, b = factors(layer)
    assert close(a.abs(), (diagonal[:4, None] / 2).sqrt() * torch.eye(64)[:4])
    assert close(b, a.T)
    assert close(base_weight(layer), torch.cat([torch.zeros(4), diagonal[4:]]).diag())


def test_olora_starts_from_the_qr_decomposition(base: nn.Module) -> None:
    """An upper triangular W is its own R, and Q is I but for signs: at alpha = r the first r rows go into B A."""
    upper = torch.rand(64, 64).triu() + torch.eye(64)
    method = build_method("olora", {"rank": 4, "alpha": 4})
    model = method.attach(with_query_weight(base, upper), task_kind=KIND, total_steps=1)
    layer = layer_of(model)
    a, b = factors(layer)
    assert close(a.abs(), upper[:4])
    assert close(b.abs(), torch.eye(64)[:, :4])
    assert close(base_weight(layer), torch.cat([torch.zeros(4, 64), upper[4:]]))


RESIDUAL = [
    ("pissa", {"rank": 4, "alpha": 8}),
    ("pissa", {"rank": 4, "init": "fast"}),
    ("olora", {"rank": 4, "alpha": 12, "target_modules": "all_linear"}),
]


@pytest.mark.parametrize(("name", "hyperparameters"), RESIDUAL)
def test_a_residual_and_its_factors_make_up_the_weight(
    base: nn.Module, name: str, hyperparameters: Hyperparameters
) -> None:
    weight = base.get_parameter(f"{QUERY}.weight").detach().clone()
    before = logits(base)
    method = build_method(name, hyperparameters)
    model = method.attach(base, task_kind=KIND, total_steps=1)
    layer = layer_of(model)
    a, b = factors(layer)
    scale = hyperparameters.get("alpha", 16) / 4
    assert not torch.allclose(base_weight(layer), weight, atol=1e-2)
    assert close(base_weight(layer) + scale * b @ a, weight)
    assert close(logits(model), before)


@pytest.mark.parametrize(("name", "hyperparameters"), RESIDUAL)
def test_a_trained_residual_lora_is_a_plain_one_for_the_original_base(
    name: str,
    hyperparameters: Hyperparameters,
    base: nn.Module,
    small_base: Callable[[str], Path],
    load_classifier: LoadClassifier,
    tmp_path: Path,
) -> None:
    """peft itself loads the file, of twice the rank, beside the weights as they were; unloaded, those are back."""
    from peft import PeftModel

    original = {path: tensor.clone() for path, tensor in base.state_dict().items()}
    method = build_method(name, hyperparameters)
    model = method.attach(base, task_kind=KIND, total_steps=1)
    move(model)
    answer = logits(model)
    method.save(model, tmp_path)
    plain = PeftModel.from_pretrained(load_classifier(small_base("bert")), str(tmp_path))
    assert factors(layer_of(plain))[0].shape == (8, 64)
    assert close(logits(plain), answer)

    restored = method.load(load_classifier(small_base("bert")), tmp_path, task_kind=KIND)
    for adapted in (model, restored):
        given = method.unload(adapted)
        assert given is not None
        assert all(torch.equal(tensor, original[path]) for path, tensor in given.state_dict().items())
