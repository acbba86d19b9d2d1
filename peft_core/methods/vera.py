"""VeRA: W x + b * (B (d * (A x))) with one frozen random pair A, B for all layers and two trained vectors in each."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.added_cost import AddedCost
from peft_core.method import Capabilities, Family, LearningRate, Paper, hyperparameter
from peft_core.methods._targets import Targets, targets_field
from peft_core.methods._update import MatrixUpdate, dropout_field, input_widths, output_widths
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import nn


class Vera(MatrixUpdate):
    title: ClassVar[str] = "VeRA"
    family: ClassVar[Family] = "lora"
    summary: ClassVar[str] = "Two scaling vectors around shared random matrices"
    trains: ClassVar[str] = (
        "A vector d (r numbers) and a vector b (d_out numbers) for each targeted layer; the random matrices are frozen."
    )
    paper: ClassVar[Paper | None] = Paper(
        title="VeRA: Vector-based Random Matrix Adaptation",
        authors="Kopiczko et al.",
        year=2023,
        url="https://arxiv.org/abs/2310.11454",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=1e-1,
        encoder=1e-2,
        llm=1e-3,
        source=(
            "small: chosen on validation, MiniLM on tweets, 150 steps (benchmarks/learning_rates.py);"
            " encoder: between the two, not measured;"
            " llm: Hugging Face's method comparison on Llama-3.2-3B"
        ),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=True, quantised_base=True, gradient_checkpointing=True, hot_switch=True
    )
    place: ClassVar[int] = 60

    rank: int = hyperparameter(
        256,
        title="Rank r",
        ge=1,
        le=16384,
        recommended=(64, 1024),
        effect="Width of the shared random matrices. It adds r numbers to each layer, so it can be far above LoRA's.",
    )
    d_initial: float = hyperparameter(
        0.1,
        title="Start of d",
        ge=1e-6,
        le=10.0,
        recommended=(1e-2, 1.0),
        effect="Where every number of the vector d starts. Smaller starts the update more gently and learns slower.",
    )
    dropout: float = dropout_field(0.0)
    target_modules: Targets = targets_field("query_value")

    def layer_parameters(self, d_in: int, d_out: int) -> int:
        """r + d_out: the vectors d and b."""
        return self.rank + d_out

    def stored_parameters(self, shape: ModelShape) -> int:
        """The vectors, and A (r x widest d_in) and B (widest d_out x r) once: a seed alone would not restore them on
        every machine. Narrower layers use the first columns and rows."""
        layers = self.layers(shape)
        shared = self.rank * (max(input_widths(layers)) + max(output_widths(layers)))
        return self.trainable_parameters(shape) + shared

    def added_cost(self, shape: ModelShape) -> AddedCost:
        """x meets a frozen matrix and is not kept; A x (r) and B (d * A x) (d_out) meet what trains and are."""
        layers = self.layers(shape)
        flops = sum(2 * self.rank * (d_in + d_out) for d_in, d_out in layers.values())
        kept = self.rank * len(layers) + sum(output_widths(layers))
        return replace(super().added_cost(shape), flops_per_token=flops, kept_per_token=kept, inputs_kept=frozenset())

    def setting(self) -> str:
        return f"r{self.rank}"

    def peft_config(self, model: "nn.Module", task_type: str | None) -> Any:
        from peft import VeraConfig

        return VeraConfig(
            task_type=task_type,
            r=self.rank,
            d_initial=self.d_initial,
            vera_dropout=self.dropout,
            target_modules=self.pattern(model),
        )
