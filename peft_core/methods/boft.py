"""BOFT: s * (W R) x with a rotation R that is a product of sparse ones, laid out as the butterflies of the FFT."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.added_cost import AddedCost
from peft_core.errors import InvalidHyperparameter
from peft_core.method import Capabilities, Family, LearningRate, Paper, hyperparameter
from peft_core.methods._targets import Targets, targets_field
from peft_core.methods._update import EVERY_INPUT, Layers, MatrixUpdate, check_divides, input_widths, output_widths
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import nn


class Boft(MatrixUpdate):
    title: ClassVar[str] = "BOFT"
    family: ClassVar[Family] = "orthogonal"
    summary: ClassVar[str] = "Rotates a layer's inputs by butterfly factors"
    trains: ClassVar[str] = (
        "A matrix (b x b) for each block of each butterfly factor, and a scale for each output of a targeted layer."
    )
    paper: ClassVar[Paper | None] = Paper(
        title="Parameter-Efficient Orthogonal Finetuning via Butterfly Factorization",
        authors="Liu et al.",
        year=2023,
        url="https://arxiv.org/abs/2311.06243",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=1e-2,
        encoder=1e-3,
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
    place: ClassVar[int] = 74
    equals_base_at_start: ClassVar[bool] = False  # The bias is taken off and put back around s = 1, which rounds.

    block_size: int = hyperparameter(
        4,
        title="Block size b",
        ge=2,
        recommended=(2, 16),
        effect="How many inputs one block of a factor rotates; it has to divide the input widths. Larger trains more.",
    )
    factors: int = hyperparameter(
        2,
        title="Butterfly factors m",
        ge=1,
        recommended=(1, 4),
        effect="Each factor doubles how many inputs are rotated together and adds as many parameters; 1 is OFT.",
    )
    target_modules: Targets = targets_field("query_value")

    def check_layers(self, layers: Layers) -> None:
        check_divides("boft", "block_size", self.block_size, input_widths(layers), EVERY_INPUT)
        if self.factors == 1:
            return
        if self.block_size % 2:
            raise InvalidHyperparameter(
                "block_size", f"boft: block_size is {self.block_size}: it has to be even with more than one factor."
            )
        most = min(_factors_that_fit(d_in // self.block_size) for d_in in input_widths(layers))
        if self.factors > most:
            raise InvalidHyperparameter(
                "factors",
                f"boft: factors is {self.factors}: at most {most} with blocks of {self.block_size}, for each further"
                " factor halves the number of blocks.",
            )

    def layer_parameters(self, d_in: int, d_out: int) -> int:
        """b^2 for each of the d_in / b blocks of m factors (their skew-symmetric part is what counts), and d_out."""
        return self.factors * d_in * self.block_size + d_out

    def added_cost(self, shape: ModelShape) -> AddedCost:
        """Factors, their product and the turned weight are kept, and the outputs, which meet a trained scale."""
        layers = self.layers(shape)
        kept = sum((self.factors + 2) * d_in * d_in for d_in in input_widths(layers))
        turned = sum(2 * d_in * d_out for d_in, d_out in layers.values())
        cost = replace(super().added_cost(shape), flops_per_token=turned, kept=kept)
        return replace(cost, kept_per_token=sum(output_widths(layers)))

    def setting(self) -> str:
        return f"b{self.block_size} m{self.factors}"

    def peft_config(self, model: "nn.Module", task_type: str | None) -> Any:
        from peft import BOFTConfig

        from peft_core.methods._butterfly import use_plain_torch

        use_plain_torch()
        return BOFTConfig(
            task_type=task_type,
            boft_block_size=self.block_size,
            boft_n_butterfly_factor=self.factors,
            target_modules=self.pattern(model),
        )

    def load(self, model: "nn.Module", folder: Path, *, task_kind: str) -> "nn.Module":
        from peft_core.methods._butterfly import use_plain_torch

        use_plain_torch()
        return super().load(model, folder, task_kind=task_kind)


def _factors_that_fit(blocks: int) -> int:
    """1 and as many halvings as `blocks` allows."""
    factors = 1
    while blocks % 2 == 0:
        blocks //= 2
        factors += 1
    return factors
