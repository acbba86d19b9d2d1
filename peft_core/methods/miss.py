"""MiSS: W x + sum over the input's pieces x_i of r numbers of D^T x_i, one trained matrix D shared by all pieces."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from peft_core.added_cost import AddedCost
from peft_core.method import Capabilities, Family, LearningRate, Paper, hyperparameter
from peft_core.methods._targets import Targets, targets_field
from peft_core.methods._update import (
    EVERY_INPUT,
    EVERY_OUTPUT,
    EVERY_WIDTH,
    Layers,
    MatrixUpdate,
    check_at_most,
    check_divides,
    dropout_field,
    input_widths,
    output_widths,
)
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import nn


class Miss(MatrixUpdate):
    title: ClassVar[str] = "MiSS"
    family: ClassVar[Family] = "factorised"
    summary: ClassVar[str] = "One small matrix repeated across the weight matrix"
    trains: ClassVar[str] = "One matrix (r x d_out) for each targeted layer, which every r columns of its weight share."
    paper: ClassVar[Paper | None] = Paper(
        title="MiSS: Revisiting the Trade-off in LoRA with an Efficient Shard-Sharing Structure",
        authors="Kang and Yin",
        year=2024,
        url="https://arxiv.org/abs/2409.15371",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=1e-3,
        encoder=4e-4,
        llm=1e-4,
        source=(
            "small: chosen on validation, MiniLM on tweets, 150 steps (benchmarks/learning_rates.py);"
            " encoder: between the two, not measured;"
            " llm: Hugging Face's method comparison on Llama-3.2-3B"
        ),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=True, quantised_base=True, gradient_checkpointing=True, hot_switch=True
    )
    place: ClassVar[int] = 72

    rank: int = hyperparameter(
        64,
        title="Rank r",
        ge=1,
        recommended=(16, 128),
        effect="Length of the pieces that share one matrix. Larger shares less and trains more, in proportion.",
    )
    variant: Literal["balance", "bat", "mini"] = hyperparameter(
        "balance",
        title="Variant",
        effect=(
            "balance adds the shared matrix; bat multiplies the weight by it first, dearer and without dropout;"
            " mini shares it among outputs as well, which trains far less."
        ),
    )
    mini_rank: int = hyperparameter(
        8,
        title="Outputs of the mini variant",
        ge=1,
        recommended=(1, 64),
        effect="Only for mini: width of the matrix that outputs share. It has to divide the output widths.",
    )
    dropout: float = dropout_field(0.0)
    target_modules: Targets = targets_field("query_value")

    def check_layers(self, layers: Layers) -> None:
        check_at_most("miss", "rank", self.rank, input_widths(layers), EVERY_INPUT)
        if self.variant == "bat":
            check_divides("miss", "rank", self.rank, (width for dims in layers.values() for width in dims), EVERY_WIDTH)
        if self.variant == "mini":
            check_divides("miss", "mini_rank", self.mini_rank, output_widths(layers), EVERY_OUTPUT)

    def layer_parameters(self, d_in: int, d_out: int) -> int:
        """r d_out; mini: r times its own width."""
        return self.rank * (self.mini_rank if self.variant == "mini" else d_out)

    def added_cost(self, shape: ModelShape) -> AddedCost:
        """bat multiplies each weight, and keeps the update and its sum with the weight."""
        cost = super().added_cost(shape)
        weights = sum(math.prod(dims) for dims in self.layers(shape).values())
        return replace(cost, flops_per_token=2 * weights, kept=2 * weights) if self.variant == "bat" else cost

    def setting(self) -> str:
        return {"balance": f"r{self.rank}", "bat": f"bat r{self.rank}", "mini": f"mini r{self.rank}x{self.mini_rank}"}[
            self.variant
        ]

    def peft_config(self, model: "nn.Module", task_type: str | None) -> Any:
        from peft import MissConfig

        return MissConfig(
            task_type=task_type,
            r=self.rank,
            init_weights=True if self.variant == "balance" else self.variant,
            mini_r=self.mini_rank,
            miss_dropout=self.dropout,
            target_modules=self.pattern(model),
        )
