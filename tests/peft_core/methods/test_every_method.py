"""What every method must do, on the real base model: a new file in `peft_core/methods` is tested without an edit."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from peft_core.errors import PeftCoreError
from peft_core.head import is_head
from peft_core.method import Method, build_method, methods
from peft_core.model_shape import ModelShape, read_model_shape
from peft_core.spec import TaskSpec
from peft_core.tasks.classification import Classification
from peft_core.training import split_head

KIND = "classification"
SAMPLES = (
    "what a lovely day",
    "this is the worst thing i have ever seen",
    "so happy for you all",
    "i hate waiting in line",
)


@pytest.fixture(scope="module")
def shape(minilm: Path) -> ModelShape:
    return read_model_shape(minilm)


@pytest.fixture(scope="module")
def loaded(minilm: Path, tweets: TaskSpec) -> nn.Module:
    torch.manual_seed(0)
    return Classification.load_model(tweets, str(minilm)).eval()


@pytest.fixture
def base(loaded: nn.Module) -> nn.Module:
    return copy.deepcopy(loaded)


@pytest.fixture(scope="module")
def batch(minilm: Path) -> dict[str, torch.Tensor]:
    from transformers import AutoTokenizer

    encoded = AutoTokenizer.from_pretrained(str(minilm))(list(SAMPLES), padding=True, return_tensors="pt")
    return {
        "input_ids": encoded["input_ids"],
        "attention_mask": encoded["attention_mask"],
        "labels": torch.tensor([1, 0, 1, 0]),
    }


def offered(name: str, shape: ModelShape) -> Method:
    built = build_method(name, {})
    try:
        built.check(shape, task_kind=KIND, max_length=64)
    except PeftCoreError as reason:
        pytest.skip(f"not offered here: {reason}")
    return built


@pytest.fixture(params=list(methods()))
def method(request: pytest.FixtureRequest, shape: ModelShape) -> Method:
    return offered(request.param, shape)


@pytest.fixture(params=[name for name, kind in methods().items() if kind.learning_rate is not None])
def trains(request: pytest.FixtureRequest, shape: ModelShape) -> Method:
    return offered(request.param, shape)


def attach(method: Method, base: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return method.attach(base, task_kind=KIND, total_steps=8).eval()


def logits(model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    with torch.no_grad():
        answer = model.eval()(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
    found: torch.Tensor = answer.logits
    return found


def train(method: Method, model: nn.Module, batch: dict[str, torch.Tensor], steps: int = 8) -> list[float]:
    assert method.learning_rate is not None
    optimizer = torch.optim.AdamW(method.parameter_groups(model, method.learning_rate.small, 1e-2), weight_decay=0)
    torch.manual_seed(0)
    losses = []
    for step in range(1, steps + 1):
        model.eval()  # Without dropout a loss that falls is the method's doing.
        loss = Classification.loss(model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        method.after_step(model, step)
        losses.append(loss.item())
    return losses


def test_the_card_is_complete(method: Method) -> None:
    assert method.title
    assert len(method.summary.split()) <= 10
    assert method.trains.endswith(".")
    assert method.family == "reference" or method.paper is not None
    assert method.label().startswith(method.title.split()[0])
    for name, field in type(method).model_fields.items():
        assert field.title, name
        assert isinstance(field.json_schema_extra, dict)
        assert field.json_schema_extra["effect"], name


def test_at_the_start_it_answers_like_the_base_where_it_says_so(
    method: Method, base: nn.Module, batch: dict[str, torch.Tensor]
) -> None:
    before = logits(base, batch)
    after = logits(attach(method, base), batch)
    assert torch.equal(before, after) == method.equals_base_at_start


def test_the_formula_counts_what_trains(method: Method, base: nn.Module, shape: ModelShape) -> None:
    adapter, head = split_head(attach(method, base))
    assert sum(parameter.numel() for parameter in adapter) == method.trainable_parameters(shape)
    assert bool(head) == method.trains_head


def test_only_its_own_parameters_and_the_head_get_gradients(
    trains: Method, base: nn.Module, batch: dict[str, torch.Tensor]
) -> None:
    model = attach(trains, base)
    Classification.loss(model, batch).backward()  # type: ignore[no-untyped-call]
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
    groups = trains.parameter_groups(model, 1e-3, 1e-2)
    grouped = {id(parameter) for group in groups for parameter in group["params"]}
    assert grouped == {id(parameter) for parameter in model.parameters() if parameter.requires_grad}


def test_the_loss_falls_and_the_base_stays_bit_identical(
    trains: Method, base: nn.Module, loaded: nn.Module, batch: dict[str, torch.Tensor]
) -> None:
    model = attach(trains, base)
    losses = train(trains, model, batch)
    assert losses[-1] < losses[0]
    if trains.trains_base or trains.rewrites_base:
        return
    fresh = {name: tensor for name, tensor in loaded.state_dict().items() if not is_head(name)}
    after = {base_name(name): tensor for name, tensor in model.state_dict().items()}
    assert fresh.keys() <= after.keys()
    for name, tensor in fresh.items():
        assert torch.equal(after[name], tensor), name


def base_name(name: str) -> str:
    """A tensor's name in the base model, whatever peft wrapped around it."""
    for wrapper in ("base_model.model.", "base_model.", "base_layer."):
        name = name.replace(wrapper, "")
    return name


def test_it_is_saved_and_loaded_to_the_bit(
    trains: Method, base: nn.Module, loaded: nn.Module, batch: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    model = attach(trains, base)
    train(trains, model, batch, steps=3)
    trains.save(model, tmp_path / "adapter")
    assert {path.suffix for path in (tmp_path / "adapter").iterdir()} <= {".safetensors", ".json"}
    restored = trains.load(copy.deepcopy(loaded), tmp_path / "adapter", task_kind=KIND)
    assert torch.equal(logits(restored, batch), logits(model, batch))


def test_what_is_stored_is_what_the_formula_says(
    trains: Method, base: nn.Module, shape: ModelShape, tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    model = attach(trains, base)
    trains.save(model, tmp_path)
    (weights,) = tmp_path.glob("*.safetensors")
    stored = sum(tensor.numel() for name, tensor in load_file(weights).items() if not is_head(name))
    assert stored == trains.stored_parameters(shape)


def test_merged_it_answers_the_same(trains: Method, base: nn.Module, batch: dict[str, torch.Tensor]) -> None:
    model = attach(trains, base)
    train(trains, model, batch)
    before = logits(model, batch)
    merged = trains.merge(copy.deepcopy(model))
    assert (merged is not None) == trains.capabilities.merges
    if merged is not None:
        assert torch.allclose(logits(merged, batch), before, atol=1e-4)
        assert type(merged) is type(base)


def test_a_deep_copy_is_a_model_of_its_own(trains: Method, base: nn.Module, batch: dict[str, torch.Tensor]) -> None:
    model = attach(trains, base)
    twin = copy.deepcopy(model)
    before = logits(twin, batch)
    train(trains, model, batch, steps=3)
    assert torch.equal(logits(twin, batch), before)
