"""What a base model's folder says about its size, read from config.json and safetensors headers without torch."""

import json
import math
import re
import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from peft_core.errors import InvalidBaseModel
from peft_core.special_tokens import read_special_tokens

ADAPTER = "adapter_config.json"
CAUSAL_TYPES = frozenset(
    {
        *("gpt2", "gpt_neox", "opt", "llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text"),
        *("phi3", "smollm3", "olmo2"),
    }
)
"""Decoders: models whose every position sees only what stands before it."""

ENCODER_DECODER_TYPES = frozenset({"t5", "mt5"})
"""Models with a second stack, which attends to the first."""

Architecture = Literal["encoder", "decoder", "encoder-decoder"]

Role = Literal["query", "key", "value", "qkv", "attention_output", "ffn_gate", "ffn_up", "ffn_down"]
"""What a linear layer does inside a transformer layer. `qkv`: one layer that makes all three projections."""

IN_LAYER = re.compile(r"(^|[._])(layers?|blocks?)\.\d+\.")
"""Inside one of a model's repeated layers: BERT's encoder.layer.0, Llama's layers.0, T5's encoder.block.0."""

PRETRAINING_HEAD = re.compile(r"(cls|lm_head|generator|discriminator|vocab_\w+|mlm_head|classifier|score|qa_outputs)\.")
"""What a folder may hold beside its base model: the layers that it was pretrained or tuned with."""

ANY_LENGTH = 1_000_000_000
"""The positions of a model that has no table of them."""

FFN_DOWN_NAMES = ("down_proj", "wo", "lin2", "output.dense", "fc2")
"""The feed-forward layer's way back, for models whose two widths are equal so that shapes do not tell."""


def linear_role(path: str, d_in: int, d_out: int, hidden_size: int) -> Role | None:
    """What the linear layer at `path` does, None outside transformer layers.

    Read from the first letter of the layer's name inside attention (q, k, v), from its widths outside, so that no
    table of architectures is needed.
    """
    if not IN_LAYER.search(path):
        return None
    parts = path.lower().split(".")
    name = parts[-1]
    if any("att" in part for part in parts[:-1]):
        if "qkv" in name or name == "query_key_value":
            return "qkv"
        return {"q": "query", "k": "key", "v": "value"}.get(name[0], "attention_output")  # type: ignore[return-value]
    if d_out == hidden_size and (d_in != hidden_size or path.lower().endswith(FFN_DOWN_NAMES)):
        return "ffn_down"
    return "ffn_gate" if name.startswith("gate") and "up" not in name else "ffn_up"


@dataclass(frozen=True)
class ModelShape:
    """Widths and counts of a transformer, its task head left out.

    `tensors` maps every parameter's path, as the folder spells it, to its shape (PyTorch order: a linear layer's is
    (d_out, d_in)).
    """

    model_type: str
    hidden_size: int
    layers: int
    heads: int
    key_value_width: int
    intermediate_size: int
    vocabulary_size: int
    max_positions: int
    tensors: dict[str, tuple[int, ...]]
    language_head_parameters: int = 0
    """Of an output layer over the vocabulary that is no copy of the token table; only language-model tasks use it."""
    special_tokens: tuple[int, ...] = ()
    """Ids of the tokens that begin, end or separate texts; () where the folder names none."""

    @cached_property
    def parameters(self) -> int:
        return sum(math.prod(dims) for dims in self.tensors.values())

    @cached_property
    def embedding_parameters(self) -> int:
        """Of the look-up tables: tokens, positions, segments."""
        return sum(
            math.prod(dims)
            for path, dims in self.tensors.items()
            if path.endswith(("embeddings.weight", "embed_tokens.weight", "wte.weight", "wpe.weight", "shared.weight"))
        )

    @property
    def non_embedding_parameters(self) -> int:
        return self.parameters - self.embedding_parameters

    @property
    def causal(self) -> bool:
        return self.model_type in CAUSAL_TYPES

    @property
    def architecture(self) -> Architecture:
        """The family that results may be carried over within."""
        if self.model_type in ENCODER_DECODER_TYPES:
            return "encoder-decoder"
        return "decoder" if self.causal else "encoder"

    @cached_property
    def linears(self) -> dict[str, tuple[int, int]]:
        """Path of every linear layer inside the transformer layers -> (d_in, d_out)."""
        return {
            path.removesuffix(".weight"): (dims[1], dims[0])
            for path, dims in self.tensors.items()
            if path.endswith(".weight")
            and len(dims) == 2
            and IN_LAYER.search(path)
            and "embed" not in path
            and "relative_attention_bias" not in path
        }

    def linears_with(self, roles: frozenset[Role]) -> dict[str, tuple[int, int]]:
        """The linear layers that have one of `roles`: path -> (d_in, d_out)."""
        return {
            path: (d_in, d_out)
            for path, (d_in, d_out) in self.linears.items()
            if linear_role(path, d_in, d_out, self.hidden_size) in roles
        }


def read_model_shape(folder: Path) -> ModelShape:
    """The shape of the base model in `folder`.

    Raises InvalidBaseModel with what is missing: config.json, safetensors weights, a size that config.json lacks.
    """
    config = read_config_file(folder)
    if (folder / ADAPTER).exists():
        raise InvalidBaseModel(
            f"{folder.name!r} holds an adapter ({ADAPTER}), which would be loaded with it, on whatever base it names."
            " Give a folder of the base model alone."
        )
    saved = _read_weight_shapes(folder)
    weights = {path: dims for path, dims in saved.items() if not PRETRAINING_HEAD.match(path)}
    hidden = _size(config, folder, "hidden_size", "dim", "n_embd", "d_model")
    heads = _size(config, folder, "num_attention_heads", "n_heads", "n_head", "num_heads")
    key_value_heads = int(config.get("num_key_value_heads") or heads)
    head_width = int(config.get("head_dim") or config.get("d_kv") or hidden // heads)
    return ModelShape(
        model_type=str(config["model_type"]),
        hidden_size=hidden,
        layers=_size(config, folder, "num_hidden_layers", "n_layers", "n_layer", "num_layers"),
        heads=heads,
        key_value_width=key_value_heads * head_width,
        intermediate_size=int(
            config.get("intermediate_size") or config.get("hidden_dim") or config.get("d_ff") or 4 * hidden
        ),
        vocabulary_size=_size(config, folder, "vocab_size"),
        max_positions=_positions(config, folder),
        tensors=_without_base_name(weights),
        language_head_parameters=0 if config.get("tie_word_embeddings", True) else _language_head(saved),
        special_tokens=read_special_tokens(folder),
    )


def read_config_file(folder: Path) -> dict[str, Any]:
    """The config.json of a folder; raises InvalidBaseModel where there is none that we would load a model from."""
    path = folder / "config.json"
    if not path.is_file():
        raise InvalidBaseModel(f"{folder.name!r} has no config.json. Give a folder that save_pretrained wrote.")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidBaseModel(
            f"config.json of {folder.name!r} is not JSON. Give a folder that save_pretrained wrote."
        ) from None
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise InvalidBaseModel(f"config.json of {folder.name!r} names no model_type, so its architecture is unknown.")
    if "auto_map" in config:
        raise InvalidBaseModel(f"{folder.name!r} asks to run code of its own (auto_map). Such models are not loaded.")
    return config


def _read_weight_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Tensor name -> shape from the headers of all safetensors files: 8 bytes of length, then JSON."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise InvalidBaseModel(f"{folder.name!r} has no .safetensors weights. Save it with safe serialization.")
    for index in sorted(folder.glob("*.safetensors.index.json")):
        _check_index(index)
    shapes: dict[str, tuple[int, ...]] = {}
    for path in files:
        try:
            with path.open("rb") as file:
                (length,) = struct.unpack("<Q", file.read(8))
                if length > 100_000_000:
                    raise ValueError
                header = json.loads(file.read(length))
            tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
            # Integer tensors are buffers (BERT's position_ids), not parameters.
            shapes |= {name: tuple(entry["shape"]) for name, entry in tensors.items() if "F" in entry["dtype"]}
        except (struct.error, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise InvalidBaseModel(f"{path.name} of {folder.name!r} is not a safetensors file.") from None
    return shapes


def _check_index(index: Path) -> None:
    """Raises InvalidBaseModel where the list of a model's parts names anything but safetensors files beside it."""
    try:
        parts = set(json.loads(index.read_bytes())["weight_map"].values())
        wrong = [part for part in parts if Path(part).name != part or "\\" in part or not part.endswith(".safetensors")]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InvalidBaseModel(f"{index.name} of {index.parent.name!r} is no list of a model's parts.") from None
    if wrong:
        raise InvalidBaseModel(
            f"{index.name} of {index.parent.name!r} names {wrong[0][:100]!r}, which is no safetensors file beside it."
        )


def _without_base_name(weights: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """A model saved with a head names its base in every path; one saved alone does not."""
    return weights


def _language_head(saved: dict[str, tuple[int, ...]]) -> int:
    return math.prod(saved.get("lm_head.weight", (0,)))


def _positions(config: dict[str, Any], folder: Path) -> int:
    """How long a text may be. Attention by relative distance alone (T5) sets no end."""
    if "relative_attention_num_buckets" in config and "max_position_embeddings" not in config:
        return ANY_LENGTH
    return _size(config, folder, "max_position_embeddings", "n_positions") - _unused_positions(config)


def _unused_positions(config: dict[str, Any]) -> int:
    """RoBERTa counts positions from padding_idx + 1, so that the first two rows of its table serve no token."""
    return 2 if str(config["model_type"]).endswith(("roberta", "camembert")) else 0


def _size(config: dict[str, Any], folder: Path, *names: str) -> int:
    for name in names:
        value = config.get(name)
        if isinstance(value, int) and value > 0:
            return value
    raise InvalidBaseModel(f"config.json of {folder.name!r} has no {names[0]}, so sizes cannot be worked out.")
