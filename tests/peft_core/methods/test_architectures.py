"""Every method on every architecture: it works and counts right, or it is refused before a run with the reason."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from peft_core.errors import NotOffered
from peft_core.head import is_head
from peft_core.method import Method, build_method, methods
from peft_core.methods._prefix import PrefixMethod
from peft_core.model_shape import ModelShape, read_model_shape
from peft_core.training import split_head

ARCHITECTURES = (
    "bert",
    "roberta",
    "electra",
    "mpnet",
    "deberta-v2",
    "distilbert",
    "modernbert",
    "gpt2",
    "llama",
    "qwen2",
    "mistral",
    "gemma",
    "t5",
)
UNLIKE = [name for name in ARCHITECTURES if name not in ("electra", "mistral")]
"""Without those whose layers have the names and the shapes of BERT's and Llama's: what is saved and merged there is
the same."""

KIND = "classification"
LENGTH = 16

LoadClassifier = Callable[[Path], nn.Module]


@pytest.fixture(scope="module", params=ARCHITECTURES)
def folder(request: pytest.FixtureRequest, small_base: Callable[[str], Path]) -> Path:
    return small_base(request.param)


@pytest.fixture(scope="module")
def shape(folder: Path) -> ModelShape:
    return read_model_shape(folder)


@pytest.fixture(scope="module")
def plain(folder: Path, load_classifier: LoadClassifier) -> nn.Module:
    """The base model with its head, never changed."""
    return load_classifier(folder)


@pytest.fixture(scope="module")
def offered(shape: ModelShape) -> dict[str, Method]:
    """The methods that do not refuse this architecture, by name, with their default hyper-parameters."""
    built = {name: build_method(name, {}) for name in methods()}
    return {name: method for name, method in built.items() if not is_refused(method, shape)}


@pytest.fixture(scope="module")
def adapted(offered: dict[str, Method], plain: nn.Module) -> dict[str, nn.Module]:
    """The base model with each method, every trained parameter moved as training would; never changed again."""
    models = {name: attach(method, copy.deepcopy(plain)) for name, method in offered.items()}
    for model in models.values():
        move([parameter for parameter in model.parameters() if parameter.requires_grad])
    return models


def is_refused(method: Method, shape: ModelShape) -> bool:
    try:
        method.check(shape, task_kind=KIND, max_length=LENGTH)
    except NotOffered:
        return True
    return False


def attach(method: Method, base: nn.Module) -> nn.Module:
    torch.manual_seed(2)
    return method.attach(base, task_kind=KIND, total_steps=1)


def move(parameters: list[nn.Parameter]) -> None:
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in parameters:
            parameter.add_(0.1 * torch.randn_like(parameter))


def logits(model: nn.Module) -> torch.Tensor:
    torch.manual_seed(4)
    tokens = torch.randint(5, 100, (2, LENGTH))
    tokens[:, 0], tokens[:, -1] = 2, 3  # The special tokens, of which T5 wants the last.
    with torch.no_grad():
        answer: torch.Tensor = model.eval()(input_ids=tokens, attention_mask=torch.ones_like(tokens)).logits
    return answer


def count(parameters: list[nn.Parameter]) -> int:
    return sum(parameter.numel() for parameter in parameters)


def test_the_references_are_offered_everywhere(offered: dict[str, Method]) -> None:
    assert offered.keys() >= {"untuned", "head_only", "full"}


def test_the_formula_counts_what_trains(
    offered: dict[str, Method], adapted: dict[str, nn.Module], shape: ModelShape
) -> None:
    for name, method in offered.items():
        adapter, _ = split_head(adapted[name])
        assert count(adapter) == method.trainable_parameters(shape), name


def test_the_head_is_all_that_lies_beside_the_base(
    offered: dict[str, Method], adapted: dict[str, nn.Module], plain: nn.Module
) -> None:
    """The same layers for every method: a fair comparison of the methods, not of their heads."""
    base_path = str(plain.base_model_prefix)
    beside = count(list(plain.parameters())) - count(list(plain.get_submodule(base_path).parameters()))
    for name, method in offered.items():
        _, head = split_head(adapted[name])
        assert count(head) == (beside if method.trains_head else 0), name


def test_what_a_method_trains_moves_the_answers(adapted: dict[str, nn.Module]) -> None:
    for name, model in adapted.items():
        further = copy.deepcopy(model)
        adapter, _ = split_head(further)
        move(adapter)
        assert torch.equal(logits(further), logits(model)) == (not adapter), name


@pytest.mark.parametrize("folder", UNLIKE, indirect=True, scope="module")
def test_saved_it_is_restored_and_counts_as_the_formula_says(
    offered: dict[str, Method], adapted: dict[str, nn.Module], plain: nn.Module, shape: ModelShape, tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    for name, method in offered.items():
        method.save(adapted[name], tmp_path / name)
        saved = [entry for path in (tmp_path / name).glob("*.safetensors") for entry in load_file(path).items()]
        stored = sum(tensor.numel() for tensor_name, tensor in saved if not is_head(tensor_name))
        assert stored == method.stored_parameters(shape), name
        restored = method.load(copy.deepcopy(plain), tmp_path / name, task_kind=KIND)
        assert torch.equal(logits(restored), logits(adapted[name])), name


@pytest.mark.parametrize("folder", UNLIKE, indirect=True, scope="module")
def test_merged_it_answers_the_same(offered: dict[str, Method], adapted: dict[str, nn.Module]) -> None:
    for name, method in offered.items():
        merged = method.merge(copy.deepcopy(adapted[name]))
        assert (merged is not None) == method.capabilities.merges, name
        if merged is not None:
            assert torch.allclose(logits(merged), logits(adapted[name]), atol=2e-4), name


def test_a_prefix_is_refused_exactly_where_attention_cannot_take_one(shape: ModelShape, plain: nn.Module) -> None:
    prefixes = [built for name in methods() if isinstance(built := build_method(name, {}), PrefixMethod)]
    assert prefixes
    for method in prefixes:
        if is_refused(method, shape):
            with pytest.raises(ValueError, match=r"past key values|token_dim|inputs_embeds"):
                logits(attach(method, copy.deepcopy(plain)))
        else:
            assert logits(attach(method, copy.deepcopy(plain))).isfinite().all()


def test_a_refusal_names_the_architecture_or_the_task(shape: ModelShape, offered: dict[str, Method]) -> None:
    for name in methods().keys() - offered.keys():
        with pytest.raises(NotOffered, match=rf"\b{shape.model_type}\b|{KIND} task|source tasks"):
            build_method(name, {}).check(shape, task_kind=KIND, max_length=LENGTH)
