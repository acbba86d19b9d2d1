"""Untuned: nothing is trained and the majority class is answered; the floor that every gain is measured from."""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from peft_core.method import Capabilities, Family, LearningRate, Method, Paper
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import nn


class Untuned(Method):
    title: ClassVar[str] = "Untuned"
    family: ClassVar[Family] = "reference"
    summary: ClassVar[str] = "Nothing trained: the majority class"
    trains: ClassVar[str] = "Nothing."
    paper: ClassVar[Paper | None] = None
    learning_rate: ClassVar[LearningRate | None] = None
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=True, quantised_base=True, gradient_checkpointing=True, hot_switch=True
    )
    place: ClassVar[int] = 0
    trains_head: ClassVar[bool] = False

    def trainable_parameters(self, shape: ModelShape) -> int:
        return 0

    def attach(self, model: "nn.Module", *, task_kind: str, total_steps: int) -> "nn.Module":
        return model.requires_grad_(False)

    def save(self, model: "nn.Module", folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)

    def load(self, model: "nn.Module", folder: Path, *, task_kind: str) -> "nn.Module":
        return model.requires_grad_(False).eval()

    def unload(self, model: "nn.Module") -> "nn.Module | None":
        return model

    def merge(self, model: "nn.Module") -> "nn.Module | None":
        return model
