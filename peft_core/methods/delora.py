"""DeLoRA: W x + (lambda / r) B N A (|w| * x), N dividing by the norms of A's rows and B's columns: directions and one
trained strength."""

from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.method import Capabilities, Family, LearningRate, Paper, hyperparameter
from peft_core.methods._targets import Targets, targets_field
from peft_core.methods._update import (
    NARROWEST,
    Layers,
    MatrixUpdate,
    check_at_most,
    dropout_field,
    input_widths,
    narrowest_sides,
)
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import nn


class Delora(MatrixUpdate):
    title: ClassVar[str] = "DeLoRA"
    family: ClassVar[Family] = "lora"
    summary: ClassVar[str] = "LoRA with normalised directions and a bounded strength"
    trains: ClassVar[str] = "Two thin matrices for each targeted layer, whose norms do not count, and one strength."
    paper: ClassVar[Paper | None] = Paper(
        title="Decoupling Angles and Strength in Low-rank Adaptation",
        authors="Bini et al.",
        year=2025,
        url="https://arxiv.org/abs/2503.18225",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=3e-3,
        encoder=3e-3,
        llm=1e-3,
        source=(
            "small: chosen on validation, MiniLM on tweets, 150 steps (benchmarks/learning_rates.py);"
            " encoder: between the two, not measured;"
            " llm: Hugging Face's method comparison on Llama-3.2-3B"
        ),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=True, quantised_base=False, gradient_checkpointing=True, hot_switch=True
    )
    place: ClassVar[int] = 67

    rank: int = hyperparameter(
        32,
        title="Rank r",
        ge=1,
        recommended=(4, 64),
        effect="How many directions the update has. The bound on its strength stays the same.",
    )
    delora_lambda: float = hyperparameter(
        15.0,
        title="Lambda",
        ge=1e-3,
        le=1e4,
        recommended=(1, 50),
        effect="Where the trained strength starts: the bound on how far a layer can move, in units of its own columns.",
    )
    dropout: float = dropout_field(0.0)
    target_modules: Targets = targets_field("query_value")

    def check_layers(self, layers: Layers) -> None:
        check_at_most("delora", "rank", self.rank, narrowest_sides(layers), NARROWEST)

    def layer_parameters(self, d_in: int, d_out: int) -> int:
        """r (d_in + d_out), and lambda."""
        return self.rank * (d_in + d_out) + 1

    def stored_parameters(self, shape: ModelShape) -> int:
        """Beside what is trained the norm of each column of the frozen weights, d_in for every layer."""
        return self.trainable_parameters(shape) + sum(input_widths(self.layers(shape)))

    def setting(self) -> str:
        return f"r{self.rank}"

    def peft_config(self, model: "nn.Module", task_type: str | None) -> Any:
        from peft import DeloraConfig

        return DeloraConfig(
            task_type=task_type,
            r=self.rank,
            delora_lambda=self.delora_lambda,  # type: ignore[arg-type]  # peft annotates int and takes any number
            module_dropout=self.dropout,
            target_modules=self.pattern(model),
        )
