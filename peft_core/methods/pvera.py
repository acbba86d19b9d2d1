"""PVeRA: VeRA whose inner vector is drawn from a normal distribution while training; its mean answers afterwards."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.added_cost import AddedCost
from peft_core.method import Capabilities, Family, LearningRate, Paper, hyperparameter
from peft_core.methods._targets import Targets, targets_field
from peft_core.methods._update import MatrixUpdate, input_widths, output_widths
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import nn


class Pvera(MatrixUpdate):
    title: ClassVar[str] = "PVeRA"
    family: ClassVar[Family] = "lora"
    summary: ClassVar[str] = "VeRA with a learnt distribution inside"
    trains: ClassVar[str] = (
        "A vector d (2 r numbers: means and variances) and a vector b (d_out numbers) for each targeted layer."
    )
    paper: ClassVar[Paper | None] = Paper(
        title="PVeRA: Probabilistic Vector-Based Random Matrix Adaptation",
        authors="Fillioux et al.",
        year=2025,
        url="https://arxiv.org/abs/2512.07703",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=3e-2,
        encoder=1e-2,
        llm=3e-3,
        source=(
            "small: chosen on validation, MiniLM on tweets, 150 steps (benchmarks/learning_rates.py);"
            " encoder: between the two, not measured;"
            " llm: Hugging Face's method comparison on Llama-3.2-3B"
        ),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=True, quantised_base=True, gradient_checkpointing=True, hot_switch=True
    )
    place: ClassVar[int] = 63

    rank: int = hyperparameter(
        256,
        title="Rank r",
        ge=1,
        le=16384,
        recommended=(64, 1024),
        effect="Width of the shared random matrices. It adds 2 r numbers to each layer, so it can be far above LoRA's.",
    )
    d_initial: float = hyperparameter(
        1.0,
        title="Start of d",
        ge=1e-6,
        le=10.0,
        recommended=(1e-2, 1.0),
        effect=(
            "Where every number of the vector d starts. The noise begins at variance 1, in which a much smaller mean is"
            " lost."
        ),
    )
    dropout: float = hyperparameter(
        0.0,
        title="Dropout",
        ge=0.0,
        le=0.99,
        recommended=(0.0, 0.1),
        effect="Drops inputs of the update while training, on top of the noise that the distribution brings.",
    )
    target_modules: Targets = targets_field("query_value")

    def layer_parameters(self, d_in: int, d_out: int) -> int:
        """2 r + d_out: means and variances, and b."""
        return 2 * self.rank + d_out

    def stored_parameters(self, shape: ModelShape) -> int:
        """The vectors, and A (2 r x widest d_in) and B (widest d_out x r) once."""
        layers = self.layers(shape)
        shared = self.rank * (2 * max(input_widths(layers)) + max(output_widths(layers)))
        return self.trainable_parameters(shape) + shared

    def added_cost(self, shape: ModelShape) -> AddedCost:
        """x meets a frozen matrix and is not kept; kept are 4 r numbers of the drawn mean and spread, and d_out."""
        layers = self.layers(shape)
        flops = sum(2 * self.rank * (2 * d_in + d_out) for d_in, d_out in layers.values())
        kept = 4 * self.rank * len(layers) + sum(output_widths(layers))
        return replace(super().added_cost(shape), flops_per_token=flops, kept_per_token=kept, inputs_kept=frozenset())

    def setting(self) -> str:
        return f"r{self.rank}"

    def peft_config(self, model: "nn.Module", task_type: str | None) -> Any:
        from peft import PveraConfig

        return PveraConfig(
            task_type=task_type,
            r=self.rank,
            d_initial=self.d_initial,
            pvera_dropout=self.dropout,
            target_modules=self.pattern(model),
        )
