"""A run while it lives: what the metrics may look at."""

import copy
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from peft_core.checkpoint import CHECKPOINT
from peft_core.data import Item
from peft_core.latency import answer_seconds
from peft_core.method import Method
from peft_core.model_shape import ModelShape
from peft_core.spec import RunSpec
from peft_core.task import Task
from peft_core.training import Loop, Step, answer_all, to_device

if TYPE_CHECKING:
    import torch
    from torch import nn


ADAPTER = "adapter"
"""The folder of trained tensors in a run's folder."""


def load_base(spec: RunSpec, task: type[Task], method: Method, device: "torch.device") -> "nn.Module":
    """The run's base model with the task's head, loaded as the method wants it, on the device and in eval mode."""
    model = task.load_model(spec.task, str(spec.base_model), **method.load_options())
    return model.to(device).eval()


@dataclass
class RunInProgress:
    """The attached (and later trained) model with its data. `adapter_folder` is complete when metrics measure."""

    spec: RunSpec
    shape: ModelShape
    loop: Loop
    model: "nn.Module"
    train_items: list[Item]
    validation_items: list[Item]
    test_items: list[Item]
    steps: list[Step] = field(default_factory=list)
    trained_together: int = 0
    """How many runs, this one among them, began to take steps together, in this attempt or in one that it goes on from;
    0: it took all of them alone."""
    test_answers: list[Any] | None = None
    """Per test item, in the order of `test_items`; None in runs that do not read the test split."""
    test_scores: tuple[float, ...] | None = None
    """Of the test answers, in the same order."""

    @property
    def adapter_folder(self) -> Path:
        """Where the trained adapter is saved."""
        return self.spec.folder / ADAPTER

    @property
    def checkpoint_folder(self) -> Path:
        return self.spec.folder / CHECKPOINT

    def answers_to(self, items: list[Item]) -> list[Any]:
        """The answer to each item; a method that trains nothing answers what an untuned model can."""
        if self.loop.method.learning_rate is None:
            untuned = self.loop.task.untuned_answers(self.train_items, items)
            if untuned is not None:
                return untuned
        return answer_all(self.model, self.loop, items)

    @property
    def decisions(self) -> list[tuple[Any, Any]]:
        """(target, answer) of every decision on the test split, which reporting runs alone read."""
        assert self.test_answers is not None, "reporting runs read the test split"
        return self.loop.task.decisions(self.test_items, self.test_answers)

    def validation_score(self) -> float:
        """Mean score on the validation split: what a learning rate is chosen by."""
        scores = self.loop.task.scores(self.validation_items, self.answers_to(self.validation_items))
        return sum(scores) / len(scores)

    def fresh_base(self) -> "nn.Module":
        """The base model read again from its folder, on the run's device, in eval mode."""
        return load_base(self.spec, self.loop.task, self.loop.method, self.loop.device)

    @cached_property
    def merged_model(self) -> "nn.Module | None":
        """The model merged into the base, None where the method cannot merge."""
        return self.loop.method.merge(copy.deepcopy(self.model))

    @cached_property
    def deployed_model(self) -> "nn.Module":
        """The model as it would be served: merged where the method can, and with nothing left to train. (Autocast
        keeps a copy of every weight that still requires a gradient, which would be timed as the method's.)"""
        deployed = copy.deepcopy(self.model) if self.merged_model is None else self.merged_model
        return deployed.requires_grad_(False).eval()

    @cached_property
    def deployed_answer_seconds(self) -> list[float]:
        """Seconds of each timed answer of the deployed model; median and percentiles come from the same answers."""
        return answer_seconds(self, self.deployed_model)

    @cached_property
    def probe_batch(self) -> "dict[str, torch.Tensor]":
        """One batch of test items for checks that compare two models' outputs."""
        items = self.test_items[: self.spec.budget.batch_size]
        return to_device(self.loop.task.collate(items, self.loop.pad_token_id), self.loop.device)

    def logits(self, model: "nn.Module") -> "torch.Tensor":
        """What `model` answers to the probe batch, in float32 and without dropout."""
        import torch

        with torch.no_grad():
            return self.loop.task.logits(model.eval(), self.probe_batch)
