"""LN tuning: the weights and biases of every norm are trained, in copies that replace the base's own."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.added_cost import AddedCost
from peft_core.errors import NotOffered
from peft_core.head import is_head
from peft_core.method import Capabilities, Family, LearningRate, Paper
from peft_core.methods._peft import PeftMethod, merge_into_base, without_warning
from peft_core.methods._vector import norm_parameters, norm_paths, path_pattern
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import nn

NO_LINEAR_LAYER = "Unsupported layer type"
"""peft asks every layer that it wraps for its widths, and a norm has no two."""


class LNTuning(PeftMethod):
    title: ClassVar[str] = "LN tuning"
    family: ClassVar[Family] = "selective"
    summary: ClassVar[str] = "The norms' weights and biases only"
    trains: ClassVar[str] = "The weight and bias of every LayerNorm or RMSNorm of the base model."
    paper: ClassVar[Paper | None] = Paper(
        title="Tuning LayerNorm in Attention: Towards Efficient Multi-Modal LLM Finetuning",
        authors="Zhao et al.",
        year=2023,
        url="https://arxiv.org/abs/2312.11420",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=4e-3,
        encoder=1e-3,
        llm=1e-3,
        source=(
            "small: chosen on validation, MiniLM on tweets, 150 steps (benchmarks/learning_rates.py);"
            " others: the protocol's starting points"
        ),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=True, quantised_base=True, gradient_checkpointing=True, hot_switch=True
    )
    place: ClassVar[int] = 42

    def check(self, shape: ModelShape, *, task_kind: str, max_length: int) -> None:
        super().check(shape, task_kind=task_kind, max_length=max_length)
        if not norm_parameters(shape):
            raise NotOffered(
                f"{self.title} finds no norms with weights in a {shape.model_type} model. Choose another method."
            )

    def trainable_parameters(self, shape: ModelShape) -> int:
        """The numbers in all norms: d for an RMSNorm, 2 d for a LayerNorm."""
        return norm_parameters(shape)

    def added_cost(self, shape: ModelShape) -> AddedCost:
        """Nothing beside the base, whose norms keep what their weights are multiplied with."""
        ending = ".weight"
        norms = (path for path, dims in shape.tensors.items() if path.endswith(ending) and len(dims) == 1)
        return AddedCost(inputs_kept=frozenset(path.removesuffix(ending) for path in norms))

    def peft_config(self, model: "nn.Module", task_type: str | None) -> Any:
        from peft import LNTuningConfig

        norms = [path for path in norm_paths(model) if not is_head(path)]
        pattern = path_pattern(norms, among=[path for path, _ in model.named_modules()])
        return LNTuningConfig(task_type=task_type, target_modules=pattern)

    def attach(self, model: "nn.Module", *, task_kind: str, total_steps: int) -> "nn.Module":
        with without_warning(NO_LINEAR_LAYER):
            return super().attach(model, task_kind=task_kind, total_steps=total_steps)

    def load(self, model: "nn.Module", folder: Path, *, task_kind: str) -> "nn.Module":
        with without_warning(NO_LINEAR_LAYER):
            return super().load(model, folder, task_kind=task_kind)

    def merge(self, model: "nn.Module") -> "nn.Module | None":
        return merge_into_base(model)
