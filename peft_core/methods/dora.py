"""DoRA: every row of W + (alpha / r) B A is brought to length one and given a learnt magnitude.

W' = m (W + (alpha / r) B A) / |W + (alpha / r) B A|, the norm taken over each output's d_in weights and held constant
in the backward pass. m starts as the norm of W, so that the adapted model begins as the base.
"""

from dataclasses import replace
from typing import Any, ClassVar

from peft_core.added_cost import AddedCost
from peft_core.method import Capabilities, Family, LearningRate, Paper
from peft_core.methods._lora import LoraMethod
from peft_core.methods._update import output_widths
from peft_core.model_shape import ModelShape


class Dora(LoraMethod):
    title: ClassVar[str] = "DoRA"
    family: ClassVar[Family] = "lora"
    summary: ClassVar[str] = "LoRA for the direction, a magnitude for each output"
    trains: ClassVar[str] = "LoRA's matrices A and B, and one magnitude for each output of every targeted layer."
    paper: ClassVar[Paper | None] = Paper(
        title="DoRA: Weight-Decomposed Low-Rank Adaptation",
        authors="Liu et al.",
        year=2024,
        url="https://arxiv.org/abs/2402.09353",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=1.5e-3,
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
    place: ClassVar[int] = 50
    only_calls_base_layers: ClassVar[bool] = False
    """The norms of W + (alpha / r) B A are made anew in every step."""

    def added_cost(self, shape: ModelShape) -> AddedCost:
        """LoRA's; W x once more, for behind a dropout it is another x; and three outputs that meet the magnitude."""
        lora, layers = super().added_cost(shape), self.layers(shape)
        again = sum(2 * d_in * d_out for d_in, d_out in layers.values()) if self.dropout else 0
        return replace(
            lora,
            flops_per_token=lora.flops_per_token + again,
            kept_per_token=lora.kept_per_token + 3 * sum(output_widths(layers)),
        )

    def layer_parameters(self, d_in: int, d_out: int) -> int:
        """r (d_in + d_out) + d_out."""
        return super().layer_parameters(d_in, d_out) + d_out

    def peft_options(self) -> dict[str, Any]:
        return {"use_dora": True}
