"""AdaLoRA: the schedule of its budget, the importance that ranks are judged by, the penalty, and what is kept."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from peft_core.checkpoint import load_checkpoint, save_checkpoint
from peft_core.data import Item
from peft_core.errors import InvalidHyperparameter
from peft_core.method import build_method
from peft_core.methods._lora import lora_layers
from peft_core.methods.adalora import AdaLora, schedule
from peft_core.model_shape import read_model_shape
from peft_core.tasks.classification import Classification
from peft_core.training import Loop, Plan, Training
from tests.peft_core.methods.one_layer import (
    KIND,
    LENGTH,
    Hyperparameters,
    LoadClassifier,
    attach,
    base_weight,
    close,
    effective_weight,
    layer_of,
    logits,
)

SMALL: Hyperparameters = {"rank": 2, "target_modules": "query_value"}
"""Four layers, each with 3 ranks at the start and 2 on average at the end: 12 and 8 in all."""

ITEMS = [Item(index, (2, *range(20 + index, 25 + 2 * index), 3), index % 2) for index in range(8)]


@pytest.fixture
def base(small_base: Callable[[str], Path], load_classifier: LoadClassifier) -> nn.Module:
    return load_classifier(small_base("bert"))


def training(base: nn.Module, total_steps: int) -> Training:
    method = build_method("adalora", SMALL)
    torch.manual_seed(0)
    model = method.attach(base, task_kind=KIND, total_steps=total_steps)
    loop = Loop(method, Classification, torch.device("cpu"), "fp32", 0)
    return Training(model, loop, Plan(total_steps=total_steps, learning_rate=1e-2, head_learning_rate=1e-2))


def allocator(model: nn.Module) -> Any:
    return model.get_submodule("base_model").rankallocator


def ranks(model: nn.Module) -> list[int]:
    """How many singular values of each layer are not zero."""
    return [int(layer.lora_E["default"].count_nonzero()) for layer in lora_layers(model).values()]


def test_the_update_is_p_lambda_q(base: nn.Module) -> None:
    """W + alpha / r B diag(E) A with the starting rank r = 3."""
    layer = layer_of(attach("adalora", SMALL | {"alpha": 6.0}, base))
    a, e, b = (layer.get_parameter(f"lora_{name}.default").detach() for name in "AEB")
    assert a.shape == (3, 64)
    assert close(effective_weight(layer), base_weight(layer) + 2 * b @ e.flatten().diag() @ a)


@pytest.mark.parametrize(("rank", "ratio", "start"), [(8, 1.5, 12), (3, 1.5, 5), (10, 1.1, 11), (4, 1.0, 5)])
def test_training_starts_with_more_ranks_than_the_target(rank: int, ratio: float, start: int) -> None:
    assert AdaLora(rank=rank, start_ratio=ratio).starting_rank == start


def test_the_ranks_at_the_start_have_to_fit_the_narrowest_side(
    base: nn.Module, small_base: Callable[[str], Path]
) -> None:
    """64: a target of 42 starts with 63, one of 43 with 65."""
    shape = read_model_shape(small_base("bert"))
    build_method("adalora", {"rank": 42}).check(shape, task_kind=KIND, max_length=LENGTH)
    assert logits(attach("adalora", {"rank": 42}, base)).isfinite().all()
    with pytest.raises(InvalidHyperparameter, match="rank is 43, so that training starts with 65: at most 64"):
        build_method("adalora", {"rank": 43}).check(shape, task_kind=KIND, max_length=LENGTH)


def test_a_tenth_of_the_steps_warm_up_and_three_tenths_train_what_is_left() -> None:
    assert schedule(1000) == {"total_step": 1000, "tinit": 100, "tfinal": 300, "deltaT": 6}
    assert schedule(150) == {"total_step": 150, "tinit": 15, "tfinal": 45, "deltaT": 1}


@pytest.mark.parametrize(
    ("step", "budget"),
    [(1, 12), (100, 12), (101, 11), (250, 9), (400, 8), (700, 8), (1000, 8)],
)
def test_the_budget_falls_by_a_cubic(base: nn.Module, step: int, budget: int) -> None:
    """b(t) = 8 + (12 - 8) (1 - (t - 100) / (1000 - 300 - 100))^3, rounded down, held before and after: at step 250
    three quarters of the way are left, and 4 (3/4)^3 = 1.69."""
    model = build_method("adalora", SMALL).attach(base, task_kind=KIND, total_steps=1000)
    assert allocator(model).budget_schedule(step)[0] == budget


def test_ranks_are_cut_to_the_budget_all_layers_together(base: nn.Module) -> None:
    """Ten steps: one before the first cut, three after the last. 4 (5/6)^3 = 2.3, 4 (4/6)^3 = 1.2, then below 1."""
    run = training(base, total_steps=10)
    left = []
    for step in range(10):
        run.step([ITEMS[step % 8], ITEMS[(step + 3) % 8]])
        left.append(sum(ranks(run.model)))
    assert left == [12, 10, 9, 8, 8, 8, 8, 8, 8, 8]
    assert len(set(ranks(run.model))) > 1


def test_importance_is_smoothed_sensitivity_times_its_uncertainty(base: nn.Module) -> None:
    """I = |w g|, then .85 of what was and .15 of what is new, for I and for its distance from its own average.

    With w = 1 and g = 2, then 1: the averages are .3 and .255, then .85 (.3) + .15 (1) = .405 and
    .85 (.255) + .15 (.595) = .306.
    """
    model = build_method("adalora", SMALL).attach(base, task_kind=KIND, total_steps=1000)
    trained = {name: parameter for name, parameter in model.named_parameters() if ".lora_" in name}
    for step, gradient in ((1, 2.0), (2, 1.0)):
        for parameter in trained.values():
            parameter.data.fill_(1.0)
            parameter.grad = torch.full_like(parameter, gradient)
        build_method("adalora", SMALL).after_step(model, step)
    (name, *_) = allocator(model).exp_avg_ipt
    assert torch.allclose(allocator(model).exp_avg_ipt[name], torch.tensor(0.405))
    assert torch.allclose(allocator(model).exp_avg_unc[name], torch.tensor(0.306))


def test_the_least_important_ranks_go_wherever_they_are(base: nn.Module) -> None:
    """A rank's score is that of its singular value and the means over its row of A and its column of B: here the layers
    hold ranks of importance 1 2 3, 4 5 6, 7 8 9 and 10 11 12, and 8 in all may stay."""
    model = build_method("adalora", SMALL).attach(base, task_kind=KIND, total_steps=10)
    for place, layer in enumerate(lora_layers(model).values()):
        importance = torch.arange(1.0, 4.0) + 3 * place
        for parameter, of_ranks in (
            (layer.lora_E["default"], importance[:, None]),
            (layer.lora_A["default"], importance[:, None]),
            (layer.lora_B["default"], importance),
        ):
            parameter.data.fill_(1.0)
            parameter.grad = of_ranks.expand_as(parameter).clone()
    allocator(model).update_ipt(model.base_model.model)  # type: ignore[union-attr]
    allocator(model).mask_to_budget(model.base_model.model, 8)  # type: ignore[union-attr]
    left = [layer.lora_E["default"].flatten().tolist() for layer in lora_layers(model).values()]
    assert left == [[0, 0, 0], [0, 1, 1], [1, 1, 1], [1, 1, 1]]


def test_the_penalty_is_the_mean_distance_from_orthogonal(base: nn.Module) -> None:
    """A = 2 (I 0): |A A^T - I| = |3 I| = 3 sqrt(3) for rank 3. B = 0: |0 - I| = sqrt(3). Their mean is 2 sqrt(3)."""
    method = build_method("adalora", SMALL | {"orth_reg_weight": 0.5})
    model = method.attach(base, task_kind=KIND, total_steps=10)
    for layer in lora_layers(model).values():
        layer.lora_A["default"].data.copy_(2 * torch.eye(3, 64))
        layer.lora_B["default"].data.zero_()
    penalty = method.penalty(model)
    assert penalty is not None
    assert penalty.item() == pytest.approx(0.5 * 2 * 3**0.5)
    assert build_method("adalora", {"orth_reg_weight": 0.0}).penalty(model) is None


# peft looks for layers' names in the pattern, which AdaLoRA's names ranks in.
@pytest.mark.filterwarnings("ignore:The following rank_pattern keys did not match:RuntimeWarning")
def test_only_the_ranks_that_are_left_are_stored(
    base: nn.Module, small_base: Callable[[str], Path], load_classifier: LoadClassifier, tmp_path: Path
) -> None:
    """peft itself loads them, to the order of sums."""
    from peft import PeftModel
    from safetensors.torch import load_file

    run = training(base, total_steps=10)
    for step in range(10):
        run.step([ITEMS[step % 8], ITEMS[(step + 3) % 8]])
    method = run.loop.method
    left, answer = ranks(run.model), logits(run.model)
    method.save(run.model, tmp_path)
    stored = load_file(tmp_path / "adapter_model.safetensors")
    assert sorted(len(tensor) for name, tensor in stored.items() if "lora_E" in name) == sorted(left)
    assert sum(tensor.numel() for name, tensor in stored.items() if "lora_" in name) == 8 * (64 + 64 + 1)

    restored = method.load(load_classifier(small_base("bert")), tmp_path, task_kind=KIND)
    assert ranks(restored) == left
    assert torch.equal(logits(restored), answer)
    assert close(logits(PeftModel.from_pretrained(load_classifier(small_base("bert")), str(tmp_path))), answer)


def test_a_checkpoint_after_the_last_cut_keeps_the_ranks_that_were_cut(
    base: nn.Module, small_base: Callable[[str], Path], load_classifier: LoadClassifier, tmp_path: Path
) -> None:
    """Steps 8 to 10 train what step 7 has left: resumed there, no other rank comes back."""
    batches = [[ITEMS[step % 8], ITEMS[(step + 3) % 8]] for step in range(10)]
    whole = training(base, total_steps=10)
    for items in batches[:8]:
        whole.step(items)
    save_checkpoint(tmp_path, whole, {}, {})
    for items in batches[8:]:
        whole.step(items)
    resumed = training(load_classifier(small_base("bert")), total_steps=10)
    load_checkpoint(tmp_path, resumed)
    for items in batches[resumed.done :]:
        resumed.step(items)
    assert sum(ranks(resumed.model)) == 8
    assert ranks(resumed.model) == ranks(whole.model)
    assert torch.equal(logits(resumed.model), logits(whole.model))
