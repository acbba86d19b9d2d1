"""Full fine-tuning: every parameter is trained; the reference that the others' costs and quality refer to."""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from peft_core.added_cost import AddedCost
from peft_core.method import Capabilities, Family, LearningRate, Method, Paper
from peft_core.methods._tensors import load_trained, save_trained
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import nn


class Full(Method):
    title: ClassVar[str] = "Full fine-tuning"
    family: ClassVar[Family] = "reference"
    summary: ClassVar[str] = "Every weight of the base model"
    trains: ClassVar[str] = "All parameters of the base model, embeddings included."
    paper: ClassVar[Paper | None] = Paper(
        title="BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding",
        authors="Devlin et al.",
        year=2018,
        url="https://arxiv.org/abs/1810.04805",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=1e-4,
        encoder=2e-5,
        llm=1e-5,
        source="Devlin et al. 2018 for encoders, protocol for LLMs; small: chosen on validation, MiniLM on tweets",
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=True, quantised_base=False, gradient_checkpointing=True, hot_switch=False
    )
    place: ClassVar[int] = 2
    trains_base: ClassVar[bool] = True
    stores_whole_model: ClassVar[bool] = True

    def trainable_parameters(self, shape: ModelShape) -> int:
        """P, all parameters of the checkpoint."""
        return shape.parameters

    def added_cost(self, shape: ModelShape) -> AddedCost:
        """Nothing beside the base, whose layers all keep their inputs."""
        ending = ".weight"
        return AddedCost(inputs_kept=frozenset(path.removesuffix(ending) for path in shape.tensors if ending in path))

    def attach(self, model: "nn.Module", *, task_kind: str, total_steps: int) -> "nn.Module":
        return model.requires_grad_(True)

    def save(self, model: "nn.Module", folder: Path) -> None:
        save_trained(self, "full", model, folder)

    def load(self, model: "nn.Module", folder: Path, *, task_kind: str) -> "nn.Module":
        return load_trained(model.requires_grad_(True), folder)

    def merge(self, model: "nn.Module") -> "nn.Module | None":
        return model
