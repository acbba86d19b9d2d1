"""One layer by hand: values worked out on paper, and the methods' own formulas as the second opinion."""

import pytest

from peft_core.analysis.cost_model import layer_arithmetic as arithmetic
from peft_core.analysis.cost_model.flops import forward_flops
from peft_core.analysis.cost_model.setting import Setting
from peft_core.method import build_method
from peft_core.model_config import read_config
from peft_core.model_config.published import PUBLISHED_MODELS
from peft_core.spec import Budget

WIDTH, LAYERS, RANK, BOTTLENECK, LENGTH = 768, 12, 8, 96, 50


def bert(method: str, **hyperparameters: int) -> Setting:
    """BERT base with one text of 128 tokens."""
    base, anatomy = read_config(PUBLISHED_MODELS["bert_base"].config)
    return Setting(
        base=base,
        anatomy=anatomy,
        method=build_method(method, dict(hyperparameters)),
        task_kind="classification",
        labels=2,
        budget=Budget(steps=1, batch_size=1, max_length=128),
    )


def added(method: str, **hyperparameters: int) -> float:
    """FLOPs for each token that the method adds to the forward pass, by the cost model."""
    return (forward_flops(bert(method, **hyperparameters)) - forward_flops(bert("untuned"))) / 128


def test_values_worked_out_on_paper() -> None:
    assert arithmetic.lora_parameters(768, 8) == 12_288
    assert arithmetic.lora_reduction(768, 8) == 48
    assert arithmetic.lora_added_share(768, 8) == pytest.approx(1 / 48)
    assert arithmetic.lora_reduction(4096, 1) == 2048
    assert arithmetic.lora_fastest() == 1.5
    assert arithmetic.adapter_parameters(768, 96) == 2 * 768 * 96 + 96 + 768
    assert arithmetic.prefix_parameters(12, 50, 768) == 921_600
    assert arithmetic.prefix_flops(12, 50, 768) == 1_843_200


def test_lora_adds_to_the_forward_pass_what_its_share_says() -> None:
    matrices = 2 * LAYERS  # queries and values
    whole = 2 * arithmetic.matrix_parameters(WIDTH)
    assert added("lora", rank=RANK) == pytest.approx(matrices * whole * arithmetic.lora_added_share(WIDTH, RANK))
    assert added("lora", rank=RANK) > 0


def test_an_adapter_and_a_prefix_add_what_the_formulas_say() -> None:
    assert added("adapter", bottleneck_size=BOTTLENECK) == pytest.approx(
        LAYERS * arithmetic.adapter_flops(WIDTH, BOTTLENECK), rel=0.01
    )
    assert added("p_tuning_v2", num_virtual_tokens=LENGTH) == arithmetic.prefix_flops(LAYERS, LENGTH, WIDTH)


def test_the_methods_count_the_same_parameters() -> None:
    shape = bert("full").shape
    lora = build_method("lora", {"rank": RANK}).trainable_parameters(shape)
    assert lora == 2 * LAYERS * arithmetic.lora_parameters(WIDTH, RANK)
    adapter = build_method("adapter", {"bottleneck_size": BOTTLENECK}).trainable_parameters(shape)
    assert adapter == LAYERS * arithmetic.adapter_parameters(WIDTH, BOTTLENECK)
    prefix = build_method("p_tuning_v2", {"num_virtual_tokens": LENGTH}).trainable_parameters(shape)
    assert prefix == arithmetic.prefix_parameters(LAYERS, LENGTH, WIDTH)


@pytest.mark.parametrize(
    ("key", "billions"),
    [
        ("bert_base", 0.110),
        ("bert_large", 0.335),
        ("gpt2", 0.124),
        ("gpt2_xl", 1.558),
        ("llama_7b", 6.74),
        ("llama_13b", 13.02),
        ("llama_65b", 65.3),
        ("gpt3", 174.6),
    ],
)
def test_the_printed_configurations_have_the_printed_sizes(key: str, billions: float) -> None:
    shape, _ = read_config(PUBLISHED_MODELS[key].config)
    assert (shape.parameters + shape.language_head_parameters) / 1e9 == pytest.approx(billions, rel=0.01)
