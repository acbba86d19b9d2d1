"""HRA: W H_1 ... H_r x with trained Householder reflections H_i = I - 2 u_i u_i^T / |u_i|^2."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.added_cost import AddedCost
from peft_core.errors import InvalidHyperparameter
from peft_core.method import Capabilities, Family, LearningRate, Paper, hyperparameter
from peft_core.methods._targets import Targets, targets_field
from peft_core.methods._update import EVERY_INPUT, Layers, MatrixUpdate, check_at_most, input_widths
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import nn


class Hra(MatrixUpdate):
    title: ClassVar[str] = "HRA"
    family: ClassVar[Family] = "orthogonal"
    summary: ClassVar[str] = "Turns inputs by a chain of reflections"
    trains: ClassVar[str] = "r vectors as long as the input of each targeted layer, one for each reflection."
    paper: ClassVar[Paper | None] = Paper(
        title=("Bridging The Gap between Low-rank and Orthogonal Adaptation via Householder Reflection Adaptation"),
        authors="Yuan et al.",
        year=2024,
        url="https://arxiv.org/abs/2405.17484",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=1e-2,
        encoder=1e-3,
        llm=1e-4,
        source=(
            "small: chosen on validation, MiniLM on tweets, 150 steps (benchmarks/learning_rates.py);"
            " encoder: between the two, not measured;"
            " llm: not measured"
        ),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=True, quantised_base=False, gradient_checkpointing=True, hot_switch=True
    )
    place: ClassVar[int] = 75
    equals_base_at_start: ClassVar[bool] = False  # Two equal reflections cancel out but for rounding.

    rank: int = hyperparameter(
        8,
        title="Reflections r",
        ge=2,
        recommended=(2, 32),
        effect="How many reflections follow each other, an even number. More turn the inputs further and train more.",
    )
    target_modules: Targets = targets_field("query_value")

    def check_layers(self, layers: Layers) -> None:
        if self.rank % 2:
            raise InvalidHyperparameter(
                "rank",
                f"hra: rank is {self.rank}: it has to be even, for reflections start as pairs that cancel out."
                f" {self.rank + 1} is.",
            )
        check_at_most("hra", "rank", self.rank, input_widths(layers), EVERY_INPUT)

    def layer_parameters(self, d_in: int, d_out: int) -> int:
        """r d_in."""
        return self.rank * d_in

    def added_cost(self, shape: ModelShape) -> AddedCost:
        """The weight passes r reflections, each of which keeps its result; the input is multiplied with the last."""
        layers = self.layers(shape).values()
        kept = sum((self.rank + 1) * d_in * d_in + d_in * d_out for d_in, d_out in layers)
        turned = sum(2 * d_in * d_out for d_in, d_out in layers)
        return replace(super().added_cost(shape), flops_per_token=turned, kept=kept)

    def setting(self) -> str:
        return f"r{self.rank}"

    def peft_config(self, model: "nn.Module", task_type: str | None) -> Any:
        from peft import HRAConfig

        return HRAConfig(task_type=task_type, r=self.rank, target_modules=self.pattern(model))
