"""Training together: every run's losses and gradients are those of training alone, and its end is its own."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch import nn

from peft_core.data import Item
from peft_core.errors import PeftCoreError
from peft_core.fused.layout import Member, Turn
from peft_core.fused.random_stream import RandomStream
from peft_core.fused.shared_pass import SharedPass, share_tensors
from peft_core.method import Method, build_method, methods
from peft_core.model_shape import read_model_shape
from peft_core.spec import Precision, TaskSpec
from peft_core.tasks.classification import Classification
from peft_core.training import Loop, Plan, Training

FUSING = sorted(name for name, kind in methods().items() if kind.fuses)
BATCHES = ((5, 9, 3, 12), (7, 4), (11, 6, 8, 2))
"""The lengths of each run's texts: batches of other sizes and lengths, so that there is padding of every kind."""


def items(lengths: Sequence[int], seed: int) -> list[Item]:
    random = torch.Generator().manual_seed(seed)
    return [
        Item(place, tuple(torch.randint(10, 90, (length,), generator=random).tolist()), place % 2)
        for place, length in enumerate(lengths)
    ]


class Alone:
    """A run's model, attached to a base that shares its tensors, with its own random numbers."""

    def __init__(self, base: nn.Module, method: Method, seed: int, precision: Precision = "fp32") -> None:
        torch.manual_seed(seed)
        self.method = method
        self.model = method.attach(share_tensors(base), task_kind="classification", total_steps=20)
        self.loop = Loop(method, Classification, torch.device("cpu"), precision, 0)
        with torch.no_grad():
            for parameter in self.model.parameters():
                if parameter.requires_grad:
                    # Not where a method starts: there B = 0 hides what A does.
                    parameter.data = parameter.data + 0.02 * torch.randn_like(parameter)
        method.before_training(self.model, items((9, 8, 7, 12), seed))
        self.training = Training(self.model, self.loop, Plan(20, 1e-3, 1e-3))
        self.stream = RandomStream(torch.device("cpu"))

    def member(self) -> Member:
        return Member(self.method, self.model, self.stream, f"{type(self.method).__name__} {self.method!r}")

    def gradients(self) -> dict[str, torch.Tensor]:
        found = {
            name: parameter.grad.clone()
            for name, parameter in self.model.named_parameters()
            if parameter.grad is not None
        }
        self.model.zero_grad(set_to_none=True)
        return found

    def by_itself(self, batch: list[Item]) -> tuple[float, dict[str, torch.Tensor]]:
        """Loss and gradients of a step alone; the random numbers stand where they stood afterwards."""
        state = self.stream.state
        with self.stream.in_use():
            self.training.begin_step()
            loss = self.training._backward(batch)
        self.stream.state = state
        return loss, self.gradients()


def together(base: nn.Module, runs: Sequence[Alone], batches: Sequence[list[Item]]) -> list[float]:
    shared = SharedPass(base, runs[0].loop)
    for run in runs:
        with run.stream.in_use():
            run.training.begin_step()
    turns = [
        Turn(run.member(), batch, Classification.collate(batch, 0)) for run, batch in zip(runs, batches, strict=True)
    ]
    return shared.backward(turns)


@pytest.fixture(scope="module")
def encoder(short_encoder: Path) -> nn.Module:
    torch.manual_seed(0)
    return Classification.load_model(_task(), str(short_encoder)).eval()


def _task() -> TaskSpec:
    from peft_core.spec import Splits

    return TaskSpec(
        name="t",
        kind="classification",
        dataset=Path("none"),
        dataset_sha256="",
        text="text",
        label="label",
        labels=("a", "b"),
        splits=Splits(train=1, validation=1, test=1),
    )


def close(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> None:
    """To rounding, each tensor by its own size; one that ought to be 0 (a key's bias) by that of the largest."""
    assert ours.keys() == theirs.keys()
    largest = max(gradient.abs().max().item() for gradient in theirs.values())
    for name, gradient in theirs.items():
        allowed = 2e-4 * gradient.abs().max().item() + 1e-6 * largest
        assert (ours[name] - gradient).abs().max().item() <= allowed, name


@pytest.mark.parametrize("name", FUSING)
def test_losses_and_gradients_are_those_of_training_alone(name: str, encoder: nn.Module, short_encoder: Path) -> None:
    method = build_method(name, {})
    try:
        method.check(read_model_shape(short_encoder), task_kind="classification", max_length=16)
    except PeftCoreError as error:
        pytest.skip(str(error))
    same_as_alone(encoder, [Alone(encoder, method, seed) for seed in range(len(BATCHES))])


MIXED = ("lora", "adapter", "prefix_tuning", "ia3", "bitfit", "head_only", "p_tuning_v2", "dora")


def test_methods_of_every_kind_share_one_pass(encoder: nn.Module) -> None:
    same_as_alone(encoder, [Alone(encoder, build_method(name, {}), seed) for seed, name in enumerate(MIXED)])


def test_prompts_of_other_lengths_share_one_pass_with_methods_that_have_none(encoder: nn.Module) -> None:
    prompts = [build_method("prompt_tuning", {"num_virtual_tokens": length}) for length in (3, 7)]
    chosen = [*prompts, build_method("lora", {}), build_method("p_tuning", {}), build_method("prefix_tuning", {})]
    same_as_alone(encoder, [Alone(encoder, method, seed) for seed, method in enumerate(chosen)])


def test_ranks_share_one_pass(encoder: nn.Module) -> None:
    ranks = [build_method("lora", {"rank": rank, "dropout": 0.1}) for rank in (2, 2, 8, 16)]
    same_as_alone(encoder, [Alone(encoder, method, seed) for seed, method in enumerate(ranks)])


def test_runs_that_differ_in_learning_rate_alone_draw_their_dropout_once(encoder: nn.Module) -> None:
    """Same seed, same batch: one of them draws for all, and all stand where it stands afterwards."""
    runs = [Alone(encoder, build_method("lora", {}), 3) for _ in range(3)]
    same_as_alone(encoder, runs, [items((9, 4), 0)] * 3)
    assert len({run.stream.state for run in runs}) == 1


def test_in_bf16_losses_differ_by_rounding_alone(encoder: nn.Module) -> None:
    runs = [Alone(encoder, build_method(name, {}), seed, "bf16") for seed, name in enumerate(MIXED)]
    batches = [items(BATCHES[seed % len(BATCHES)], seed) for seed in range(len(runs))]
    alone = [run.by_itself(batch)[0] for run, batch in zip(runs, batches, strict=True)]
    assert together(encoder, runs, batches) == pytest.approx(alone, abs=5e-3)


@pytest.mark.parametrize("architecture", ["roberta", "electra", "distilbert", "gpt2", "llama", "qwen2", "gemma"])
@pytest.mark.parametrize("chosen", [("lora", "adapter", "ia3"), ("p_tuning_v2", "lora"), ("prompt_tuning", "lora")])
def test_other_architectures_share_or_say_that_they_cannot(
    architecture: str, chosen: tuple[str, ...], small_base: Callable[[str], Path]
) -> None:
    folder = small_base(architecture)
    offered = [build_method(name, {}) for name in chosen]
    shape = read_model_shape(folder)
    for method in offered:
        try:
            method.check(shape, task_kind="classification", max_length=16)
        except PeftCoreError:
            return
    torch.manual_seed(0)
    base = Classification.load_model(_task(), str(folder)).eval()
    same_as_alone(base, [Alone(base, method, seed) for seed, method in enumerate(offered)])


def same_as_alone(base: nn.Module, runs: Sequence[Alone], batches: Sequence[list[Item]] | None = None) -> None:
    batches = batches or [items(BATCHES[seed % len(BATCHES)], seed) for seed in range(len(runs))]
    alone = [run.by_itself(batch) for run, batch in zip(runs, batches, strict=True)]
    losses = together(base, runs, batches)
    for run, (loss, gradients), shared in zip(runs, alone, losses, strict=True):
        assert shared == pytest.approx(loss, rel=1e-5)
        close(run.gradients(), gradients)
