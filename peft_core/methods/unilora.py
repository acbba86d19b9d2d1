"""Uni-LoRA: LoRA whose matrices, in all layers together, are filled from one trained vector by a fixed random map."""

from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.method import Capabilities, Family, LearningRate, Paper, hyperparameter
from peft_core.methods._targets import Targets, targets_field
from peft_core.methods._update import NARROWEST, Layers, MatrixUpdate, check_at_most, narrowest_sides
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import nn


class UniLora(MatrixUpdate):
    title: ClassVar[str] = "Uni-LoRA"
    family: ClassVar[Family] = "lora"
    summary: ClassVar[str] = "One trained vector for the LoRA of all layers"
    trains: ClassVar[str] = "One vector of d numbers for the whole model."
    paper: ClassVar[Paper | None] = Paper(
        title="Uni-LoRA: One Vector is All You Need",
        authors="Li et al.",
        year=2025,
        url="https://arxiv.org/abs/2506.00799",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=1.5e-1,
        encoder=1e-2,
        llm=1e-2,
        source=(
            "small: chosen on validation, MiniLM on tweets, 150 steps (benchmarks/learning_rates.py);"
            " others: not measured; 1e-4 is known to be too low on Llama-3.2-3B (Hugging Face's method comparison)"
        ),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=True, quantised_base=True, gradient_checkpointing=True, hot_switch=True
    )
    place: ClassVar[int] = 65
    equals_base_at_start: ClassVar[bool] = False  # The vector starts at random, and with it both of LoRA's matrices.

    rank: int = hyperparameter(
        4,
        title="Rank r",
        ge=1,
        recommended=(4, 32),
        effect="Width of the LoRA that is filled. It trains nothing of its own: more entries share the same numbers.",
    )
    theta_d_length: int = hyperparameter(
        256,
        title="Length d of the vector",
        ge=1,
        recommended=(256, 65536),
        effect="How many numbers are trained for the whole model. More give quality for storage.",
    )
    dropout: float = hyperparameter(
        0.0,
        title="Dropout",
        ge=0.0,
        le=0.99,
        recommended=(0.0, 0.1),
        effect="Drops inputs of the update while training; so few numbers rarely over-fit.",
    )
    target_modules: Targets = targets_field("query_value")

    def check_layers(self, layers: Layers) -> None:
        check_at_most("unilora", "rank", self.rank, narrowest_sides(layers), NARROWEST)
        entries = sum(self.rank * (d_in + d_out) for d_in, d_out in layers.values())
        check_at_most(
            "unilora", "theta_d_length", self.theta_d_length, [entries], "the entries of the LoRA that it fills"
        )

    def trainable_parameters(self, shape: ModelShape) -> int:
        """d, and as many are stored: the map is made again from its seed."""
        return self.theta_d_length

    def setting(self) -> str:
        return f"d{self.theta_d_length} r{self.rank}"

    def peft_config(self, model: "nn.Module", task_type: str | None) -> Any:
        from peft import UniLoraConfig

        return UniLoraConfig(
            task_type=task_type,
            r=self.rank,
            theta_d_length=self.theta_d_length,
            unilora_dropout=self.dropout,
            target_modules=self.pattern(model),
        )
