"""Memory by hand: 16 P and 8 P, w P + 16 p, phases that do not add on CUDA and do on the CPU."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from peft_core.analysis.cost_model.memory import (
    KERNEL_BYTES_BACKWARD,
    KERNEL_BYTES_FORWARD,
    LOADING_BYTES,
    LOST_SHARE,
    MOST_LENGTHS,
    RUNTIME_BYTES,
    Memory,
    size,
    working_bytes,
)
from peft_core.analysis.cost_model.parameters import head_parameters, storage_bytes, trained_numbers
from peft_core.analysis.cost_model.setting import Setting

MakeSetting = Callable[..., Setting]

PARAMETERS, HEAD = 22_713_216, 2 * 384 + 2
LORA = 6 * 2 * 16 * (384 + 384)


@pytest.mark.parametrize(("weight_bytes", "each"), [(4, 16), (2, 8)])
def test_full_fine_tuning_holds_16_or_8_bytes_a_parameter(setting: MakeSetting, weight_bytes: int, each: int) -> None:
    memory = Memory(setting("full", weight_bytes=weight_bytes))
    assert memory.weights + memory.optimizer + memory.gradients == each * (PARAMETERS + HEAD)


@pytest.mark.parametrize("weight_bytes", [4, 2])
def test_parameters_beside_a_frozen_base_hold_w_p_and_16_p(setting: MakeSetting, weight_bytes: int) -> None:
    memory = Memory(setting("lora", weight_bytes=weight_bytes))
    assert memory.weights + memory.optimizer + memory.gradients == weight_bytes * PARAMETERS + 16 * (LORA + HEAD)


def test_linear_layers_in_4_bits_hold_half_a_byte_and_their_scales(setting: MakeSetting) -> None:
    asked = setting("qlora", hyperparameters={"target_modules": "query_value"})
    matrices = 10_616_832
    whole = Memory(setting("lora")).weights
    assert whole - Memory(asked).weights == pytest.approx((4 - 0.5159) * matrices, rel=1e-4)
    # CUDA holds a tensor whole before it is narrowed, at worst the token table; a CPU reads all of them from the file.
    assert Memory(replace(asked, device="cuda")).load_peak == Memory(asked).weights + 4 * 30_522 * 384
    assert Memory(asked).load_peak == Memory(asked).weights + 4 * matrices + LOADING_BYTES


def test_a_cpu_reads_no_weight_before_it_is_asked_for(setting: MakeSetting) -> None:
    assert Memory(setting("lora")).load_peak == LOADING_BYTES + 4 * (LORA + HEAD)
    assert Memory(setting("lora", device="cuda")).load_peak == 4 * (PARAMETERS + LORA + HEAD)


def test_a_file_in_16_bits_is_there_beside_the_weights_made_of_it(setting: MakeSetting) -> None:
    # SmolLM2-135M, stored in bfloat16: 826 MB were measured at its loading, 538 of them weights.
    config = {"model_type": "llama", "hidden_size": 576, "num_hidden_layers": 30, "num_attention_heads": 9}
    config |= {"num_key_value_heads": 3, "intermediate_size": 1536, "vocab_size": 49_152, "dtype": "bfloat16"}
    memory = Memory(setting("lora", config | {"tie_word_embeddings": True}, task_kind="causal_lm"))
    assert memory.load_peak == pytest.approx(826e6, rel=0.01)


def test_what_a_method_holds_without_training_it_counts(setting: MakeSetting) -> None:
    frozen = 256 * (384 + 384)
    vera, trained = setting("vera", hyperparameters={"rank": 256}), 12 * (256 + 384)
    assert Memory(vera).weights == 4 * (PARAMETERS + frozen + trained + HEAD)
    assert Memory(vera).optimizer == 8 * (trained + HEAD)


def test_an_untuned_run_holds_the_weights_alone(setting: MakeSetting) -> None:
    memory = Memory(setting("untuned"))
    assert (memory.weights, memory.optimizer, memory.gradients) == (4 * PARAMETERS, 0, 0)


def test_on_cuda_the_peak_is_the_larger_phase(setting: MakeSetting) -> None:
    short = Memory(setting("full", budget={"batch_size": 1, "max_length": 8}, device="cuda"))
    assert short.activations.kept < short.gradients
    assert short.training_peak == 16 * (PARAMETERS + HEAD)
    long = Memory(setting("full", budget={"batch_size": 64, "max_length": 256}, device="cuda"))
    assert long.training_peak == 12 * (PARAMETERS + HEAD) + long.activations.kept + working_bytes(long.setting)


def test_gradients_of_the_first_parts_are_there_while_the_next_goes_forward(setting: MakeSetting) -> None:
    whole = Memory(setting("full", budget={"batch_size": 64}, device="cuda"))
    parts = Memory(setting("full", budget={"batch_size": 64, "accumulation": 8}, device="cuda"))
    assert parts.activations.kept == pytest.approx(whole.activations.kept / 8)
    assert parts.training_peak > 16 * (PARAMETERS + HEAD) + parts.activations.kept


def test_on_the_cpu_phases_add(setting: MakeSetting) -> None:
    memory = Memory(setting("full"))
    expected = 16 * (PARAMETERS + HEAD) + memory.activations.kept + LOST_SHARE * memory.activations.passing
    assert memory.training_peak == pytest.approx(expected + RUNTIME_BYTES)


@pytest.mark.parametrize(("method", "each"), [("lora", KERNEL_BYTES_BACKWARD), ("head_only", KERNEL_BYTES_FORWARD)])
@pytest.mark.parametrize(("lengths", "counted"), [(8, 8), (None, 32), (500, MOST_LENGTHS)])
def test_on_the_cpu_bfloat16_keeps_kernels_for_every_length(
    setting: MakeSetting, method: str, each: int, lengths: int | None, counted: int
) -> None:
    memory = Memory(setting(method, precision="bf16", lengths=lengths))
    held = memory.weights + memory.optimizer + memory.gradients + memory.activations.kept + memory.lost
    assert memory.training_peak == pytest.approx(held + RUNTIME_BYTES + counted * each)


def test_a_checkpointed_pass_keeps_one_input_a_layer_and_one_layer(setting: MakeSetting) -> None:
    plain, again = (
        Memory(setting("bitfit", budget={"gradient_checkpointing": checkpointing})).activations
        for checkpointing in (False, True)
    )
    assert again.kept == pytest.approx(6 * 4 * 8 * 64 * 384 + plain.kept / 6)


def test_where_no_gradient_passes_nothing_is_kept(setting: MakeSetting) -> None:
    assert Memory(setting("head_only")).activations.kept == 0


def test_logits_over_a_vocabulary_take_12_bytes_each(setting: MakeSetting) -> None:
    config = {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    asked = setting("lora", config | {"intermediate_size": 128, "vocab_size": 50_000}, task_kind="causal_lm")
    assert Memory(asked).logits == 12 * 8 * 64 * 50_000
    assert Memory(setting("lora")).logits == 0


@pytest.mark.parametrize("method", ["full", "lora", "adapter", "prefix_tuning", "prompt_tuning", "qlora", "head_only"])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_least_is_less_than_the_estimate(setting: MakeSetting, method: str, device: str) -> None:
    memory = Memory(setting(method, device=device))
    assert 0 < memory.least < memory.training_peak <= memory.peak


@pytest.mark.parametrize(
    ("model_type", "kind", "labels", "expected"),
    [
        ("bert", "classification", 3, 3 * 384 + 3),
        ("bert", "regression", 3, 384 + 1),
        ("bert", "token_classification", 9, 9 * 384 + 9),
        ("bert", "multiple_choice", 4, 384 + 1),
        ("roberta", "classification", 3, 384 * 384 + 384 + 3 * 384 + 3),
        ("llama", "classification", 3, 3 * 384),
        ("llama", "causal_lm", 3, 0),
    ],
)
def test_heads_by_architecture_and_kind_of_task(
    setting: MakeSetting, model_type: str, kind: str, labels: int, expected: int
) -> None:
    config = {"model_type": model_type, "hidden_size": 384, "num_hidden_layers": 2, "num_attention_heads": 12}
    asked = setting("lora", config, task_kind=kind, labels=labels)
    assert head_parameters(asked) == expected
    assert trained_numbers(asked) == asked.method.trainable_parameters(asked.shape) + expected


def test_a_token_head_comes_without_the_pooler(setting: MakeSetting) -> None:
    assert setting("full", task_kind="token_classification").shape.parameters == PARAMETERS - 384 * 384 - 384


def test_storage_is_adapter_and_head_in_float32(setting: MakeSetting) -> None:
    assert storage_bytes(setting("lora")) == pytest.approx(4 * (LORA + HEAD), abs=3_000)
    assert storage_bytes(setting("untuned")) == 0


@pytest.mark.parametrize(("count", "said"), [(590, "0.59 kB"), (1.23e6, "1.23 MB"), (45.04e9, "45 GB")])
def test_sizes_in_sentences(count: float, said: str) -> None:
    assert size(count) == said
