"""One step of the training loop: what a batch worked off in parts, or with checkpointing, must not change."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from peft_core.data import Item
from peft_core.method import build_method
from peft_core.spec import Budget, TaskSpec
from peft_core.tasks.classification import Classification
from peft_core.training import Loop, Plan, Training

ITEMS = [Item(index, (101, *range(2000 + index, 2003 + 3 * index), 102), index % 2) for index in range(7)]


@pytest.fixture(scope="module")
def base(minilm: Path, tweets: TaskSpec) -> nn.Module:
    torch.manual_seed(0)
    return Classification.load_model(tweets, str(minilm)).eval()


def stepped(base: nn.Module, **plan: int | bool) -> dict[str, torch.Tensor]:
    """The trained tensors after one step of LoRA without dropout."""
    method = build_method("lora", {"dropout": 0.0})
    torch.manual_seed(0)
    model = method.attach(copy.deepcopy(base), task_kind="classification", total_steps=4)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    loop = Loop(method, Classification, torch.device("cpu"), "fp32", 0)
    training = Training(model, loop, Plan(4, 1e-3, 1e-2, **plan))  # type: ignore[arg-type]
    step = training.step(ITEMS)
    assert step.step == training.done == 1
    assert step.real_tokens == sum(len(item.tokens) for item in ITEMS)
    tensors = {name: tensor.detach() for name, tensor in model.named_parameters() if tensor.requires_grad}
    return tensors | {"loss": torch.tensor(step.loss), "norm": torch.tensor(step.gradient_norm)}


@pytest.mark.parametrize("accumulation", [2, 3, 7])
def test_a_batch_in_parts_gives_the_batch_s_own_step(base: nn.Module, accumulation: int) -> None:
    whole, parts = stepped(base), stepped(base, accumulation=accumulation)
    assert whole["loss"].item() == pytest.approx(parts["loss"].item(), rel=1e-5)
    assert whole["norm"].item() == pytest.approx(parts["norm"].item(), rel=1e-4)


def test_gradient_checkpointing_changes_memory_and_no_number(base: nn.Module) -> None:
    plain, checkpointed = stepped(base), stepped(base, gradient_checkpointing=True)
    for name, tensor in plain.items():
        assert torch.allclose(tensor, checkpointed[name], atol=1e-7), name


def test_checkpointing_draws_the_same_dropout_on_the_way_back(base: nn.Module) -> None:
    method, steps = build_method("lora", {"dropout": 0.3}), []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        model = method.attach(copy.deepcopy(base), task_kind="classification", total_steps=4)
        plan = Plan(4, 1e-3, 1e-2, gradient_checkpointing=checkpointing)
        training = Training(model, Loop(method, Classification, torch.device("cpu"), "fp32", 0), plan)
        torch.manual_seed(1)
        steps.append(training.step(ITEMS))
    assert steps[0].loss == pytest.approx(steps[1].loss, rel=1e-5)
    assert steps[0].gradient_norm == pytest.approx(steps[1].gradient_norm, rel=1e-4)


def test_a_budget_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="at most the batch size, 8"):
        Budget(steps=4, batch_size=8, accumulation=9)
    with pytest.raises(ValueError, match="smaller than evaluations"):
        Budget(steps=4, evaluations=3, patience=3)


@pytest.mark.parametrize(
    ("total", "evaluations", "expected"),
    [(100, 4, {25, 50, 75, 100}), (10, 3, {3, 7, 10}), (2, 4, {1, 2}), (5, 1, {5})],
)
def test_validations_are_evenly_spread_and_the_last_is_at_the_end(
    total: int, evaluations: int, expected: set[int]
) -> None:
    assert Budget(steps=total, evaluations=evaluations).evaluation_steps(total) == expected
