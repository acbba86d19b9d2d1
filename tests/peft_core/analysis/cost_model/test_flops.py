"""FLOPs by hand: 6 P_c, 4 P_c + 6 p, 2 P_c, 8 P_c, and what attention and virtual tokens add."""

from collections.abc import Callable

import pytest

from peft_core.analysis.cost_model.flops import (
    flops_per_token,
    forward_flops,
    matrix_parameters,
    output_parameters,
    training_flops,
)
from peft_core.analysis.cost_model.setting import Setting

MakeSetting = Callable[..., Setting]

LAYERS, WIDTH, INNER, TOKENS, KEYS = 6, 384, 1536, 8 * 64, 64
MATRICES = LAYERS * (4 * WIDTH * WIDTH + 2 * WIDTH * INNER)
ATTENTION = 4 * LAYERS * KEYS * WIDTH
"""Forward, of each token: 2 s d for queries with keys and 2 s d for weights with values, in each layer."""
HEAD = 2 * 8 * (WIDTH * 2 + 2)
"""Of one pass: a classifier of two labels reads one token of each of 8 texts."""


def test_minilm_multiplies_with_10_6_of_its_22_7_million_parameters(setting: MakeSetting) -> None:
    asked = setting("full")
    assert asked.shape.parameters == 22_713_216
    assert matrix_parameters(asked) == MATRICES == 10_616_832


def test_full_fine_tuning_takes_6_p_c(setting: MakeSetting) -> None:
    asked = setting("full")
    assert forward_flops(asked) == TOKENS * (2 * MATRICES + ATTENTION) + HEAD
    assert training_flops(asked) == TOKENS * (6 * MATRICES + 3 * ATTENTION) + 3 * HEAD
    assert flops_per_token(asked) * TOKENS == pytest.approx(training_flops(asked))


def test_parameters_beside_a_frozen_base_take_4_p_c_and_6_p(setting: MakeSetting) -> None:
    asked = setting("lora", hyperparameters={"rank": 16})
    beside = LAYERS * 2 * 16 * (WIDTH + WIDTH)
    assert asked.method.trainable_parameters(asked.shape) == beside
    assert training_flops(asked) == TOKENS * (4 * MATRICES + 6 * beside + 3 * ATTENTION) + 3 * HEAD


def test_a_head_alone_takes_2_p_c(setting: MakeSetting) -> None:
    asked = setting("head_only")
    assert training_flops(asked) == TOKENS * (2 * MATRICES + ATTENTION) + 3 * HEAD


def test_checkpointing_goes_forward_twice(setting: MakeSetting) -> None:
    asked = setting("full", budget={"gradient_checkpointing": True})
    assert training_flops(asked) == TOKENS * (8 * MATRICES + 4 * ATTENTION) + 4 * HEAD


def test_adapters_leave_the_first_layer_without_a_way_back(setting: MakeSetting) -> None:
    asked = setting("adapter", hyperparameters={"bottleneck_size": 48, "position": "after_ffn"})
    beside = LAYERS * 2 * WIDTH * 48
    reached = 5 / 6
    each = 2 * MATRICES + 2 * reached * MATRICES + 6 * beside + ATTENTION + 2 * reached * ATTENTION
    assert training_flops(asked) == pytest.approx(TOKENS * each + 3 * HEAD)


def test_virtual_tokens_in_front_are_worked_on_like_others(setting: MakeSetting) -> None:
    asked = setting("prompt_tuning", hyperparameters={"num_virtual_tokens": 16})
    longer = 4 * LAYERS * (KEYS + 16) * WIDTH
    assert training_flops(asked) == TOKENS * (64 + 16) / 64 * (4 * MATRICES + 3 * longer) + 3 * HEAD


def test_virtual_keys_and_values_add_4_l_n_d_to_each_token(setting: MakeSetting) -> None:
    asked = setting("p_tuning_v2", hyperparameters={"num_virtual_tokens": 16})
    longer = ATTENTION + 4 * LAYERS * 16 * WIDTH
    assert training_flops(asked) == TOKENS * (4 * MATRICES + 3 * longer) + 3 * HEAD


def test_the_mlp_of_prefix_tuning_works_once_for_a_batch(setting: MakeSetting) -> None:
    made, direct = (
        setting(name, hyperparameters={"num_virtual_tokens": 16}) for name in ("prefix_tuning", "p_tuning_v2")
    )
    mlp = 2 * 16 * 256 * (WIDTH + 2 * LAYERS * WIDTH)
    assert training_flops(made) - training_flops(direct) == 3 * mlp


def test_a_tied_output_layer_is_counted_and_its_table_is_not(setting: MakeSetting) -> None:
    config = {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config |= {"intermediate_size": 128, "vocab_size": 1000, "num_key_value_heads": 2, "tie_word_embeddings": True}
    asked = setting("full", config, task_kind="causal_lm")
    layer = 2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 128
    assert output_parameters(asked) == 64 * 1000
    assert matrix_parameters(asked) == 2 * layer + 64 * 1000
    assert matrix_parameters(setting("full", config)) == 2 * layer


def test_layers_that_are_used_again_count_again(setting: MakeSetting) -> None:
    config = {"model_type": "albert", "embedding_size": 32, "hidden_size": 64, "num_hidden_layers": 4}
    config |= {"num_attention_heads": 4, "intermediate_size": 128}
    asked = setting("full", config)
    assert matrix_parameters(asked) == 4 * (4 * 64 * 64 + 2 * 64 * 128) + 32 * 64


def test_choices_are_texts_of_their_own(setting: MakeSetting) -> None:
    one, four = (setting("full", task_kind=kind, labels=4) for kind in ("classification", "multiple_choice"))
    per_text = TOKENS * (6 * MATRICES + 3 * ATTENTION)
    assert training_flops(four) == 4 * (per_text + 3 * 2 * 8 * (WIDTH + 1))
    assert training_flops(one) == per_text + 3 * 2 * 8 * (4 * WIDTH + 4)
