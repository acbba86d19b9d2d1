"""What a method does inside one layer of a real architecture, against the same sums written out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from peft_core.errors import InvalidHyperparameter
from peft_core.method import build_method
from peft_core.model_shape import read_model_shape

KIND = "classification"
TOKENS = torch.tensor([[2, 17, 30, 41, 3], [2, 8, 3, 1, 1]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])

LoadClassifier = Callable[[Path], nn.Module]


@pytest.fixture(scope="module")
def folder(small_base: Callable[[str], Path]) -> Path:
    return small_base("bert")


def attach(name: str, hyperparameters: dict[str, Any], base: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return build_method(name, hyperparameters).attach(base, task_kind=KIND, total_steps=1)


def seen_by(module: nn.Module, model: nn.Module) -> tuple[tuple[torch.Tensor, ...], Any]:
    """The inputs and the output of `module` when `model` reads TOKENS."""
    seen: list[tuple[tuple[torch.Tensor, ...], Any]] = []
    handle = module.register_forward_hook(lambda _, inputs, output: seen.append((inputs, output)))
    with torch.no_grad():
        model.eval()(input_ids=TOKENS, attention_mask=MASK)
    handle.remove()
    ((inputs, output),) = seen
    return inputs, output


@pytest.mark.parametrize("layer_index", [0, 1])
def test_a_prefix_stands_before_the_keys_and_values_of_every_layer(
    folder: Path, load_classifier: LoadClassifier, layer_index: int
) -> None:
    """softmax(q [P_k; k]^T / sqrt(d_head)) [P_v; v], the prefix seen by every token and padding by none."""
    prefix_length, layers, heads, width = 3, 2, 4, 64
    model = attach("p_tuning_v2", {"num_virtual_tokens": prefix_length}, load_classifier(folder))
    attention = model.get_submodule(f"base_model.bert.encoder.layer.{layer_index}.attention.self")
    inputs, output = seen_by(attention, model)

    learnt = model.get_parameter("prompt_encoder.default.embedding.weight").detach()
    pairs = learnt.view(prefix_length, layers, 2, width)

    def by_head(vectors: torch.Tensor) -> torch.Tensor:
        return vectors.view(2, -1, heads, width // heads).transpose(1, 2)

    def with_prefix(linear: nn.Module, which: int) -> torch.Tensor:
        prefix = pairs[:, layer_index, which].expand(2, -1, -1)
        return by_head(torch.cat([prefix, linear(inputs[0])], dim=1))

    with torch.no_grad():
        query = by_head(attention.get_submodule("query")(inputs[0]))
        key = with_prefix(attention.get_submodule("key"), 0)
        value = with_prefix(attention.get_submodule("value"), 1)
        visible = torch.cat([torch.ones(2, prefix_length, dtype=MASK.dtype), MASK], dim=1).bool()[:, None, None]
        scores = (query @ key.transpose(-1, -2) / (width // heads) ** 0.5).masked_fill(~visible, float("-inf"))
        expected = (scores.softmax(dim=-1) @ value).transpose(1, 2).reshape(2, -1, width)
    assert torch.allclose(output[0], expected, atol=1e-6)


def test_prefix_tuning_makes_its_prefix_by_an_mlp_and_stores_the_prefix_alone(
    folder: Path, load_classifier: LoadClassifier, tmp_path: Path
) -> None:
    """P = W_2 tanh(W_1 E + b_1) + b_2."""
    from safetensors.torch import load_file

    hyperparameters: dict[str, Any] = {"num_virtual_tokens": 3, "encoder_hidden_size": 5}
    model = attach("prefix_tuning", hyperparameters, load_classifier(folder))
    encoder = model.get_submodule("prompt_encoder.default")
    weights = {name: parameter.detach() for name, parameter in encoder.named_parameters()}
    hidden = (weights["embedding.weight"] @ weights["transform.0.weight"].T + weights["transform.0.bias"]).tanh()
    expected = hidden @ weights["transform.2.weight"].T + weights["transform.2.bias"]
    build_method("prefix_tuning", hyperparameters).save(model, tmp_path)
    saved = load_file(tmp_path / "adapter_model.safetensors")
    assert saved.keys() == {"prompt_embeddings", "base_model.classifier.weight", "base_model.classifier.bias"}
    assert torch.allclose(saved["prompt_embeddings"], expected, atol=1e-6)


def test_a_prefix_takes_positions_of_the_base(folder: Path, load_classifier: LoadClassifier) -> None:
    """The first real token stands at position n, so n + length may reach the base's 128 positions and not pass them."""
    shape = read_model_shape(folder)
    most = shape.max_positions - TOKENS.shape[1]
    fits: dict[str, Any] = {"num_virtual_tokens": most}
    too_long: dict[str, Any] = {"num_virtual_tokens": most + 1}
    build_method("p_tuning_v2", fits).check(shape, task_kind=KIND, max_length=TOKENS.shape[1])
    with pytest.raises(InvalidHyperparameter, match=f"at most {most}"):
        build_method("p_tuning_v2", too_long).check(shape, task_kind=KIND, max_length=TOKENS.shape[1])

    model = attach("p_tuning_v2", fits, load_classifier(folder))
    embeddings = model.get_submodule("base_model.bert.embeddings.position_embeddings")
    (positions,), _ = seen_by(embeddings, model)
    assert positions[0].tolist() == list(range(most, 128))


@pytest.mark.parametrize(
    ("position", "half"), [("after_ffn", "output"), ("after_attn", "attention.output"), ("both", "output")]
)
def test_the_adapter_stands_before_the_residual_and_the_norm(
    folder: Path, load_classifier: LoadClassifier, position: str, half: str
) -> None:
    """LayerNorm(adapter(W h + b) + residual): Houlsby et al. 2019, figure 2."""
    hyperparameters = {"bottleneck_size": 6, "position": position, "activation": "swish"}
    model = attach("adapter", hyperparameters, load_classifier(folder))
    block = model.get_submodule(f"bert.encoder.layer.1.{half}")
    weight = {name: parameter.detach() for name, parameter in block.get_submodule("dense").named_parameters()}
    nn.init.normal_(weight["adapter.up.weight"])
    nn.init.normal_(weight["adapter.up.bias"])
    (hidden, residual), output = seen_by(block, model)
    projected = hidden @ weight["weight"].T + weight["bias"]
    inner = projected @ weight["adapter.down.weight"].T + weight["adapter.down.bias"]
    adapted = projected + (inner * inner.sigmoid()) @ weight["adapter.up.weight"].T + weight["adapter.up.bias"]
    with torch.no_grad():
        expected = block.get_submodule("LayerNorm")(adapted + residual)
    assert torch.allclose(output, expected, atol=1e-5)


@pytest.mark.parametrize(("position", "adapters"), [("after_ffn", 2), ("after_attn", 2), ("both", 4)])
def test_the_position_says_how_many_adapters_a_model_gets(
    folder: Path, load_classifier: LoadClassifier, position: str, adapters: int
) -> None:
    model = attach("adapter", {"bottleneck_size": 6, "position": position}, load_classifier(folder))
    assert sum(name.endswith(".adapter") for name, _ in model.named_modules()) == adapters


def test_lora_starts_at_zero_update_from_a_random_a(folder: Path, load_classifier: LoadClassifier) -> None:
    model = attach("lora", {"rank": 4, "target_modules": "all_linear"}, load_classifier(folder))
    updates = {name: parameter for name, parameter in model.named_parameters() if "lora_" in name}
    assert all(bool((parameter == 0).all()) == ("lora_B" in name) for name, parameter in updates.items())
    targeted = {name.split(".lora_")[0].removeprefix("base_model.model.bert.encoder.layer.") for name in updates}
    one_layer = {"attention.self.query", "attention.self.key", "attention.self.value"} | {
        "attention.output.dense",
        "intermediate.dense",
        "output.dense",
    }
    assert targeted == {f"{layer}.{name}" for layer in (0, 1) for name in one_layer}
