"""A config alone gives what transformers would build from it, and a config that nobody vouches for is refused."""

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModel

from peft_core.errors import InvalidBaseModel
from peft_core.model_config import FAMILIES, InvalidConfig, read_config, shape_from_config
from peft_core.model_shape import read_model_shape

SMALL: dict[str, Any] = {
    "hidden_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 80,
    "vocab_size": 99,
    "max_position_embeddings": 40,
    "pad_token_id": 0,
}
DECODER = SMALL | {"num_key_value_heads": 2, "head_dim": 16}
VARIANTS: list[dict[str, Any]] = [
    {"model_type": "llama"} | DECODER | {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True},
    {"model_type": "llama"} | SMALL | {"num_key_value_heads": None},
    {"model_type": "mistral"} | DECODER,
    {"model_type": "qwen2"} | SMALL | {"num_key_value_heads": 2},
    {"model_type": "qwen3"} | DECODER | {"attention_bias": True},
    {"model_type": "gemma"} | DECODER,
    {"model_type": "gemma2"} | DECODER,
    {"model_type": "gemma3_text"} | DECODER,
    {"model_type": "phi3"} | SMALL | {"num_key_value_heads": 2},
    {"model_type": "smollm3"} | SMALL | {"num_key_value_heads": 2},
    {"model_type": "olmo2"} | SMALL | {"num_key_value_heads": 2},
    {"model_type": "gpt2", "n_embd": 48, "n_layer": 3, "n_head": 4, "n_positions": 40, "vocab_size": 99},
    {"model_type": "gpt2", "hidden_size": 48, "num_hidden_layers": 2, "n_head": 4, "n_inner": 50},
    {"model_type": "opt"} | SMALL | {"ffn_dim": 80, "word_embed_proj_dim": 32},
    {"model_type": "opt"} | SMALL | {"ffn_dim": 80, "enable_bias": False, "do_layer_norm_before": False},
    {"model_type": "bert"} | SMALL | {"type_vocab_size": 3},
    {"model_type": "roberta"} | SMALL | {"type_vocab_size": 1},
    {"model_type": "xlm-roberta"} | SMALL,
    {"model_type": "camembert"} | SMALL,
    {"model_type": "electra"} | SMALL | {"embedding_size": 24},
    {"model_type": "electra"} | SMALL | {"embedding_size": 48},
    {"model_type": "distilbert", "dim": 48, "n_layers": 2, "n_heads": 4, "hidden_dim": 80, "vocab_size": 99},
    {"model_type": "mpnet"} | SMALL | {"relative_attention_num_buckets": 16},
    {"model_type": "deberta-v2"} | SMALL,
    {"model_type": "deberta-v2"}
    | SMALL
    | {
        "relative_attention": True,
        "pos_att_type": "p2c|c2p",
        "position_buckets": 16,
        "norm_rel_ebd": "layer_norm",
        "position_biased_input": False,
        "type_vocab_size": 2,
        "conv_kernel_size": 3,
        "embedding_size": 24,
    },
    {"model_type": "deberta-v2"}
    | SMALL
    | {"relative_attention": True, "pos_att_type": ["p2c"], "share_att_key": True, "max_relative_positions": 20},
    {"model_type": "modernbert"} | SMALL | {"attention_bias": True, "mlp_bias": True, "norm_bias": True},
    {"model_type": "modernbert"} | SMALL,
    {"model_type": "albert"} | SMALL | {"num_hidden_groups": 2, "inner_group_num": 2, "embedding_size": 24},
    {"model_type": "t5", "d_model": 48, "d_kv": 8, "d_ff": 80, "num_layers": 2, "num_heads": 4, "vocab_size": 99},
    {"model_type": "t5", "d_model": 48, "d_ff": 80, "num_layers": 2, "num_decoder_layers": 3, "num_heads": 4}
    | {"feed_forward_proj": "gated-gelu"},
    {"model_type": "mt5", "d_model": 48, "num_heads": 4, "num_layers": 2},
]
"""Small models of every family, with the options that change tensors."""

LLAMA_3_2_3B: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 3072,
    "intermediate_size": 8192,
    "num_hidden_layers": 28,
    "num_attention_heads": 24,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 128_256,
    "max_position_embeddings": 131_072,
    "tie_word_embeddings": True,
}
FULL_SIZE: dict[str, tuple[dict[str, Any], int]] = {
    "Llama-3.2-3B": (LLAMA_3_2_3B, 3_212_749_824),
    "Qwen2.5-7B": (
        {
            "model_type": "qwen2",
            "hidden_size": 3584,
            "intermediate_size": 18_944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
            "vocab_size": 152_064,
            "max_position_embeddings": 131_072,
            "tie_word_embeddings": False,
        },
        7_615_616_512 - 152_064 * 3584,
    ),
    "Mistral-7B-v0.1": (
        {
            "model_type": "mistral",
            "hidden_size": 4096,
            "intermediate_size": 14_336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "vocab_size": 32_000,
            "max_position_embeddings": 32_768,
            "tie_word_embeddings": False,
        },
        7_241_732_096 - 32_000 * 4096,
    ),
    "Gemma-2-2b": (
        {
            "model_type": "gemma2",
            "hidden_size": 2304,
            "intermediate_size": 9216,
            "num_hidden_layers": 26,
            "num_attention_heads": 8,
            "num_key_value_heads": 4,
            "head_dim": 256,
            "vocab_size": 256_000,
            "max_position_embeddings": 8192,
            "hidden_act": "gelu_pytorch_tanh",
        },
        2_614_341_888,
    ),
    "BERT-base": (
        {
            "model_type": "bert",
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "vocab_size": 30_522,
            "max_position_embeddings": 512,
            "type_vocab_size": 2,
        },
        109_482_240,
    ),
    "RoBERTa-base": (
        {
            "model_type": "roberta",
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "vocab_size": 50_265,
            "max_position_embeddings": 514,
            "type_vocab_size": 1,
        },
        124_645_632,
    ),
    "T5-base": (
        {
            "model_type": "t5",
            "d_model": 768,
            "d_ff": 3072,
            "d_kv": 64,
            "num_layers": 12,
            "num_heads": 12,
            "n_positions": 512,
            "vocab_size": 32_128,
            "relative_attention_num_buckets": 32,
            "feed_forward_proj": "relu",
        },
        222_903_552,
    ),
}
"""As published on the hub, with the parameters of the base (the language-model head apart where it is not tied)."""


def built(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Every parameter that transformers makes of a config."""
    with torch.device("meta"):
        model = AutoModel.from_config(AutoConfig.for_model(**config))  # type: ignore[no-untyped-call]
    return {path: tuple(parameter.shape) for path, parameter in model.named_parameters()}


def told(config: dict[str, Any]) -> str:
    return f"{config['model_type']}-{len(config)}"


@pytest.mark.parametrize("config", VARIANTS, ids=told)
def test_small_models_have_exactly_what_transformers_builds(config: dict[str, Any]) -> None:
    assert shape_from_config(config).tensors == built(config)


@pytest.mark.parametrize("model_type", [name for name in FAMILIES if name not in ("albert", "deberta-v2")])
def test_what_a_config_leaves_out_is_what_transformers_takes(model_type: str) -> None:
    # Two layers are enough to see every default of a layer.
    layers = "n_layers" if model_type == "distilbert" else "num_layers" if "t5" in model_type else "num_hidden_layers"
    config: dict[str, Any] = {"model_type": model_type, "n_layer" if model_type == "gpt2" else layers: 2}
    assert shape_from_config(config).tensors == built(config)
    read = AutoConfig.for_model(model_type)
    shape = shape_from_config({"model_type": model_type})
    assert (shape.layers, shape.hidden_size, shape.heads, shape.vocabulary_size) == (
        read.num_hidden_layers,
        read.hidden_size,
        read.num_attention_heads,
        read.vocab_size,
    )


@pytest.mark.parametrize("name", FULL_SIZE)
def test_full_size_models_have_exactly_what_transformers_builds(name: str) -> None:
    config, parameters = FULL_SIZE[name]
    shape = shape_from_config(config)
    assert shape.tensors == built(config)
    assert shape.parameters == parameters


def test_an_untied_language_model_head_is_counted_apart() -> None:
    assert shape_from_config(FULL_SIZE["Qwen2.5-7B"][0]).language_head_parameters == 152_064 * 3584
    assert shape_from_config(LLAMA_3_2_3B).language_head_parameters == 0


@pytest.mark.parametrize("architecture", ["llama", "bert", "roberta", "electra", "distilbert", "gpt2"])
def test_a_saved_model_reads_as_its_config_does(architecture: str, tmp_path: Path) -> None:
    config = next(config for config in VARIANTS if config["model_type"] == architecture)
    model = AutoModel.from_config(AutoConfig.for_model(**config))  # type: ignore[no-untyped-call]
    model.save_pretrained(tmp_path)
    # Which tokens frame a text is told by the folder's numbers, defaults of transformers included.
    assert replace(read_model_shape(tmp_path), special_tokens=()) == shape_from_config(config)


def test_a_folder_that_holds_a_pretraining_head_reads_without_it(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

    kinds: dict[str, Any] = {"bert": AutoModelForMaskedLM, "llama": AutoModelForCausalLM}
    for architecture, kind in kinds.items():
        config = {"model_type": architecture} | SMALL
        model = kind.from_config(AutoConfig.for_model(**config))
        model.save_pretrained(tmp_path / architecture)
        read = read_model_shape(tmp_path / architecture)
        expected = shape_from_config(config)
        pooler = 48 * 49 if architecture == "bert" else 0
        assert read.parameters == expected.parameters - pooler
        assert read.language_head_parameters == expected.language_head_parameters


HUGE = 10**400


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"hidden_size": -1}, "hidden_size"),
        ({"hidden_size": 0}, "hidden_size"),
        ({"hidden_size": 10**7}, "hidden_size"),
        ({"hidden_size": HUGE}, "hidden_size"),
        ({"hidden_size": 48.0}, "hidden_size"),
        ({"hidden_size": math.nan}, "hidden_size"),
        ({"hidden_size": "48"}, "hidden_size"),
        ({"hidden_size": [48]}, "hidden_size"),
        ({"hidden_size": True}, "hidden_size"),
        ({"hidden_size": {}}, "hidden_size"),
        ({"num_hidden_layers": 1_001}, "num_hidden_layers"),
        ({"num_hidden_layers": 0}, "num_hidden_layers"),
        ({"vocab_size": 10**9}, "vocab_size"),
        ({"num_attention_heads": 5}, "num_attention_heads"),
        ({"num_attention_heads": 4, "num_key_value_heads": 3}, "num_key_value_heads"),
        ({"head_dim": -8}, "head_dim"),
        ({"intermediate_size": 10**12}, "intermediate_size"),
        ({"max_position_embeddings": -5}, "max_position_embeddings"),
        ({"attention_dropout": 1.5}, "attention_dropout"),
        ({"attention_dropout": math.nan}, "attention_dropout"),
        ({"attention_bias": "yes"}, "attention_bias"),
        ({"hidden_act": "__import__('os')"}, "hidden_act"),
        ({"hidden_act": 3}, "hidden_act"),
        ({"tie_word_embeddings": 1}, "tie_word_embeddings"),
        ({"auto_map": {"AutoModel": "a.B"}}, "auto_map"),
        ({"model_type": "evil"}, "model_type"),
        ({"model_type": None}, "model_type"),
        ({"model_type": ["llama"]}, "model_type"),
    ],
)
def test_a_config_out_of_bounds_is_refused_by_name(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidConfig) as refusal:
        read_config({"model_type": "llama"} | DECODER | change)
    assert refusal.value.field == field
    assert field in str(refusal.value)
    assert len(str(refusal.value)) < 600


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "bert", "is_decoder": True},
        {"model_type": "gpt2", "add_cross_attention": True},
        {"model_type": "deberta-v2", "pos_att_type": 7},
        {"model_type": "deberta-v2", "pos_att_type": ["c2p"] * 1000},
        {"model_type": "deberta-v2", "attention_head_size": 3},
        {"model_type": "deberta-v2", "conv_kernel_size": 3, "conv_groups": 7},
        {"model_type": "t5", "feed_forward_proj": "gated-evil"},
        {"model_type": "t5", "d_kv": None, "num_heads": 10**9},
        {"model_type": "albert", "num_hidden_groups": 13},
        {"model_type": "albert", "inner_group_num": 10**6},
        {},
    ],
)
def test_other_models_than_the_ones_known_are_refused(config: dict[str, Any]) -> None:
    with pytest.raises(InvalidBaseModel):
        read_config(config)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_the_largest_config_takes_no_time(model_type: str) -> None:
    config: dict[str, Any] = {"model_type": model_type, "vocab_size": 10**8}
    config |= dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers", "num_hidden_groups"), 1_000)
    started = time.perf_counter()
    shape = shape_from_config(config)
    assert shape.parameters > 10**9
    assert time.perf_counter() - started < 0.5
