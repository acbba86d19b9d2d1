"""What a base model's folder says about its size, read from config.json and safetensors headers without torch."""

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peft_core.errors import InvalidBaseModel

CAUSAL_TYPES = {"gpt2", "llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "phi3", "smollm3", "opt"}


@dataclass(frozen=True)
class ModelShape:
    """Widths and counts of a transformer. `linears` maps a weight's module path to (d_in, d_out)."""

    model_type: str
    hidden_size: int
    layers: int
    heads: int
    key_value_width: int
    intermediate_size: int
    vocabulary_size: int
    max_positions: int
    parameters: int
    embedding_parameters: int
    linears: dict[str, tuple[int, int]]
    biases: int

    @property
    def non_embedding_parameters(self) -> int:
        return self.parameters - self.embedding_parameters

    @property
    def causal(self) -> bool:
        return self.model_type in CAUSAL_TYPES

    def linears_named(self, *suffixes: str) -> dict[str, tuple[int, int]]:
        """The linear layers inside transformer layers whose path ends in one of `suffixes`."""
        return {path: dims for path, dims in self.linears.items() if path.endswith(tuple(f".{s}" for s in suffixes))}


def read_model_shape(folder: Path) -> ModelShape:
    """The shape of the base model in `folder`.

    Raises InvalidBaseModel with what is missing: config.json, safetensors weights, a size that config.json lacks.
    """
    config = _read_config(folder)
    weights = _read_weight_shapes(folder)
    linears = {
        name.removesuffix(".weight"): (shape[1], shape[0])
        for name, shape in weights.items()
        if name.endswith(".weight") and len(shape) == 2 and "embed" not in name and ".layer" in f".{name}"
    }
    hidden = _size(config, folder, "hidden_size", "dim", "n_embd", "d_model")
    heads = _size(config, folder, "num_attention_heads", "n_heads", "n_head")
    key_value_heads = int(config.get("num_key_value_heads") or heads)
    head_width = int(config.get("head_dim") or hidden // heads)
    return ModelShape(
        model_type=str(config["model_type"]),
        hidden_size=hidden,
        layers=_size(config, folder, "num_hidden_layers", "n_layers", "n_layer"),
        heads=heads,
        key_value_width=key_value_heads * head_width,
        intermediate_size=int(config.get("intermediate_size") or config.get("hidden_dim") or 4 * hidden),
        vocabulary_size=_size(config, folder, "vocab_size"),
        max_positions=_size(config, folder, "max_position_embeddings", "n_positions") - _unused_positions(config),
        parameters=sum(_count(shape) for shape in weights.values()),
        embedding_parameters=sum(
            _count(shape) for name, shape in weights.items() if "embeddings.weight" in name or "embed_tokens" in name
        ),
        linears=linears,
        biases=sum(_count(shape) for name, shape in weights.items() if name.endswith(".bias")),
    )


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        raise InvalidBaseModel(f"{folder.name!r} has no config.json. Give a folder that save_pretrained wrote.")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise InvalidBaseModel(
            f"config.json of {folder.name!r} is not JSON. Give a folder that save_pretrained wrote."
        ) from None
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise InvalidBaseModel(f"config.json of {folder.name!r} names no model_type, so its architecture is unknown.")
    if "auto_map" in config:
        raise InvalidBaseModel(f"{folder.name!r} asks to run code of its own (auto_map). Such models are not loaded.")
    return config


def _read_weight_shapes(folder: Path) -> dict[str, list[int]]:
    """Tensor name -> shape from the headers of all safetensors files: 8 bytes of length, then JSON."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise InvalidBaseModel(f"{folder.name!r} has no .safetensors weights. Save it with safe serialization.")
    shapes: dict[str, list[int]] = {}
    for path in files:
        try:
            with path.open("rb") as file:
                (length,) = struct.unpack("<Q", file.read(8))
                if length > 100_000_000:
                    raise ValueError
                header = json.loads(file.read(length))
            tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
            # Integer tensors are buffers (BERT's position_ids), not parameters.
            shapes |= {name: entry["shape"] for name, entry in tensors.items() if "F" in entry["dtype"]}
        except (struct.error, ValueError, KeyError, TypeError, AttributeError):
            raise InvalidBaseModel(f"{path.name} of {folder.name!r} is not a safetensors file.") from None
    return shapes


def _unused_positions(config: dict[str, Any]) -> int:
    """RoBERTa counts positions from padding_idx + 1, so that the first two rows of its table serve no token."""
    return 2 if str(config["model_type"]).endswith(("roberta", "camembert")) else 0


def _size(config: dict[str, Any], folder: Path, *names: str) -> int:
    for name in names:
        value = config.get(name)
        if isinstance(value, int) and value > 0:
            return value
    raise InvalidBaseModel(f"config.json of {folder.name!r} has no {names[0]}, so sizes cannot be worked out.")


def _count(shape: list[int]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total
