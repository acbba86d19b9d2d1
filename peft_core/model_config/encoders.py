"""BERT and its kin: RoBERTa, ELECTRA, MPNet, DistilBERT, DeBERTa, ALBERT, ModernBERT."""

from dataclasses import replace
from typing import Any

from peft_core.model_config.anatomy import Anatomy, HeadStyle
from peft_core.model_config.fields import (
    ACTIVATIONS,
    MOST_HEADS,
    MOST_LAYERS,
    MOST_TOKENS,
    MOST_WIDTH,
    Fields,
    InvalidConfig,
)
from peft_core.model_config.sizes import Defaults, Shapes, Sizes, linear, norm, read_sizes, repeated
from peft_core.model_shape import ModelShape

BERT = Defaults(hidden=768, layers=12, heads=12, inner=3072, vocabulary=30_522, positions=512)
ELECTRA = Defaults(hidden=256, layers=12, heads=4, inner=1024, vocabulary=30_522, positions=512)
DEBERTA = Defaults(hidden=1536, layers=24, heads=24, inner=6144, vocabulary=128_100, positions=512)
ALBERT = Defaults(hidden=4096, layers=12, heads=64, inner=16_384, vocabulary=30_000, positions=512)
DISTILBERT = Defaults(hidden=768, layers=6, heads=12, inner=3072, vocabulary=30_522, positions=512)
MODERNBERT = Defaults(hidden=768, layers=22, heads=12, inner=1152, vocabulary=50_368, positions=8192)


def _encoder_anatomy(fields: Fields, sizes: Sizes, **own: Any) -> Anatomy:
    """Of BERT and its kin: norms after each half's residual sum, dropout 0.1 everywhere."""
    usual: dict[str, Any] = {
        "norms": "after",
        "norm": "layer_norm",
        "activation": fields.word("hidden_act", default="gelu", among=ACTIVATIONS),
        "gated": False,
        "head_width": sizes.head_width,
        "key_value_heads": sizes.heads,
        "hidden_dropout": fields.share("hidden_dropout_prob", default=0.1),
        "attention_dropout": fields.share("attention_probs_dropout_prob", default=0.1),
        "embedding_norm": True,
        "tied": fields.flag("tie_word_embeddings", default=True),
        "choice_head": "linear",
    }
    return Anatomy(**(usual | own))


def _bert_layer(sizes: Sizes, query: str = "query", key: str = "key", value: str = "value") -> Shapes:
    d, f = sizes.hidden, sizes.inner
    return (
        linear(f"attention.self.{query}", d, d)
        | linear(f"attention.self.{key}", d, d)
        | linear(f"attention.self.{value}", d, d)
        | linear("attention.output.dense", d, d)
        | norm("attention.output.LayerNorm", d)
        | linear("intermediate.dense", d, f)
        | linear("output.dense", f, d)
        | norm("output.LayerNorm", d)
    )


def _bert_embeddings(fields: Fields, sizes: Sizes, width: int, segments: int = 2) -> Shapes:
    types = fields.whole("type_vocab_size", default=segments, most=MOST_HEADS, least=0)
    return (
        {
            "embeddings.word_embeddings.weight": (sizes.vocabulary, width),
            "embeddings.position_embeddings.weight": (sizes.positions, width),
        }
        | ({"embeddings.token_type_embeddings.weight": (types, width)} if types or segments else {})
        | norm("embeddings.LayerNorm", width)
    )


def bert(model_type: str, fields: Fields) -> tuple[ModelShape, Anatomy]:
    """bert, and roberta, xlm-roberta and camembert, whose classifiers have a dense layer instead of a pooler."""
    for name in ("is_decoder", "add_cross_attention"):
        fields.refuse(name)
    usual = replace(BERT, vocabulary=50_265) if model_type == "roberta" else BERT
    sizes = read_sizes(fields, usual)
    tensors = (
        _bert_embeddings(fields, sizes, sizes.hidden)
        | repeated("encoder.layer", sizes.layers, _bert_layer(sizes))
        | linear("pooler.dense", sizes.hidden, sizes.hidden)
    )
    if model_type == "bert":
        return sizes.shape(model_type, tensors), _encoder_anatomy(
            fields, sizes, pooler=frozenset({"sequence", "choice"})
        )
    # Positions are counted from padding_idx + 1, so that the first two rows of the table serve no token.
    shape = replace(sizes.shape(model_type, tensors), max_positions=max(1, sizes.positions - 2))
    return shape, _encoder_anatomy(fields, sizes, sequence_head="dense", pooler=frozenset({"choice"}))


def electra(model_type: str, fields: Fields) -> tuple[ModelShape, Anatomy]:
    for name in ("is_decoder", "add_cross_attention"):
        fields.refuse(name)
    sizes = read_sizes(fields, ELECTRA)
    width = fields.whole("embedding_size", default=128, most=MOST_WIDTH)
    project = linear("embeddings_project", width, sizes.hidden) if width != sizes.hidden else {}
    tensors = (
        _bert_embeddings(fields, sizes, width) | project | repeated("encoder.layer", sizes.layers, _bert_layer(sizes))
    )
    return sizes.shape(model_type, tensors), _encoder_anatomy(fields, sizes, sequence_head="dense", choice_head="dense")


def mpnet(model_type: str, fields: Fields) -> tuple[ModelShape, Anatomy]:
    sizes = read_sizes(fields, replace(BERT, vocabulary=30_527))
    buckets = fields.whole("relative_attention_num_buckets", default=32, most=MOST_HEADS)
    d, f = sizes.hidden, sizes.inner
    layer = (
        linear("attention.attn.q", d, d)
        | linear("attention.attn.k", d, d)
        | linear("attention.attn.v", d, d)
        | linear("attention.attn.o", d, d)
        | norm("attention.LayerNorm", d)
        | linear("intermediate.dense", d, f)
        | linear("output.dense", f, d)
        | norm("output.LayerNorm", d)
    )
    tensors = (
        {
            "embeddings.word_embeddings.weight": (sizes.vocabulary, d),
            "embeddings.position_embeddings.weight": (sizes.positions, d),
        }
        | norm("embeddings.LayerNorm", d)
        | repeated("encoder.layer", sizes.layers, layer)
        | {"encoder.relative_attention_bias.weight": (buckets, sizes.heads)}
        | linear("pooler.dense", d, d)
    )
    return sizes.shape(model_type, tensors), _encoder_anatomy(
        fields, sizes, sequence_head="dense", pooler=frozenset({"choice"})
    )


def distilbert(model_type: str, fields: Fields) -> tuple[ModelShape, Anatomy]:
    names = {
        "hidden": ("dim", "hidden_size"),
        "layers": ("n_layers", "num_hidden_layers"),
        "heads": ("n_heads", "num_attention_heads"),
        "inner": ("hidden_dim",),
        "positions": ("max_position_embeddings",),
    }
    sizes = read_sizes(fields, DISTILBERT, names)
    d, f = sizes.hidden, sizes.inner
    layer = (
        linear("attention.q_lin", d, d)
        | linear("attention.k_lin", d, d)
        | linear("attention.v_lin", d, d)
        | linear("attention.out_lin", d, d)
        | norm("sa_layer_norm", d)
        | linear("ffn.lin1", d, f)
        | linear("ffn.lin2", f, d)
        | norm("output_layer_norm", d)
    )
    tensors = (
        {
            "embeddings.word_embeddings.weight": (sizes.vocabulary, d),
            "embeddings.position_embeddings.weight": (sizes.positions, d),
        }
        | norm("embeddings.LayerNorm", d)
        | repeated("transformer.layer", sizes.layers, layer)
    )
    anatomy = _encoder_anatomy(
        fields,
        sizes,
        activation=fields.word("activation", default="gelu", among=ACTIVATIONS),
        hidden_dropout=fields.share("dropout", default=0.1),
        attention_dropout=fields.share("attention_dropout", default=0.1),
        attention_output_dropout=False,
        sequence_head="dense",
        choice_head="dense",
    )
    return sizes.shape(model_type, tensors), anatomy


def deberta(model_type: str, fields: Fields) -> tuple[ModelShape, Anatomy]:
    sizes = read_sizes(fields, DEBERTA)
    width = fields.whole("embedding_size", default=sizes.hidden, most=MOST_WIDTH)
    head_width = fields.whole("attention_head_size", default=sizes.head_width, most=MOST_WIDTH)
    if head_width != sizes.head_width:
        raise InvalidConfig(
            "attention_head_size",
            f"attention_head_size of the config is {head_width}: only {sizes.head_width}, the hidden size over the"
            " heads, is supported.",
        )
    relative, terms, span = _deberta_positions(fields, sizes)
    tensors: Shapes = {"embeddings.word_embeddings.weight": (sizes.vocabulary, width)}
    if fields.flag("position_biased_input", default=True):
        tensors["embeddings.position_embeddings.weight"] = (sizes.positions, width)
    if types := fields.whole("type_vocab_size", default=0, most=MOST_HEADS, least=0):
        tensors["embeddings.token_type_embeddings.weight"] = (types, width)
    tensors |= linear("embeddings.embed_proj", width, sizes.hidden, bias=False) if width != sizes.hidden else {}
    tensors |= norm("embeddings.LayerNorm", sizes.hidden)
    tensors |= repeated("encoder.layer", sizes.layers, _deberta_layer(fields, sizes, relative, terms))
    tensors |= {"encoder.rel_embeddings.weight": (span, sizes.hidden)} if relative else {}
    if "layer_norm" in fields.words("norm_rel_ebd"):
        tensors |= norm("encoder.LayerNorm", sizes.hidden)
    if kernel := fields.whole("conv_kernel_size", default=0, most=MOST_HEADS, least=0):
        groups = fields.whole("conv_groups", default=1, most=sizes.hidden)
        if sizes.hidden % groups:
            raise InvalidConfig("conv_groups", f"conv_groups of the config is {groups}: it must divide {sizes.hidden}.")
        tensors["encoder.conv.conv.weight"] = (sizes.hidden, sizes.hidden // groups, kernel)
        tensors |= {"encoder.conv.conv.bias": (sizes.hidden,)} | norm("encoder.conv.LayerNorm", sizes.hidden)
    anatomy = _encoder_anatomy(
        fields,
        sizes,
        sequence_head="dense",
        choice_head="dense",
        relative_span=span if relative else 0,
        relative_terms=len(terms) if relative else 0,
    )
    return sizes.shape(model_type, tensors), anatomy


def _deberta_positions(fields: Fields, sizes: Sizes) -> tuple[bool, frozenset[str], int]:
    """Whether positions are relative, which terms they add to the scores, and the rows of their table."""
    relative = fields.flag("relative_attention", default=False)
    terms = fields.words("pos_att_type") & {"c2p", "p2c"}
    most = fields.whole("max_relative_positions", default=-1, most=MOST_TOKENS, least=-1)
    buckets = fields.whole("position_buckets", default=-1, most=MOST_TOKENS, least=-1)
    return relative, terms, 2 * (buckets if buckets > 0 else most if most > 0 else sizes.positions)


def _deberta_layer(fields: Fields, sizes: Sizes, relative: bool, terms: frozenset[str]) -> Shapes:
    layer = _bert_layer(sizes, "query_proj", "key_proj", "value_proj")
    if relative and not fields.flag("share_att_key", default=False):
        if "c2p" in terms:
            layer |= linear("attention.self.pos_key_proj", sizes.hidden, sizes.hidden)
        if "p2c" in terms:
            layer |= linear("attention.self.pos_query_proj", sizes.hidden, sizes.hidden)
    return layer


def albert(model_type: str, fields: Fields) -> tuple[ModelShape, Anatomy]:
    sizes = read_sizes(fields, ALBERT)
    width = fields.whole("embedding_size", default=128, most=MOST_WIDTH)
    groups = fields.whole("num_hidden_groups", default=1, most=sizes.layers)
    inner = fields.whole("inner_group_num", default=1, most=MOST_LAYERS // groups)
    d, f = sizes.hidden, sizes.inner
    layer = (
        norm("full_layer_layer_norm", d)
        | linear("attention.query", d, d)
        | linear("attention.key", d, d)
        | linear("attention.value", d, d)
        | linear("attention.dense", d, d)
        | norm("attention.LayerNorm", d)
        | linear("ffn", d, f)
        | linear("ffn_output", f, d)
    )
    tensors = (
        _bert_embeddings(fields, sizes, width)
        | linear("encoder.embedding_hidden_mapping_in", width, d)
        | repeated("encoder.albert_layer_groups", groups, repeated("albert_layers", inner, layer))
        | linear("pooler", d, d)
    )
    anatomy = _encoder_anatomy(
        fields,
        sizes,
        activation=fields.word("hidden_act", default="gelu_new", among=ACTIVATIONS),
        hidden_dropout=fields.share("hidden_dropout_prob", default=0.0),
        attention_dropout=fields.share("attention_probs_dropout_prob", default=0.0),
        shared_layers=max(1, round(sizes.layers / groups)),
        pooler=frozenset({"sequence", "choice"}),
    )
    return sizes.shape(model_type, tensors), anatomy


def modernbert(model_type: str, fields: Fields) -> tuple[ModelShape, Anatomy]:
    sizes = read_sizes(fields, MODERNBERT)
    d, f = sizes.hidden, sizes.inner
    attention_bias = fields.flag("attention_bias", default=False)
    mlp_bias, norm_bias = fields.flag("mlp_bias", default=False), fields.flag("norm_bias", default=False)
    layer = (
        norm("attn_norm", d, norm_bias)
        | linear("attn.Wqkv", d, 3 * d, attention_bias)
        | linear("attn.Wo", d, d, attention_bias)
        | norm("mlp_norm", d, norm_bias)
        | linear("mlp.Wi", d, 2 * f, mlp_bias)
        | linear("mlp.Wo", f, d, mlp_bias)
    )
    layers = repeated("layers", sizes.layers, layer)
    for path in norm("layers.0.attn_norm", d, norm_bias):
        # The embeddings' own norm stands right before the first layer.
        del layers[path]
    tensors = (
        {"embeddings.tok_embeddings.weight": (sizes.vocabulary, d)}
        | norm("embeddings.norm", d, norm_bias)
        | layers
        | norm("final_norm", d, norm_bias)
    )
    head: HeadStyle = "dense_without_bias_and_norm"
    anatomy = _encoder_anatomy(
        fields,
        sizes,
        norms="before",
        activation=fields.word("hidden_activation", "hidden_act", default="gelu", among=ACTIVATIONS),
        gated=True,
        hidden_dropout=0.0,
        feed_forward_dropout=fields.share("mlp_dropout", default=0.0),
        attention_dropout=fields.share("attention_dropout", default=0.0),
        final_norm=True,
        rotary=True,
        softmax_float32=True,
        sequence_head=head,
        token_head=head,
        choice_head=head,
    )
    fields.refuse("classifier_bias")
    return sizes.shape(model_type, tensors), anatomy
