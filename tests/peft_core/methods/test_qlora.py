"""QLoRA beside the real base in 4 bits, and which other methods train beside such a base."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from peft_core.errors import NotOffered
from peft_core.head import head_parameters
from peft_core.method import Method, build_method, methods
from peft_core.model_shape import read_model_shape
from peft_core.spec import TaskSpec
from peft_core.tasks.classification import Classification
from tests.peft_core.methods.one_layer import KIND, LENGTH, move

QLORA = build_method("qlora", {"dropout": 0.0})
TOKENS = torch.tensor([[2, 17, 30, 41, 3], [2, 8, 3, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


@pytest.fixture(scope="module")
def loaded(minilm: Path, tweets: TaskSpec) -> nn.Module:
    torch.manual_seed(0)
    return Classification.load_model(tweets, str(minilm), **QLORA.load_options()).eval()


@pytest.fixture
def base(loaded: nn.Module) -> nn.Module:
    return copy.deepcopy(loaded)


def attached(base: nn.Module, method: Method = QLORA) -> nn.Module:
    torch.manual_seed(0)
    return method.attach(base, task_kind=KIND, total_steps=4)


def logits(model: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        answer: torch.Tensor = model.eval()(input_ids=TOKENS, attention_mask=MASK).logits
    return answer


def step(method: Method, model: nn.Module) -> None:
    optimizer = torch.optim.AdamW(method.parameter_groups(model, 1e-2, 1e-2))
    model.train()
    method.before_step(model, 1)
    loss = nn.functional.cross_entropy(model(input_ids=TOKENS, attention_mask=MASK).logits, torch.tensor([0, 1]))
    loss.backward()  # type: ignore[no-untyped-call]
    method.after_backward(model)
    assert all(parameter.grad is not None for parameter in model.parameters() if parameter.requires_grad)
    optimizer.step()
    method.after_step(model, 1)


def in_4_bits(model: nn.Module) -> dict[str, torch.Tensor]:
    """The packed weights, two to a byte, by the path of their layer."""
    from bitsandbytes.nn.modules import Linear4bit

    return {path: module.weight.detach() for path, module in model.named_modules() if isinstance(module, Linear4bit)}


def test_the_layers_of_the_base_are_held_in_4_bits(loaded: nn.Module) -> None:
    """Of MiniLM 6 layers of 4 d^2 + 2 d d_ff weights and a pooler of d^2, half a byte each where float32 has four."""
    packed = in_4_bits(loaded)
    assert sum(tensor.nbytes for tensor in packed.values()) == (6 * (4 * 384**2 + 2 * 384 * 1536) + 384**2) // 2
    others = {tensor.dtype for name, tensor in loaded.named_parameters() if name.removesuffix(".weight") not in packed}
    assert others == {torch.float32}


@pytest.mark.parametrize("architecture", ["bert", "roberta", "deberta-v2", "modernbert", "llama"])
def test_the_head_is_not(architecture: str, small_base: Callable[[str], Path], tweets: TaskSpec) -> None:
    """Not even one of several layers, which transformers would quantise as any other."""
    model = Classification.load_model(tweets, str(small_base(architecture)), **QLORA.load_options())
    assert in_4_bits(model)
    assert all(parameter.dtype == torch.float32 for parameter in head_parameters(model))


def test_gradients_flow_after_an_evaluation_and_the_packed_weights_never_move(base: nn.Module) -> None:
    before = {path: weight.clone() for path, weight in in_4_bits(base).items()}
    model = attached(base)
    for _ in range(2):
        logits(model)
        step(QLORA, model)
    after = in_4_bits(model)
    assert len(after) == len(before)
    for path, weight in after.items():
        assert torch.equal(weight, before[path.removeprefix("base_model.model.").removesuffix(".base_layer")]), path


def test_it_is_saved_and_loaded_to_the_bit_and_gives_its_base_back(
    loaded: nn.Module, base: nn.Module, tmp_path: Path
) -> None:
    model = attached(base)
    move(model)
    answer = logits(model)
    QLORA.save(model, tmp_path)
    restored = QLORA.load(copy.deepcopy(loaded), tmp_path, task_kind=KIND)
    assert torch.equal(logits(restored), answer)
    given = QLORA.unload(model)
    assert given is not None
    assert torch.equal(logits(given), logits(attached(copy.deepcopy(loaded))))


def test_merged_it_is_a_model_in_full_precision_that_transformers_saves_and_loads(
    base: nn.Module, tmp_path: Path
) -> None:
    from transformers import AutoModelForSequenceClassification

    model = attached(base)
    move(model)
    answer = logits(model)
    merged: Any = QLORA.merge(model)
    assert not in_4_bits(merged)
    assert {parameter.dtype for parameter in merged.parameters()} == {torch.float32}
    assert torch.allclose(logits(merged), answer, atol=1e-4)
    merged.save_pretrained(str(tmp_path))
    plain = AutoModelForSequenceClassification.from_pretrained(str(tmp_path), attn_implementation="eager")
    assert torch.equal(logits(plain), logits(merged))


@pytest.fixture(scope="module")
def small_in_4_bits(small_base: Callable[[str], Path], tweets: TaskSpec) -> nn.Module:
    return Classification.load_model(tweets, str(small_base("bert")), **QLORA.load_options()).eval()


@pytest.mark.parametrize("name", [name for name, method in methods().items() if method.learning_rate is not None])
def test_a_method_says_rightly_whether_it_trains_beside_a_4_bit_base(
    name: str, small_base: Callable[[str], Path], small_in_4_bits: nn.Module
) -> None:
    everywhere = {"target_modules"} & methods()[name].model_fields.keys()
    method = build_method(name, dict.fromkeys(everywhere, "all_linear"))
    try:
        method.check(read_model_shape(small_base("bert")), task_kind=KIND, max_length=LENGTH)
    except NotOffered as reason:
        pytest.skip(str(reason))
    works = True
    try:
        step(method, attached(copy.deepcopy(small_in_4_bits), method))
    except (RuntimeError, TypeError):
        # Libraries refuse in their own ways; each is an answer to the question.
        works = False
    assert works == method.capabilities.quantised_base
