"""TinyLoRA: W x + U (sum_i v_i P_i) V x, U and V the first singular vectors of W, P_i random, and only v trained."""

from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.method import Capabilities, Family, LearningRate, Paper, hyperparameter
from peft_core.methods._targets import Targets, targets_field
from peft_core.methods._update import NARROWEST, Layers, MatrixUpdate, check_at_most, narrowest_sides
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import nn


class TinyLora(MatrixUpdate):
    title: ClassVar[str] = "TinyLoRA"
    family: ClassVar[Family] = "lora"
    summary: ClassVar[str] = "A handful of numbers steering singular directions"
    trains: ClassVar[str] = "One vector of u numbers for each targeted layer, or for groups of layers that share it."
    paper: ClassVar[Paper | None] = Paper(
        title="Learning to Reason in 13 Parameters",
        authors="Morris et al.",
        year=2026,
        url="https://arxiv.org/abs/2602.04118",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=1e-2,
        encoder=1e-2,
        llm=1e-2,
        source=(
            "small: chosen on validation, MiniLM on tweets, 150 steps (benchmarks/learning_rates.py);"
            " others: not measured; 1e-3 is known to be too low on Llama-3.2-3B (Hugging Face's method comparison)"
        ),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=True, quantised_base=False, gradient_checkpointing=True, hot_switch=True
    )
    place: ClassVar[int] = 64

    rank: int = hyperparameter(
        8,
        title="Rank r",
        ge=1,
        recommended=(1, 16),
        effect="How many singular directions of a layer are steered. It changes what is stored, not what is trained.",
    )
    u: int = hyperparameter(
        64,
        title="Trained numbers u",
        ge=1,
        le=65536,
        recommended=(1, 256),
        effect="Length of a trained vector. More than r squared cannot reach further, but is easier to train.",
    )
    weight_tying: float = hyperparameter(
        0.0,
        title="Weight tying",
        ge=0.0,
        le=1.0,
        recommended=(0.0, 1.0),
        effect="The share of layers that use another layer's vector: 0 trains one for each, 1 one for the whole model.",
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
        check_at_most("tinylora", "rank", self.rank, narrowest_sides(layers), NARROWEST)

    def trainable_parameters(self, shape: ModelShape) -> int:
        """u for each group of layers that share a vector."""
        layers = len(self.layers(shape))
        groups = max(1, round(layers * (1 - self.weight_tying)))
        in_a_group = max(1, layers // groups)
        return self.u * min(groups, -(-layers // in_a_group))

    def stored_parameters(self, shape: ModelShape) -> int:
        """Beside the vectors, for each layer its singular directions, r (d_in + d_out), and its u random matrices of
        r x r."""
        frozen = sum(self.rank * (d_in + d_out) + self.u * self.rank**2 for d_in, d_out in self.layers(shape).values())
        return self.trainable_parameters(shape) + frozen

    def setting(self) -> str:
        tied = f" tied {self.weight_tying:g}" if self.weight_tying else ""
        return f"u{self.u} r{self.rank}{tied}"

    def peft_config(self, model: "nn.Module", task_type: str | None) -> Any:
        from peft import TinyLoraConfig

        return TinyLoraConfig(
            task_type=task_type,
            r=self.rank,
            u=self.u,
            weight_tying=self.weight_tying,
            tinylora_dropout=self.dropout,
            target_modules=self.pattern(model),
        )
