"""Encoder-decoders: T5 and mT5."""

from peft_core.model_config.anatomy import Anatomy
from peft_core.model_config.fields import (
    ACTIVATIONS,
    ANY_LENGTH,
    MOST_HEADS,
    MOST_INNER_WIDTH,
    MOST_LAYERS,
    MOST_TOKENS,
    MOST_WIDTH,
    Fields,
)
from peft_core.model_config.sizes import Defaults, Shapes, Sizes, linear, norm, repeated
from peft_core.model_shape import ModelShape


def t5(model_type: str, fields: Fields) -> tuple[ModelShape, Anatomy]:
    """t5, and mt5 which differs by what its config says."""
    multilingual = model_type == "mt5"
    usual = Defaults(512, 8, 6, 1024, 250_112, ANY_LENGTH) if multilingual else None
    usual = usual or Defaults(512, 6, 8, 2048, 32_128, ANY_LENGTH)
    sizes = _t5_sizes(fields, usual)
    decoder_layers = fields.whole("num_decoder_layers", default=sizes.layers, most=MOST_LAYERS)
    buckets = fields.whole("relative_attention_num_buckets", default=32, most=MOST_HEADS)
    activation, gated = _t5_activation(fields, "gated-gelu" if multilingual else "relu")
    attention = {"encoder": ("SelfAttention",), "decoder": ("SelfAttention", "EncDecAttention")}
    tensors: Shapes = {"shared.weight": (sizes.vocabulary, sizes.hidden)}
    for stack, layers in (("encoder", sizes.layers), ("decoder", decoder_layers)):
        tensors |= repeated(f"{stack}.block", layers, _t5_layer(sizes, attention[stack], gated))
        tensors[f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"] = (buckets, sizes.heads)
        tensors |= norm(f"{stack}.final_layer_norm", sizes.hidden, bias=False)
    dropout = fields.share("dropout_rate", default=0.1)
    anatomy = Anatomy(
        norms="before",
        norm="t5_rms_norm",
        activation=activation,
        gated=gated,
        head_width=sizes.head_width,
        key_value_heads=sizes.heads,
        hidden_dropout=dropout,
        attention_dropout=dropout,
        feed_forward_dropout=dropout,
        final_norm=True,
        softmax_float32=True,
        decoder_layers=decoder_layers,
        # transformers ties T5's head whatever the config says.
        tied=True,
        sequence_head="dense",
    )
    return sizes.shape(model_type, tensors), anatomy


def _t5_sizes(fields: Fields, usual: Defaults) -> Sizes:
    hidden = fields.whole("d_model", "hidden_size", default=usual.hidden, most=MOST_WIDTH)
    heads = fields.whole("num_heads", "num_attention_heads", default=usual.heads, most=MOST_HEADS)
    return Sizes(
        hidden=hidden,
        layers=fields.whole("num_layers", "num_hidden_layers", default=usual.layers, most=MOST_LAYERS),
        heads=heads,
        key_value_heads=heads,
        head_width=fields.whole("d_kv", "head_dim", default=64, most=MOST_WIDTH),
        inner=fields.whole("d_ff", default=usual.inner, most=MOST_INNER_WIDTH),
        vocabulary=fields.whole("vocab_size", default=usual.vocabulary, most=MOST_TOKENS),
        positions=ANY_LENGTH,
    )


def _t5_activation(fields: Fields, default: str) -> tuple[str, bool]:
    """feed_forward_proj names the activation, after "gated-" where the layer has a gate."""
    among = ACTIVATIONS | {f"gated-{name}" for name in ACTIVATIONS}
    written = fields.word("feed_forward_proj", default=default, among=among)
    activation = written.removeprefix("gated-")
    # An old config's "gated-gelu" always meant the tanh form.
    return ("gelu_new" if written == "gated-gelu" else activation), written.startswith("gated-")


def _t5_layer(sizes: Sizes, attentions: tuple[str, ...], gated: bool) -> Shapes:
    d, f, inner = sizes.hidden, sizes.inner, sizes.query_width
    layer: Shapes = {}
    for place, name in enumerate(attentions):
        layer |= linear(f"layer.{place}.{name}.q", d, inner, bias=False)
        layer |= linear(f"layer.{place}.{name}.k", d, inner, bias=False)
        layer |= linear(f"layer.{place}.{name}.v", d, inner, bias=False)
        layer |= linear(f"layer.{place}.{name}.o", inner, d, bias=False)
        layer |= norm(f"layer.{place}.layer_norm", d, bias=False)
    place = len(attentions)
    for name in ("wi_0", "wi_1") if gated else ("wi",):
        layer |= linear(f"layer.{place}.DenseReluDense.{name}", d, f, bias=False)
    layer |= linear(f"layer.{place}.DenseReluDense.wo", f, d, bias=False)
    return layer | norm(f"layer.{place}.layer_norm", d, bias=False)
