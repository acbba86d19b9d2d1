"""Head-only (linear probe): the task head on frozen features; what a method must beat to have adapted anything."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.errors import NotOffered
from peft_core.graft import Graft
from peft_core.head import head_parameters
from peft_core.method import Capabilities, Family, LearningRate, Method, Paper
from peft_core.methods._tensors import freeze_all_but, load_trained, save_trained
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import nn


class HeadOnly(Method):
    title: ClassVar[str] = "Head only"
    family: ClassVar[Family] = "reference"
    summary: ClassVar[str] = "A linear classifier on frozen features"
    trains: ClassVar[str] = "The task head; the base model stays as it is."
    paper: ClassVar[Paper | None] = Paper(
        title="Understanding intermediate layers using linear classifier probes",
        authors="Alain and Bengio",
        year=2016,
        url="https://arxiv.org/abs/1610.01644",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=1e-1,
        encoder=1e-3,
        llm=1e-3,
        source="protocol's starting points for large bases; small: chosen on validation, MiniLM on tweets",
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=True, quantised_base=True, gradient_checkpointing=True, hot_switch=True
    )
    place: ClassVar[int] = 1
    fuses: ClassVar[bool] = True

    def check(self, shape: ModelShape, *, task_kind: str, max_length: int) -> None:
        from peft_core.task import task_kind as kind_called

        if kind_called(task_kind).language_model:
            raise NotOffered(
                "Head only is not offered for language models: their output layer belongs to the base model and there"
                " is no head beside it. Compare with the untuned row."
            )

    def trainable_parameters(self, shape: ModelShape) -> int:
        return 0

    def attach(self, model: "nn.Module", *, task_kind: str, total_steps: int) -> "nn.Module":
        freeze_all_but(model, head_parameters(model))
        return model

    def fuse(self, models: "Sequence[nn.Module]") -> Graft:
        """Nothing in the base: each run's own head answers behind it."""
        return Graft()

    def parameter_groups(
        self, model: "nn.Module", learning_rate: float, head_learning_rate: float
    ) -> list[dict[str, Any]]:
        return [{"params": head_parameters(model), "lr": learning_rate}]

    def save(self, model: "nn.Module", folder: Path) -> None:
        save_trained(self, "head_only", model, folder)

    def load(self, model: "nn.Module", folder: Path, *, task_kind: str) -> "nn.Module":
        freeze_all_but(model, head_parameters(model))
        return load_trained(model, folder)

    def unload(self, model: "nn.Module") -> "nn.Module | None":
        return model

    def merge(self, model: "nn.Module") -> "nn.Module | None":
        return model
