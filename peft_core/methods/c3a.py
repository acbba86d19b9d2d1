"""C3A: the update of a layer is a matrix of circulant blocks, each given by one vector."""

import math
import re
from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.method import Capabilities, Family, LearningRate, Paper, hyperparameter
from peft_core.methods._targets import Targets, targets_field
from peft_core.methods._update import EVERY_WIDTH, Layers, MatrixUpdate, check_divides, largest_divisor
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import nn

USUAL = 64
"""Largest block that is chosen unasked; that of Hugging Face's method comparison."""


class C3A(MatrixUpdate):
    """The paper draws the vectors at random; we start them at 0, so that the adapted model begins as the base."""

    title: ClassVar[str] = "C3A"
    family: ClassVar[Family] = "spectral"
    summary: ClassVar[str] = "Updates made of circulant blocks"
    trains: ClassVar[str] = "One vector of b numbers for each b x b block of the targeted layers' weights."
    paper: ClassVar[Paper | None] = Paper(
        title="Parameter-Efficient Fine-Tuning via Circular Convolution",
        authors="Chen et al.",
        year=2024,
        url="https://arxiv.org/abs/2407.19342",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=3e-1,
        encoder=3e-1,
        llm=3e-1,
        source=(
            "small: chosen on validation, MiniLM on tweets, 150 steps (benchmarks/learning_rates.py);"
            " encoder: between the two, not measured;"
            " llm: Hugging Face's method comparison on Llama-3.2-3B"
        ),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=True, quantised_base=False, gradient_checkpointing=True, hot_switch=True
    )
    place: ClassVar[int] = 82

    block_size: int = hyperparameter(
        0,
        title="Block size b",
        ge=0,
        le=65536,
        recommended=(0, 1024),
        effect="Smaller blocks give more parameters, d_in d_out / b, and finer updates. It has to divide all targeted"
        " widths; 0 takes the largest block up to 64 that does.",
    )
    target_modules: Targets = targets_field("query_value")

    def check_layers(self, layers: Layers) -> None:
        if self.block_size:
            check_divides("c3a", "block_size", self.block_size, _widths(layers), EVERY_WIDTH)

    def trainable_parameters(self, shape: ModelShape) -> int:
        """Sum over targeted layers of d_in d_out / b: (d_out / b) (d_in / b) blocks of b numbers."""
        layers = self.layers(shape)
        return sum(d_in * d_out for d_in, d_out in layers.values()) // self._block(layers)

    def setting(self) -> str:
        return f"b{self.block_size}" if self.block_size else ""

    def label(self) -> str:
        return " ".join(super().label().split()).replace(" ,", ",")

    def _block(self, layers: Layers) -> int:
        return self.block_size or largest_divisor(math.gcd(*_widths(layers)), USUAL)

    def peft_config(self, model: "nn.Module", task_type: str | None) -> Any:
        from peft import C3AConfig

        pattern = self.pattern(model)
        linears = {path: module for path, module in model.named_modules() if re.fullmatch(pattern, path)}
        layers = {path: (int(linear.in_features), int(linear.out_features)) for path, linear in linears.items()}
        return C3AConfig(task_type=task_type, block_size=self._block(layers), init_weights=True, target_modules=pattern)


def _widths(layers: Layers) -> list[int]:
    return [width for dims in layers.values() for width in dims]
