"""Prefix tuning: keys and values of virtual tokens in every layer, made by an MLP while training."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.added_cost import AddedCost
from peft_core.method import Capabilities, Family, LearningRate, Paper, hyperparameter
from peft_core.methods._prefix import PrefixMethod
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import nn


class PrefixTuning(PrefixMethod):
    title: ClassVar[str] = "Prefix Tuning"
    family: ClassVar[Family] = "soft_prompt"
    summary: ClassVar[str] = "Learnt keys and values, through an MLP"
    trains: ClassVar[str] = "Virtual-token embeddings and a two-layer MLP that makes every layer's prefix from them."
    paper: ClassVar[Paper | None] = Paper(
        title="Prefix-Tuning: Optimizing Continuous Prompts for Generation",
        authors="Li and Liang",
        year=2021,
        url="https://arxiv.org/abs/2101.00190",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=1e-3,
        encoder=1e-3,
        llm=1e-3,
        source="protocol's starting points for large bases; small: chosen on validation, MiniLM on tweets",
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=False, quantised_base=True, gradient_checkpointing=False, hot_switch=True
    )
    place: ClassVar[int] = 30
    equals_base_at_start: ClassVar[bool] = False

    num_virtual_tokens: int = hyperparameter(
        20,
        title="Prefix length",
        ge=1,
        le=4096,
        recommended=(10, 200),
        effect="Virtual tokens in front of every layer's keys and values. Longer costs memory and latency.",
    )
    encoder_hidden_size: int = hyperparameter(
        256,
        title="MLP hidden size",
        ge=1,
        le=8192,
        recommended=(128, 512),
        effect="Width of the MLP that makes the prefix while training; dropped when the adapter is saved.",
    )

    def trainable_parameters(self, shape: ModelShape) -> int:
        """n d + (d h + h) + (h 2 L d + 2 L d): embeddings, first and second layer of the MLP (d = d_kv)."""
        width, hidden = shape.key_value_width, self.encoder_hidden_size
        out = 2 * shape.layers * width
        return self.num_virtual_tokens * width + (width * hidden + hidden) + (hidden * out + out)

    def added_cost(self, shape: ModelShape) -> AddedCost:
        """The MLP makes the prefix once for a batch: its weights meet every virtual token."""
        cost, hidden = super().added_cost(shape), self.encoder_hidden_size
        weights = hidden * shape.key_value_width * (1 + 2 * shape.layers)
        return replace(
            cost,
            flops=2 * self.num_virtual_tokens * weights,
            kept=self.num_virtual_tokens * (hidden + weights // hidden),
        )

    def label(self) -> str:
        return f"Prefix {self.num_virtual_tokens}"

    def peft_config(self, model: "nn.Module", task_type: str | None) -> Any:
        from peft import PrefixTuningConfig

        return PrefixTuningConfig(
            task_type=task_type,
            num_virtual_tokens=self.num_virtual_tokens,
            encoder_hidden_size=self.encoder_hidden_size,
            prefix_projection=True,
        )
