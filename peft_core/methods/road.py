"""RoAd: a layer's outputs are paired, and each pair is turned by a trained angle and stretched by a trained scale."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from peft_core.added_cost import AddedCost
from peft_core.errors import InvalidHyperparameter
from peft_core.method import Capabilities, Family, LearningRate, Paper, hyperparameter
from peft_core.methods._targets import Targets, targets_field
from peft_core.methods._update import EVERY_OUTPUT, Layers, MatrixUpdate, check_divides, output_widths
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import nn


class Road(MatrixUpdate):
    title: ClassVar[str] = "RoAd"
    family: ClassVar[Family] = "orthogonal"
    summary: ClassVar[str] = "Turns and stretches pairs of a layer's outputs"
    trains: ClassVar[str] = "Angles and scales for the pairs of outputs of each targeted layer."
    paper: ClassVar[Paper | None] = Paper(
        title="3-in-1: 2D Rotary Adaptation for Efficient Finetuning, Efficient Batching and Composability",
        authors="Liao and Monz",
        year=2024,
        url="https://arxiv.org/abs/2409.00119",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=5e-2,
        encoder=3e-3,
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
    place: ClassVar[int] = 76

    variant: Literal["road_1", "road_2", "road_4"] = hyperparameter(
        "road_1",
        title="Variant",
        effect="One angle and scale for a pair (road_1), for each output (road_2), or for each of the four weights.",
    )
    group_size: int = hyperparameter(
        32,
        title="Group size",
        ge=2,
        recommended=(32, 64),
        effect="Which outputs make a pair: those half a group apart. It changes speed rather than quality.",
    )
    target_modules: Targets = targets_field("query_value")

    def check_layers(self, layers: Layers) -> None:
        if self.group_size % 2:
            raise InvalidHyperparameter(
                "group_size", f"road: group_size is {self.group_size}: it has to be even, for outputs are paired."
            )
        check_divides("road", "group_size", self.group_size, output_widths(layers), EVERY_OUTPUT)

    def layer_parameters(self, d_in: int, d_out: int) -> int:
        """Angles and scales: d_out, 2 d_out or 4 d_out numbers."""
        return {"road_1": d_out, "road_2": 2 * d_out, "road_4": 4 * d_out}[self.variant]

    def added_cost(self, shape: ModelShape) -> AddedCost:
        """The outputs of the targeted layers are kept, as they are and with their halves swapped; inputs are not."""
        kept = 2 * sum(output_widths(self.layers(shape)))
        return replace(super().added_cost(shape), kept_per_token=kept, inputs_kept=frozenset())

    def setting(self) -> str:
        return self.variant.removeprefix("road_")

    def peft_config(self, model: "nn.Module", task_type: str | None) -> Any:
        from peft import RoadConfig

        return RoadConfig(
            task_type=task_type,
            variant=self.variant,
            group_size=self.group_size,
            target_modules=self.pattern(model),
        )
