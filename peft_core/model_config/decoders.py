"""Decoders: Llama and its kin by what sets each apart, GPT-2, OPT."""

from dataclasses import dataclass, replace
from typing import Literal

from peft_core.model_config.anatomy import Anatomy, Norm, Placing
from peft_core.model_config.fields import ACTIVATIONS, MOST_WIDTH, Fields
from peft_core.model_config.sizes import NAMES, Defaults, Shapes, Sizes, linear, norm, read_sizes, repeated
from peft_core.model_shape import ModelShape


@dataclass(frozen=True)
class _Decoder:
    """What sets one family with gated feed-forward layers and rotary positions apart from the others."""

    usual: Defaults
    norm: Norm = "rms_norm"
    norms: Placing = "before"
    qkv_bias: bool | None = None
    """None: as the config's attention_bias says, which also holds for the output projection."""
    bias_of_feed_forward: bool = False
    fused: bool = False
    query_key_norm: Literal["none", "head", "width"] = "none"
    activation_name: str = "hidden_act"
    activation: str = "silu"
    tied: bool = False
    score_cap: bool = False
    residual_dropout: bool = False


DECODERS: dict[str, _Decoder] = {
    "llama": _Decoder(Defaults(4096, 32, 32, 11_008, 32_000, 2048), bias_of_feed_forward=True),
    "mistral": _Decoder(Defaults(4096, 32, 32, 14_336, 32_000, 131_072, key_value_heads=8), qkv_bias=False),
    "qwen2": _Decoder(Defaults(4096, 32, 32, 22_016, 151_936, 32_768, key_value_heads=32), qkv_bias=True),
    "qwen3": _Decoder(
        Defaults(4096, 32, 32, 22_016, 151_936, 32_768, key_value_heads=32, head_width=128), query_key_norm="head"
    ),
    "gemma": _Decoder(
        Defaults(3072, 28, 16, 24_576, 256_000, 8192, key_value_heads=16, head_width=256),
        norm="gemma_rms_norm",
        activation="gelu_pytorch_tanh",
        tied=True,
    ),
    "gemma2": _Decoder(
        Defaults(2304, 26, 8, 9216, 256_000, 8192, key_value_heads=4, head_width=256),
        norm="gemma_rms_norm",
        norms="around",
        activation_name="hidden_activation",
        activation="gelu_pytorch_tanh",
        tied=True,
        score_cap=True,
    ),
    "gemma3_text": _Decoder(
        Defaults(2304, 26, 8, 9216, 262_208, 131_072, key_value_heads=4, head_width=256),
        norm="gemma_rms_norm",
        norms="around",
        query_key_norm="head",
        activation_name="hidden_activation",
        activation="gelu_pytorch_tanh",
        tied=True,
    ),
    "phi3": _Decoder(Defaults(3072, 32, 32, 8192, 32_064, 4096), qkv_bias=False, fused=True, residual_dropout=True),
    "smollm3": _Decoder(
        Defaults(2048, 36, 16, 11_008, 128_256, 32_768, key_value_heads=4), bias_of_feed_forward=True, tied=True
    ),
    "olmo2": _Decoder(Defaults(4096, 32, 32, 11_008, 50_304, 2048), norms="outputs", query_key_norm="width"),
}


def decoder(model_type: str, fields: Fields) -> tuple[ModelShape, Anatomy]:
    family = DECODERS[model_type]
    sizes = read_sizes(fields, family.usual)
    sizes = replace(sizes, head_width=fields.whole("head_dim", default=sizes.head_width, most=MOST_WIDTH))
    tied = fields.flag("tie_word_embeddings", default=family.tied)
    tensors = (
        {"embed_tokens.weight": (sizes.vocabulary, sizes.hidden)}
        | repeated("layers", sizes.layers, _decoder_layer(family, fields, sizes))
        | norm("norm", sizes.hidden, bias=False)
    )
    anatomy = Anatomy(
        norms=family.norms,
        norm=family.norm,
        activation=fields.word(family.activation_name, "hidden_act", default=family.activation, among=ACTIVATIONS),
        gated=True,
        head_width=sizes.head_width,
        key_value_heads=sizes.key_value_heads,
        hidden_dropout=fields.share("resid_pdrop", default=0.0) if family.residual_dropout else 0.0,
        attention_dropout=fields.share("attention_dropout", default=0.0),
        final_norm=True,
        rotary=True,
        query_key_norm=family.query_key_norm != "none",
        softmax_float32=True,
        score_cap=family.score_cap,
        tied=tied,
        sequence_head="linear_without_bias",
    )
    return sizes.shape(model_type, tensors, 0 if tied else sizes.vocabulary * sizes.hidden), anatomy


def _decoder_layer(family: _Decoder, fields: Fields, sizes: Sizes) -> Shapes:
    bias = fields.flag("attention_bias", default=False) if family.qkv_bias is None else False
    qkv_bias = bias if family.qkv_bias is None else family.qkv_bias
    d, q, kv = sizes.hidden, sizes.query_width, sizes.key_value_width
    if family.fused:
        attention = linear("self_attn.qkv_proj", d, q + 2 * kv, qkv_bias)
    else:
        attention = (
            linear("self_attn.q_proj", d, q, qkv_bias)
            | linear("self_attn.k_proj", d, kv, qkv_bias)
            | linear("self_attn.v_proj", d, kv, qkv_bias)
        )
    attention |= linear("self_attn.o_proj", q, d, bias)
    if family.query_key_norm != "none":
        wide = family.query_key_norm == "width"
        attention |= norm("self_attn.q_norm", q if wide else sizes.head_width, bias=False)
        attention |= norm("self_attn.k_norm", kv if wide else sizes.head_width, bias=False)
    return attention | _decoder_feed_forward(family, fields, sizes) | _decoder_norms(family.norms, d)


def _decoder_feed_forward(family: _Decoder, fields: Fields, sizes: Sizes) -> Shapes:
    bias = fields.flag("mlp_bias", default=False) if family.bias_of_feed_forward else False
    d, f = sizes.hidden, sizes.inner
    if family.fused:
        return linear("mlp.gate_up_proj", d, 2 * f, bias) | linear("mlp.down_proj", f, d, bias)
    return linear("mlp.gate_proj", d, f, bias) | linear("mlp.up_proj", d, f, bias) | linear("mlp.down_proj", f, d, bias)


def _decoder_norms(placing: Placing, width: int) -> Shapes:
    names: dict[Placing, tuple[str, ...]] = {
        "before": ("input_layernorm", "post_attention_layernorm"),
        "outputs": ("post_attention_layernorm", "post_feedforward_layernorm"),
        "around": (
            *("input_layernorm", "post_attention_layernorm"),
            *("pre_feedforward_layernorm", "post_feedforward_layernorm"),
        ),
    }
    return {path: dims for name in names[placing] for path, dims in norm(name, width, bias=False).items()}


def gpt2(model_type: str, fields: Fields) -> tuple[ModelShape, Anatomy]:
    fields.refuse("add_cross_attention")
    names = {
        "hidden": ("n_embd", "hidden_size"),
        "layers": ("n_layer", "num_hidden_layers"),
        "heads": ("n_head", "num_attention_heads"),
        "inner": ("n_inner",),
        "positions": ("n_positions", "max_position_embeddings"),
    }
    sizes = read_sizes(fields, Defaults(768, 12, 12, 0, 50_257, 1024), names)
    sizes = replace(sizes, inner=sizes.inner or 4 * sizes.hidden, key_value_heads=sizes.heads)
    d, f = sizes.hidden, sizes.inner
    layer = norm("ln_1", d) | _conv1d("attn.c_attn", d, 3 * d) | _conv1d("attn.c_proj", d, d)
    layer |= norm("ln_2", d) | _conv1d("mlp.c_fc", d, f) | _conv1d("mlp.c_proj", f, d)
    tensors = (
        {"wte.weight": (sizes.vocabulary, d), "wpe.weight": (sizes.positions, d)}
        | repeated("h", sizes.layers, layer)
        | norm("ln_f", d)
    )
    tied = fields.flag("tie_word_embeddings", default=True)
    anatomy = Anatomy(
        norms="before",
        norm="layer_norm",
        activation=fields.word("activation_function", default="gelu_new", among=ACTIVATIONS),
        gated=False,
        head_width=sizes.head_width,
        key_value_heads=sizes.heads,
        hidden_dropout=fields.share("resid_pdrop", default=0.1),
        attention_dropout=fields.share("attn_pdrop", default=0.1),
        final_norm=True,
        input_first=True,
        tied=tied,
        sequence_head="linear_without_bias",
    )
    return sizes.shape(model_type, tensors, 0 if tied else sizes.vocabulary * d), anatomy


def _conv1d(path: str, d_in: int, d_out: int) -> Shapes:
    """GPT-2 keeps its matrices the other way round."""
    return {f"{path}.weight": (d_in, d_out), f"{path}.bias": (d_out,)}


def opt(model_type: str, fields: Fields) -> tuple[ModelShape, Anatomy]:
    sizes = read_sizes(fields, Defaults(768, 12, 12, 3072, 50_272, 2048), NAMES | {"inner": ("ffn_dim",)})
    sizes = replace(sizes, key_value_heads=sizes.heads)
    d, f = sizes.hidden, sizes.inner
    bias = fields.flag("enable_bias", default=True)
    affine = fields.flag("layer_norm_elementwise_affine", default=True)
    before = fields.flag("do_layer_norm_before", default=True)
    final = before and not fields.flag("_remove_final_layer_norm", default=False)
    width = fields.whole("word_embed_proj_dim", default=d, most=MOST_WIDTH)
    layer = (
        linear("self_attn.k_proj", d, d, bias)
        | linear("self_attn.v_proj", d, d, bias)
        | linear("self_attn.q_proj", d, d, bias)
        | linear("self_attn.out_proj", d, d, bias)
        | (norm("self_attn_layer_norm", d) if affine else {})
        | linear("fc1", d, f, bias)
        | linear("fc2", f, d, bias)
        | (norm("final_layer_norm", d) if affine else {})
    )
    # Its table has two rows more than positions: it counts them from 2.
    tables: Shapes = {
        "decoder.embed_tokens.weight": (sizes.vocabulary, width),
        "decoder.embed_positions.weight": (sizes.positions + 2, d),
    }
    if width != d:
        tables |= linear("decoder.project_out", d, width, bias=False)
        tables |= linear("decoder.project_in", width, d, bias=False)
    tensors = (
        tables
        | (norm("decoder.final_layer_norm", d) if final and affine else {})
        | repeated("decoder.layers", sizes.layers, layer)
    )
    tied = fields.flag("tie_word_embeddings", default=True)
    anatomy = Anatomy(
        norms="before" if before else "after",
        norm="layer_norm",
        activation=fields.word("activation_function", default="relu", among=ACTIVATIONS),
        gated=False,
        head_width=sizes.head_width,
        key_value_heads=sizes.heads,
        hidden_dropout=fields.share("dropout", default=0.1),
        attention_dropout=fields.share("attention_dropout", default=0.0),
        final_norm=final,
        softmax_float32=True,
        tied=tied,
        output_width=width,
        sequence_head="linear_without_bias",
        token_head="none",  # nosec B106  # no head for words, no password
    )
    return sizes.shape(model_type, tensors, 0 if tied else sizes.vocabulary * width), anatomy
