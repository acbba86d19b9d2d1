"""What every family counts, and the tensors that all of them are made of."""

from collections.abc import Mapping
from dataclasses import dataclass

from peft_core.model_config.fields import (
    MOST_HEADS,
    MOST_INNER_WIDTH,
    MOST_LAYERS,
    MOST_TOKENS,
    MOST_WIDTH,
    Fields,
    InvalidConfig,
)
from peft_core.model_shape import ModelShape

Shapes = dict[str, tuple[int, ...]]
"""Path of every tensor -> its shape."""


@dataclass(frozen=True)
class Sizes:
    """What every family counts."""

    hidden: int
    layers: int
    heads: int
    key_value_heads: int
    head_width: int
    inner: int
    vocabulary: int
    positions: int

    @property
    def query_width(self) -> int:
        return self.heads * self.head_width

    @property
    def key_value_width(self) -> int:
        return self.key_value_heads * self.head_width

    def shape(self, model_type: str, tensors: Shapes, language_head: int = 0) -> ModelShape:
        return ModelShape(
            model_type=model_type,
            hidden_size=self.hidden,
            layers=self.layers,
            heads=self.heads,
            key_value_width=self.key_value_width,
            intermediate_size=self.inner,
            vocabulary_size=self.vocabulary,
            max_positions=self.positions,
            tensors=tensors,
            language_head_parameters=language_head,
        )


@dataclass(frozen=True)
class Defaults:
    """What transformers takes where a config says nothing. `head_width` None: the hidden size over the heads."""

    hidden: int
    layers: int
    heads: int
    inner: int
    vocabulary: int
    positions: int
    key_value_heads: int | None = None
    head_width: int | None = None


NAMES: dict[str, tuple[str, ...]] = {
    "hidden": ("hidden_size",),
    "layers": ("num_hidden_layers",),
    "heads": ("num_attention_heads",),
    "inner": ("intermediate_size",),
    "positions": ("max_position_embeddings",),
}


def read_sizes(fields: Fields, usual: Defaults, names: Mapping[str, tuple[str, ...]] = NAMES) -> Sizes:
    """The sizes under a family's own names. Refuses heads that do not divide what they share."""
    hidden = fields.whole(*names["hidden"], default=usual.hidden, most=MOST_WIDTH)
    heads = fields.whole(*names["heads"], default=usual.heads, most=MOST_HEADS)
    usual_heads = heads if fields.is_null("num_key_value_heads") else usual.key_value_heads or heads
    key_value_heads = fields.whole("num_key_value_heads", default=usual_heads, most=MOST_HEADS)
    if hidden % heads:
        raise InvalidConfig(
            names["heads"][0],
            f"{names['heads'][0]} of the config is {heads}: it must divide the hidden size, {hidden}.",
        )
    if heads % key_value_heads:
        raise InvalidConfig(
            "num_key_value_heads",
            f"num_key_value_heads of the config is {key_value_heads}: it must divide {names['heads'][0]}, {heads}.",
        )
    return Sizes(
        hidden=hidden,
        layers=fields.whole(*names["layers"], default=usual.layers, most=MOST_LAYERS),
        heads=heads,
        key_value_heads=key_value_heads,
        head_width=usual.head_width or hidden // heads,
        inner=fields.whole(*names["inner"], default=usual.inner, most=MOST_INNER_WIDTH),
        vocabulary=fields.whole("vocab_size", default=usual.vocabulary, most=MOST_TOKENS),
        positions=fields.whole(*names["positions"], default=usual.positions, most=MOST_TOKENS),
    )


def linear(path: str, d_in: int, d_out: int, bias: bool = True) -> Shapes:
    return {f"{path}.weight": (d_out, d_in)} | ({f"{path}.bias": (d_out,)} if bias else {})


def norm(path: str, width: int, bias: bool = True) -> Shapes:
    weight: Shapes = {f"{path}.weight": (width,)}
    return weight | ({f"{path}.bias": (width,)} if bias else {})


def repeated(prefix: str, layers: int, layer: Shapes) -> Shapes:
    return {f"{prefix}.{i}.{path}": dims for i in range(layers) for path, dims in layer.items()}
