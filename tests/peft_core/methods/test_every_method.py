"""What every method must do, on a real encoder and a small decoder: a new file in `peft_core/methods` is tested without
an edit."""

import copy
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn

from peft_core.checkpoint import load_checkpoint, save_checkpoint
from peft_core.data import Item
from peft_core.errors import NotOffered, PeftCoreError
from peft_core.head import WRAPPERS, is_head
from peft_core.method import Method, build_method, check_budget, methods
from peft_core.model_shape import ModelShape, read_model_shape
from peft_core.spec import Budget, TaskSpec
from peft_core.task import Task, task_kind
from peft_core.tasks._language import Continuation
from peft_core.training import Loop, Plan, Training, split_head

ITEMS = [Item(index, (2, *range(20 + index, 25 + 2 * index), 3), index % 2) for index in range(8)]


@dataclass(frozen=True)
class Case:
    """A base model that is loaded once, the task it does, and a batch of it."""

    kind: str
    shape: ModelShape
    loaded: nn.Module
    items: list[Item]

    @property
    def task(self) -> type[Task]:
        return task_kind(self.kind)

    @property
    def batch(self) -> dict[str, torch.Tensor]:
        return self.task.collate(self.items[:4], 0)


@pytest.fixture(scope="module")
def encoder(short_encoder: Path, tweets: TaskSpec) -> Case:
    return classifying(short_encoder, tweets)


@pytest.fixture(scope="module")
def whole_encoder(minilm: Path, tweets: TaskSpec) -> Case:
    return classifying(minilm, tweets)


def classifying(folder: Path, tweets: TaskSpec) -> Case:
    torch.manual_seed(0)
    loaded = task_kind("classification").load_model(tweets, str(folder)).eval()
    return Case("classification", read_model_shape(folder), loaded, ITEMS)


@pytest.fixture(scope="module")
def decoder(small_decoder: Path, tweets: TaskSpec) -> Case:
    """Grouped-query attention, no biases, an output layer tied to the embeddings."""
    loaded = task_kind("causal_lm").load_model(tweets, str(small_decoder)).eval()
    items = [Item(item.index, item.tokens, Continuation(start=1)) for item in ITEMS]
    return Case("causal_lm", read_model_shape(small_decoder), loaded, items)


@pytest.fixture(scope="module", params=["encoder", pytest.param("whole_encoder", marks=pytest.mark.slow), "decoder"])
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def base(case: Case) -> nn.Module:
    return copy.deepcopy(case.loaded)


def offered(name: str, case: Case) -> Method:
    built = build_method(name, {})
    try:
        built.check(case.shape, task_kind=case.kind, max_length=64)
    except PeftCoreError as reason:
        pytest.skip(f"not offered here: {reason}")
    return built


@pytest.fixture(params=list(methods()))
def method(request: pytest.FixtureRequest, case: Case) -> Method:
    return offered(request.param, case)


@pytest.fixture(params=[name for name, kind in methods().items() if kind.learning_rate is not None])
def trains(request: pytest.FixtureRequest, case: Case) -> Method:
    return offered(request.param, case)


def attach(method: Method, base: nn.Module, case: Case) -> nn.Module:
    torch.manual_seed(0)
    model = method.attach(base, task_kind=case.kind, total_steps=8).eval()
    method.before_training(model, case.items)
    return model


def logits(model: nn.Module, case: Case) -> torch.Tensor:
    with torch.no_grad():
        return case.task.logits(model.eval(), case.batch)


def train(method: Method, model: nn.Module, case: Case, steps: int = 8) -> list[float]:
    assert method.learning_rate is not None
    optimizer = torch.optim.AdamW(method.parameter_groups(model, method.learning_rate.small, 1e-2), weight_decay=0)
    torch.manual_seed(0)
    losses = []
    for step in range(1, steps + 1):
        model.eval()  # Without dropout a loss that falls is the method's doing.
        method.before_step(model, step)
        loss = case.task.loss(model, case.batch)
        loss.backward()  # type: ignore[no-untyped-call]
        method.after_backward(model)
        optimizer.step()
        method.after_step(model, step)
        optimizer.zero_grad()
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


def test_at_the_start_it_answers_like_the_base_where_it_says_so(method: Method, base: nn.Module, case: Case) -> None:
    before = logits(base, case)
    after = logits(attach(method, base, case), case)
    assert torch.equal(before, after) or not method.equals_base_at_start


def test_the_formula_counts_what_trains(method: Method, base: nn.Module, case: Case) -> None:
    adapter, head = split_head(attach(method, base, case))
    assert sum(parameter.numel() for parameter in adapter) == method.trainable_parameters(case.shape)
    assert bool(head) == (method.trains_head and not case.task.language_model)


def test_only_its_own_parameters_and_the_head_get_gradients(trains: Method, base: nn.Module, case: Case) -> None:
    model = attach(trains, base, case)
    case.task.loss(model, case.batch).backward()  # type: ignore[no-untyped-call]
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
    groups = trains.parameter_groups(model, 1e-3, 1e-2)
    grouped = {id(parameter) for group in groups for parameter in group["params"]}
    assert grouped == {id(parameter) for parameter in model.parameters() if parameter.requires_grad}


def test_the_loss_falls_and_the_base_stays_bit_identical(trains: Method, base: nn.Module, case: Case) -> None:
    model = attach(trains, base, case)
    losses = train(trains, model, case)
    assert losses[-1] < losses[0]
    if trains.trains_base or trains.rewrites_base:
        return
    after = model.state_dict()
    for name, tensor in case.loaded.state_dict().items():
        if not is_head(name):
            assert torch.equal(after[wrapped(name, after)], tensor), name


def wrapped(name: str, tensors: Iterable[str]) -> str:
    """What the base model's tensor `name` is called with a method around it."""
    (found,) = (path for path in tensors if without_wrappers(path) == without_wrappers(name))
    return found


def without_wrappers(path: str) -> list[str]:
    return [part for part in path.split(".") if part not in WRAPPERS | {"base_layer"}]


def test_it_is_saved_and_loaded_to_the_bit(trains: Method, base: nn.Module, case: Case, tmp_path: Path) -> None:
    model = attach(trains, base, case)
    train(trains, model, case, steps=3)
    trains.save(model, tmp_path / "adapter")
    assert {path.suffix for path in (tmp_path / "adapter").iterdir()} <= {".safetensors", ".json"}
    restored = trains.load(copy.deepcopy(case.loaded), tmp_path / "adapter", task_kind=case.kind)
    assert torch.equal(logits(restored, case), logits(model, case))


def test_what_is_stored_is_what_the_formula_says(trains: Method, base: nn.Module, case: Case, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    model = attach(trains, base, case)
    trains.save(model, tmp_path)
    (weights,) = tmp_path.glob("*.safetensors")
    stored = sum(tensor.numel() for name, tensor in load_file(weights).items() if not is_head(name))
    most = trains.stored_parameters(case.shape)
    assert stored == most or (trains.stored_at_most and 0 < stored < most)


def test_merged_it_answers_the_same(trains: Method, base: nn.Module, case: Case) -> None:
    model = attach(trains, base, case)
    train(trains, model, case)
    before = logits(model, case)
    merged = trains.merge(copy.deepcopy(model))
    assert (merged is not None) == trains.capabilities.merges
    if merged is not None:
        assert torch.allclose(logits(merged, case), before, atol=1e-4)
        assert type(merged) is type(base)


def test_a_deep_copy_is_a_model_of_its_own(trains: Method, base: nn.Module, case: Case) -> None:
    model = attach(trains, base, case)
    twin = copy.deepcopy(model)
    before = logits(twin, case)
    train(trains, model, case, steps=3)
    assert torch.equal(logits(twin, case), before)


def test_it_gives_its_base_back(trains: Method, base: nn.Module, case: Case) -> None:
    model = attach(trains, base, case)
    train(trains, model, case, steps=3)
    given = trains.unload(model)
    assert (given is not None) == trains.capabilities.hot_switch
    if given is not None:
        after = dict(given.named_parameters())
        for name, tensor in case.loaded.named_parameters():
            if not is_head(name):
                assert torch.equal(after[name], tensor), name


def test_gradients_still_flow_after_an_evaluation(trains: Method, base: nn.Module, case: Case) -> None:
    model = attach(trains, base, case)
    logits(model, case)
    model.train()
    case.task.loss(model, case.batch).backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is not None for parameter in model.parameters() if parameter.requires_grad)


def test_a_bf16_step_gives_finite_gradients(trains: Method, base: nn.Module, case: Case) -> None:
    """Forward in bf16 by autocast, trained tensors and their gradients in float32: as runs do it where it is faster."""
    loop = Loop(trains, case.task, torch.device("cpu"), "bf16", 0)
    training = Training(attach(trains, base, case), loop, Plan(8, learning_rate=1e-3, head_learning_rate=1e-2))
    taken = training.step(case.items[:4])
    assert math.isfinite(taken.loss)
    assert 0 < taken.gradient_norm < math.inf
    trained = [parameter for parameter in training.model.parameters() if parameter.requires_grad]
    assert all(parameter.dtype == torch.float32 and parameter.isfinite().all() for parameter in trained)


def test_gradient_checkpointing_gives_the_same_gradients(trains: Method, base: nn.Module, case: Case) -> None:
    if not trains.capabilities.gradient_checkpointing:
        with pytest.raises(NotOffered, match="gradient checkpointing"):
            check_budget(trains, Budget(steps=1, gradient_checkpointing=True))
        return
    model = attach(trains, base, case)
    gradients = []
    for checkpointed in (False, True):
        if checkpointed:
            model.activation_checkpointing_enable()  # type: ignore[operator]
        model.train()
        torch.manual_seed(0)  # Dropout and what methods draw by themselves; computing again has to draw it again.
        case.task.loss(model, case.batch).backward()  # type: ignore[no-untyped-call]
        gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
        model.zero_grad()
    for plain, again in zip(*gradients, strict=True):
        assert torch.allclose(plain, again, atol=1e-6)


def test_resumed_from_a_checkpoint_it_ends_as_if_it_had_never_stopped(
    trains: Method, case: Case, tmp_path: Path
) -> None:
    def training() -> Training:
        model = attach(trains, copy.deepcopy(case.loaded), case)
        loop = Loop(trains, case.task, torch.device("cpu"), "fp32", 0)
        return Training(model, loop, Plan(total_steps=8, learning_rate=1e-3, head_learning_rate=1e-2))

    batches = [[case.items[step % 8], case.items[(3 * step + 1) % 8]] for step in range(8)]
    torch.manual_seed(1)
    whole = training()
    for items in batches[:4]:
        whole.step(items)
    save_checkpoint(tmp_path, whole, {"kept": "by the caller"}, {})
    for items in batches[4:]:
        whole.step(items)
    resumed = training()
    torch.manual_seed(5)
    assert load_checkpoint(tmp_path, resumed) == ({"kept": "by the caller"}, {})
    for items in batches[resumed.done :]:
        resumed.step(items)
    assert torch.equal(logits(resumed.model, case), logits(whole.model, case))
