"""The one training loop. It knows methods and tasks by their hooks only."""

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from peft_core.data import Item, evaluation_batches, real_tokens
from peft_core.dropout import quick_dropout
from peft_core.errors import RunFailed
from peft_core.head import head_parameters
from peft_core.method import Method
from peft_core.spec import Precision
from peft_core.task import Task

if TYPE_CHECKING:
    import torch
    from torch import nn

WARM_UP_SHARE = 0.1
CLIP_NORM = 1.0
EVALUATION_BATCH_SIZE = 32


@dataclass(frozen=True)
class Step:
    """One optimizer step, as the curves show it. `step` counts from 1."""

    step: int
    loss: float
    gradient_norm: float
    learning_rate: float
    seconds: float | None
    """None: the step was taken together with other runs' and its time is not its own."""
    real_tokens: int


@dataclass(frozen=True)
class Loop:
    """What all steps of a run share."""

    method: Method
    task: type[Task]
    device: "torch.device"
    precision: Precision
    pad_token_id: int


def split_head(model: "nn.Module") -> "tuple[list[nn.Parameter], list[nn.Parameter]]":
    """The trainable parameters of the method and of the task head, each storage once."""
    head = [parameter for parameter in _distinct(head_parameters(model)) if parameter.requires_grad]
    in_head = {parameter.data_ptr() for parameter in head}
    trained = [parameter for parameter in _distinct(model.parameters()) if parameter.requires_grad]
    return [parameter for parameter in trained if parameter.data_ptr() not in in_head], head


def _distinct(parameters: "Iterable[nn.Parameter]") -> "list[nn.Parameter]":
    return list({parameter.data_ptr(): parameter for parameter in parameters}.values())


@dataclass(frozen=True)
class Plan:
    """How a run trains, beyond what all runs share."""

    total_steps: int
    learning_rate: float
    head_learning_rate: float
    accumulation: int = 1
    gradient_checkpointing: bool = False


class Training:
    """A model in training: AdamW, linear warm-up over 10 % of the steps then linear decay to 0, gradients clipped at 1.

    `done` counts the steps that were taken. All that training changes is here and in the model, so that a checkpoint
    of both (peft_core.checkpoint) goes on where it stopped.
    """

    def __init__(self, model: "nn.Module", loop: Loop, plan: Plan) -> None:
        import torch

        groups = loop.method.parameter_groups(model, plan.learning_rate, plan.head_learning_rate)
        self.model, self.loop, self.plan = model, loop, plan
        self.optimizer = torch.optim.AdamW(groups, weight_decay=0.0, fused=True)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda done: _rate(done, plan.total_steps))
        self.done = 0
        self._trained = [parameter for group in groups for parameter in group["params"]]
        if plan.gradient_checkpointing:
            model.activation_checkpointing_enable()  # type: ignore[operator]

    def step(self, items: Sequence[Item]) -> Step:
        """One optimizer step on a batch. Its seconds run from making the batch to the end of the optimizer's step.

        Raises RunFailed at a loss that is not finite.
        """
        from peft_core.device import synchronize

        started = time.perf_counter()
        self.begin_step()
        step = self.end_step(self._backward(items), items)
        synchronize(self.loop.device)
        return replace(step, seconds=time.perf_counter() - started)

    def begin_step(self) -> None:
        """What comes before the forward pass of a step."""
        into_mode(self.model, training=True)
        self.loop.method.before_step(self.model, self.done + 1)

    def end_step(self, loss: float, items: Sequence[Item]) -> Step:
        """What comes behind the backward pass of a step, whose gradients lie on the parameters, whoever put them there.

        Raises RunFailed at a loss that is not finite.
        """
        import torch

        step = self.done + 1
        self.loop.method.after_backward(self.model)
        norm = torch.nn.utils.clip_grad_norm_(self._trained, CLIP_NORM).item()
        rate = float(self.optimizer.param_groups[0]["lr"])
        for what, value in (("loss", loss), ("gradient norm", norm)):
            if not math.isfinite(value):
                raise RunFailed(_not_finite(what, value, step, self.plan.learning_rate))
        self.optimizer.step()
        self.schedule.step()
        self.loop.method.after_step(self.model, step)
        self.optimizer.zero_grad(set_to_none=True)
        self.done = step
        return Step(step, loss, norm, rate, None, real_tokens(items))

    def _backward(self, items: Sequence[Item]) -> float:
        """The mean loss of a batch, its gradients left on the parameters; worked off in parts where asked.

        Each part counts by what its mean was taken over, so that the parts' sum is the batch's own mean.
        """
        task, device = self.loop.task, self.loop.device
        size = -(-len(items) // self.plan.accumulation)
        parts = [items[start : start + size] for start in range(0, len(items), size)]
        batches = [task.collate(part, self.loop.pad_token_id) for part in parts]
        weights = [task.loss_weight(batch) for batch in batches]
        total = 0.0
        for cpu_batch, weight in zip(batches, weights, strict=True):
            # The way back included: with checkpointing it draws the masks again, and must draw the same.
            with quick_dropout(device):
                with autocast(device, self.loop.precision):
                    loss = task.loss(self.model, to_device(cpu_batch, device))
                penalty = self.loop.method.penalty(self.model)
                share = weight / sum(weights)
                ((loss if penalty is None else loss + penalty) * share).backward()  # type: ignore[no-untyped-call]
            total += loss.item() * share
        return total


def into_mode(model: "nn.Module", *, training: bool) -> None:
    """Training or evaluation, where the model is not in it already: telling every module takes as long as a layer."""
    if model.training != training:
        model.train(training)


def _rate(done: int, total: int) -> float:
    """The share of the learning rate at the step after `done` steps."""
    warm_up = max(1, round(WARM_UP_SHARE * total))
    if done < warm_up:
        return (done + 1) / warm_up
    return max(0.0, (total - done) / max(1, total - warm_up))


def _not_finite(what: str, value: float, step: int, learning_rate: float) -> str:
    return f"The {what} was {value} at step {step}. Lower the learning rate (it was {learning_rate:g})."


def answer_all(model: "nn.Module", loop: Loop, items: Sequence[Item]) -> list[Any]:
    """What the model answers to each item, in the order of `items`."""
    import torch

    model.eval()
    answered: dict[int, Any] = {}
    with torch.no_grad():
        for batch_items in evaluation_batches(items, EVALUATION_BATCH_SIZE):
            batch = to_device(loop.task.collate(batch_items, loop.pad_token_id), loop.device)
            with autocast(loop.device, loop.precision):
                answers = loop.task.read_answers(batch_items, loop.task.answers(model, batch))
            answered |= {item.index: answer for item, answer in zip(batch_items, answers, strict=True)}
    return [answered[item.index] for item in items]


def probabilities_of(model: "nn.Module", loop: Loop, item: Item) -> list[float] | None:
    """What the model gives to each class or choice of an item; None for a kind of task that has none."""
    import torch

    model.eval()
    with torch.no_grad():
        batch = to_device(loop.task.collate([item], loop.pad_token_id), loop.device)
        with autocast(loop.device, loop.precision):
            found = loop.task.probabilities(model, batch)
    return None if found is None else found[0]


def to_device(batch: "dict[str, torch.Tensor]", device: "torch.device") -> "dict[str, torch.Tensor]":
    """The batch on the run's device."""
    return {name: tensor.to(device) for name, tensor in batch.items()}


def autocast(device: "torch.device", precision: Precision) -> Any:
    """bf16 arithmetic for a forward pass where the study chose it, else no change."""
    import torch

    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")
