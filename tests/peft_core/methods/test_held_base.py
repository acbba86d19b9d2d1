"""Holding the frozen base in bf16 while training changes no number of any method, and leaves the base as it was."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from peft_core.data import Item
from peft_core.errors import PeftCoreError
from peft_core.held_base import frozen_base_in_bf16
from peft_core.method import Method, build_method, methods
from peft_core.model_shape import read_model_shape
from peft_core.spec import TaskSpec
from peft_core.task import task_kind
from peft_core.tasks._language import Continuation
from peft_core.tasks.classification import Classification
from peft_core.training import Loop, Plan, Training

ITEMS = [Item(index, (2, *range(20 + index, 25 + 2 * index), 3), index % 2) for index in range(8)]
TRAINED = [name for name, kind in methods().items() if kind.learning_rate is not None]
KIND = "classification"
CPU = torch.device("cpu")

LoadClassifier = Callable[[Path], nn.Module]


@pytest.fixture(scope="module")
def loaded(short_encoder: Path, tweets: TaskSpec) -> nn.Module:
    torch.manual_seed(0)
    return Classification.load_model(tweets, str(short_encoder)).eval()


def offered(name: str, folder: Path, kind: str = KIND) -> Method:
    method = build_method(name, {})
    try:
        method.check(read_model_shape(folder), task_kind=kind, max_length=64)
    except PeftCoreError as reason:
        pytest.skip(f"not offered here: {reason}")
    return method


def attached(method: Method, loaded: nn.Module, kind: str = KIND) -> nn.Module:
    torch.manual_seed(0)
    model = method.attach(copy.deepcopy(loaded), task_kind=kind, total_steps=4)
    method.before_training(model, ITEMS)
    return model


def two_steps(method: Method, model: nn.Module, kind: str = KIND) -> list[torch.Tensor]:
    """What two steps give: losses, norms of the gradients, and the trained tensors."""
    items = ITEMS if kind == KIND else [Item(item.index, item.tokens, Continuation(start=1)) for item in ITEMS]
    training = Training(model, Loop(method, task_kind(kind), CPU, "bf16", 0), Plan(4, 1e-2, 1e-2))
    torch.manual_seed(0)
    steps = [training.step(items[:4]), training.step(items[4:])]
    trained = [parameter.detach().clone() for parameter in model.parameters() if parameter.requires_grad]
    return [torch.tensor([(step.loss, step.gradient_norm) for step in steps]), *trained]


def held_bytes(model: nn.Module) -> int:
    parameters = {parameter for parameter in model.parameters() if parameter.dtype == torch.bfloat16}
    return sum(parameter.nbytes for parameter in parameters)


@pytest.mark.parametrize("name", TRAINED)
def test_every_method_trains_the_same_to_the_bit(name: str, short_encoder: Path, loaded: nn.Module) -> None:
    method = offered(name, short_encoder)
    model = attached(method, loaded)
    before = [(parameter, parameter.data_ptr(), parameter.detach().clone()) for parameter in model.parameters()]
    with frozen_base_in_bf16(model, method, "bf16"):
        held = held_bytes(model)
        found = two_steps(method, model)
    assert (held > 0) == (name != "full")
    expected = two_steps(method, attached(method, loaded))
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    assert held_bytes(model) == 0
    for parameter, place, values in before:
        assert parameter.data_ptr() == place
        assert parameter.requires_grad or torch.equal(parameter, values)


@pytest.mark.parametrize("name", ["full", "lora", "ia3", "prefix_tuning", "prompt_tuning", "adaption_prompt"])
def test_an_output_layer_tied_to_the_embeddings_is_not_held(name: str, small_decoder: Path, tweets: TaskSpec) -> None:
    method = offered(name, small_decoder, "causal_lm")
    loaded = task_kind("causal_lm").load_model(tweets, str(small_decoder)).eval()
    model = attached(method, loaded, "causal_lm")
    with frozen_base_in_bf16(model, method, "bf16"):
        assert model.get_input_embeddings().weight.dtype == torch.float32  # type: ignore[operator]
        found = two_steps(method, model, "causal_lm")
    expected = two_steps(method, attached(method, loaded, "causal_lm"), "causal_lm")
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    "architecture", ["roberta", "mpnet", "deberta-v2", "distilbert", "modernbert", "gemma", "qwen2", "t5"]
)
def test_every_architecture_trains_the_same_to_the_bit(
    architecture: str, small_base: Callable[[str], Path], load_classifier: LoadClassifier
) -> None:
    method, base = build_method("lora", {}), load_classifier(small_base(architecture))
    model = attached(method, base)
    with frozen_base_in_bf16(model, method, "bf16"):
        found = two_steps(method, model)
    expected = two_steps(method, attached(method, base))
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_the_base_comes_back_from_a_failure(loaded: nn.Module) -> None:
    method = build_method("lora", {})
    model = attached(method, loaded)
    before = {name: (tensor.data_ptr(), tensor.dtype) for name, tensor in model.named_parameters()}

    def broken() -> None:
        with frozen_base_in_bf16(model, method, "bf16"):
            assert held_bytes(model) > 0
            raise RuntimeError("memory ran out")

    with pytest.raises(RuntimeError, match="memory ran out"):
        broken()
    assert {name: (tensor.data_ptr(), tensor.dtype) for name, tensor in model.named_parameters()} == before


def test_in_float32_and_beside_weights_in_4_bits_nothing_is_held(
    loaded: nn.Module, minilm: Path, tweets: TaskSpec
) -> None:
    lora, qlora = build_method("lora", {}), build_method("qlora", {})
    model = attached(lora, loaded)
    with frozen_base_in_bf16(model, lora, "fp32"):
        assert held_bytes(model) == 0
    in_4_bits = Classification.load_model(tweets, str(minilm), **qlora.load_options())
    model = qlora.attach(in_4_bits, task_kind=KIND, total_steps=4)
    packed = [parameter for parameter in model.parameters() if parameter.dtype == torch.uint8]
    with frozen_base_in_bf16(model, qlora, "bf16"):
        assert packed
        assert all(parameter.dtype == torch.uint8 for parameter in packed)
