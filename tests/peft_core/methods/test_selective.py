"""The methods that train or rescale a few of the base's own numbers: which ones, by what formula, and given back."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from peft_core.errors import InvalidHyperparameter, NotOffered
from peft_core.head import is_head
from peft_core.method import build_method
from peft_core.model_shape import read_model_shape
from tests.peft_core.methods.one_layer import (
    KIND,
    LENGTH,
    LoadClassifier,
    attach,
    base_weight,
    close,
    effective_weight,
    layer_of,
    move,
    value,
)


@pytest.fixture
def base(small_base: Callable[[str], Path], load_classifier: LoadClassifier) -> nn.Module:
    """A small BERT of two layers, 64 wide with 128 inside its feed-forward layers."""
    return load_classifier(small_base("bert"))


def trained(model: nn.Module) -> set[str]:
    """The paths of what trains beside the head."""
    return {path for path, tensor in model.named_parameters() if tensor.requires_grad and not is_head(path)}


# -- BitFit --------------------------------------------------------------------------------------------------------

OF_A_LAYER = (
    *("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"),
    *("attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm"),
)


def test_bitfit_trains_every_bias_in_place(base: nn.Module) -> None:
    model = build_method("bitfit", {}).attach(base, task_kind=KIND, total_steps=1)
    of_layers = {f"bert.encoder.layer.{layer}.{name}.bias" for layer in (0, 1) for name in OF_A_LAYER}
    assert trained(model) == of_layers | {"bert.embeddings.LayerNorm.bias", "bert.pooler.dense.bias"}


def test_bitfit_s_smaller_choice_is_the_query_and_the_widening_layer(base: nn.Module) -> None:
    """b_q and b_m2, section 4 of the paper."""
    model = build_method("bitfit", {"biases": "query_and_ffn"}).attach(base, task_kind=KIND, total_steps=1)
    chosen = ("attention.self.query", "intermediate.dense")
    assert trained(model) == {f"bert.encoder.layer.{layer}.{name}.bias" for layer in (0, 1) for name in chosen}


@pytest.mark.parametrize("biases", ["all", "query_and_ffn"])
def test_bitfit_gives_the_base_s_biases_back(base: nn.Module, biases: str, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    original = {path: tensor.clone() for path, tensor in base.state_dict().items()}
    method = build_method("bitfit", {"biases": biases})
    model = method.attach(base, task_kind=KIND, total_steps=1)
    assert model.state_dict().keys() == original.keys()
    move(model)
    method.save(model, tmp_path)
    stored = load_file(tmp_path / "adapter_model.safetensors")
    assert {path for path in stored if not is_head(path)} == trained(model)
    assert not any(torch.equal(tensor, original[path]) for path, tensor in stored.items() if not is_head(path))
    given = method.unload(model)
    assert given is not None
    assert all(torch.equal(tensor, original[path]) for path, tensor in given.state_dict().items())
    assert not any("bitfit" in name for name, _ in given.named_buffers())


@pytest.mark.parametrize("biases", ["all", "query_and_ffn"])
def test_bitfit_is_refused_where_there_are_no_biases(small_base: Callable[[str], Path], biases: str) -> None:
    with pytest.raises(NotOffered) as refusal:
        build_method("bitfit", {"biases": biases}).check(
            read_model_shape(small_base("llama")), task_kind=KIND, max_length=LENGTH
        )
    assert str(refusal.value) == (
        "BitFit needs bias vectors and this llama model has none to train. Choose LN tuning or IA3, which train as"
        " little."
    )


# -- LN tuning -----------------------------------------------------------------------------------------------------


def test_ln_tuning_trains_every_norm_in_a_copy(base: nn.Module) -> None:
    """(x - mean) / sqrt(variance + eps) w' + b', with the base's own w and b kept beside."""
    model = attach("ln_tuning", {}, base)
    norms = ("attention.output.LayerNorm", "output.LayerNorm")
    paths = {f"bert.encoder.layer.{layer}.{name}" for layer in (0, 1) for name in norms} | {"bert.embeddings.LayerNorm"}
    assert trained(model) == {
        f"base_model.model.{path}.ln_tuning_layers.default.{part}" for path in paths for part in ("weight", "bias")
    }
    layer = layer_of(model, "0.output.LayerNorm")
    hidden = torch.randn(2, 3, 64)
    centred = hidden - hidden.mean(dim=-1, keepdim=True)
    normed = centred / (centred.pow(2).mean(dim=-1, keepdim=True) + 1e-12).sqrt()
    weight, bias = (value(layer, f"ln_tuning_layers.default.{part}") for part in ("weight", "bias"))
    assert torch.allclose(layer(hidden), normed * weight + bias, atol=1e-5)
    assert torch.equal(base_weight(layer), torch.ones(64))


@pytest.mark.parametrize(
    ("architecture", "norms"),
    # Two in each of two layers, and: embeddings; the last norm; embeddings, the last norm, and none before the first
    # attention of ModernBERT.
    [("bert", 5), ("llama", 5), ("modernbert", 5)],
)
def test_ln_tuning_finds_the_norms_of_other_architectures(
    architecture: str, norms: int, small_base: Callable[[str], Path], load_classifier: LoadClassifier
) -> None:
    method = build_method("ln_tuning", {})
    model = method.attach(load_classifier(small_base(architecture)), task_kind=KIND, total_steps=1)
    weights = [path for path in trained(model) if path.endswith(".weight")]
    assert len(weights) == norms


# -- IA3 -----------------------------------------------------------------------------------------------------------


def ia3_vector(layer: nn.Module) -> torch.Tensor:
    return value(layer, "ia3_l.default").flatten()


def test_ia3_rescales_keys_values_and_the_inner_activations(base: nn.Module) -> None:
    """l_k * (W_k x + b_k), l_v * (W_v x + b_v), and W (l * h) + b after the activation. Nothing else is touched."""
    model = attach("ia3", {}, base)
    hidden, inner = torch.randn(2, 3, 64), torch.randn(2, 3, 128)
    for name in ("attention.self.key", "attention.self.value"):
        layer = layer_of(model, f"0.{name}")
        assert torch.allclose(layer(hidden), ia3_vector(layer) * layer.get_submodule("base_layer")(hidden), atol=1e-5)
    down = layer_of(model, "0.output.dense")
    assert torch.allclose(down(inner), down.get_submodule("base_layer")(ia3_vector(down) * inner), atol=1e-5)
    assert {path.split(".layer.")[1].split(".ia3_l")[0] for path in trained(model)} == {
        f"{layer}.{name}" for layer in (0, 1) for name in ("attention.self.key", "attention.self.value", "output.dense")
    }


def test_ia3_everywhere_rescales_attention_s_outputs_and_the_feed_forward_inputs(base: nn.Module) -> None:
    model = attach("ia3", {"target_modules": "all_linear"}, base)
    for name in ("attention.self.query", "attention.output.dense"):
        layer = layer_of(model, f"1.{name}")
        assert close(effective_weight(layer), ia3_vector(layer)[:, None] * base_weight(layer))
    for name in ("intermediate.dense", "output.dense"):
        layer = layer_of(model, f"1.{name}")
        assert close(effective_weight(layer), base_weight(layer) * ia3_vector(layer))


def test_ia3_is_merged_into_rows_with_their_biases_and_into_columns(base: nn.Module) -> None:
    method = build_method("ia3", {})
    key, down = "bert.encoder.layer.0.attention.self.key", "bert.encoder.layer.0.output.dense"
    nn.init.normal_(base.get_parameter(f"{key}.bias"))
    nn.init.normal_(base.get_parameter(f"{down}.bias"))
    before = {path: tensor.clone() for path, tensor in base.state_dict().items()}
    model = attach("ia3", {}, base)
    of_key, of_inner = (ia3_vector(layer_of(model, f"0.{name}")) for name in ("attention.self.key", "output.dense"))
    merged = method.merge(model)
    assert merged is not None
    after = {path: tensor.detach() for path, tensor in merged.state_dict().items()}
    assert close(after[f"{key}.weight"], of_key[:, None] * before[f"{key}.weight"])
    assert close(after[f"{key}.bias"], of_key * before[f"{key}.bias"])
    assert close(after[f"{down}.weight"], before[f"{down}.weight"] * of_inner)
    assert torch.equal(after[f"{down}.bias"], before[f"{down}.bias"])


# -- SHiRA ---------------------------------------------------------------------------------------------------------


def test_shira_trains_as_many_single_weights_as_lora_would_numbers(base: nn.Module) -> None:
    """r (d_in + d_out) of them, each at a place of its own; all others stay."""
    layer = layer_of(attach("shira", {"rank": 4}, base))
    rows, columns = layer.shira_indices["default"]  # type: ignore[index]
    expected = base_weight(layer).clone()
    expected[rows, columns] += value(layer, "shira_weight.default")
    found = effective_weight(layer)
    assert close(found, expected)
    assert len(set(zip(rows.tolist(), columns.tolist(), strict=True))) == 4 * (64 + 64)
    assert torch.linalg.matrix_rank(expected - base_weight(layer)) > 32


def test_shira_s_places_are_drawn_by_the_run_s_seed(
    small_base: Callable[[str], Path], load_classifier: LoadClassifier
) -> None:
    def places(seed: int) -> torch.Tensor:
        base = load_classifier(small_base("bert"))
        torch.manual_seed(seed)
        model = build_method("shira", {"rank": 4}).attach(base, task_kind=KIND, total_steps=1)
        return layer_of(model).shira_indices["default"]  # type: ignore[index]

    assert torch.equal(places(1), places(1))
    assert not torch.equal(places(1), places(2))


def test_shira_may_train_a_whole_layer_and_no_more(base: nn.Module, small_base: Callable[[str], Path]) -> None:
    """r (64 + 64) of 64 x 64 weights: all of them at r = 32."""
    shape = read_model_shape(small_base("bert"))
    build_method("shira", {"rank": 32}).check(shape, task_kind=KIND, max_length=LENGTH)
    assert value(layer_of(attach("shira", {"rank": 32}, base)), "shira_weight.default").shape == (64 * 64,)
    with pytest.raises(InvalidHyperparameter, match="shira: rank is 33: at most 32"):
        build_method("shira", {"rank": 33}).check(shape, task_kind=KIND, max_length=LENGTH)
