"""OFT: W R x with a block-diagonal rotation R, each block a Cayley transform of a trained skew-symmetric matrix."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from peft_core.method import Capabilities, Family, LearningRate, Paper, hyperparameter
from peft_core.methods._targets import Targets, targets_field
from peft_core.methods._update import EVERY_INPUT, Layers, MatrixUpdate, check_divides, input_widths

if TYPE_CHECKING:
    from torch import nn


class Oft(MatrixUpdate):
    title: ClassVar[str] = "OFT"
    family: ClassVar[Family] = "orthogonal"
    summary: ClassVar[str] = "Rotates a layer's inputs in blocks"
    trains: ClassVar[str] = "A skew-symmetric matrix (b x b) for each block of b inputs of each targeted layer."
    paper: ClassVar[Paper | None] = Paper(
        title="Controlling Text-to-Image Diffusion by Orthogonal Finetuning",
        authors="Qiu et al.",
        year=2023,
        url="https://arxiv.org/abs/2306.07280",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=3e-3,
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
    place: ClassVar[int] = 73

    block_size: int = hyperparameter(
        32,
        title="Block size b",
        ge=2,
        recommended=(4, 128),
        effect="How many inputs are rotated together; it has to divide the input widths. Larger trains more.",
    )
    cayley: Literal["neumann", "exact"] = hyperparameter(
        "neumann",
        title="Cayley transform",
        effect="A series of five terms, fast and nearly a rotation, or a matrix inverse, slower and exactly one.",
    )
    target_modules: Targets = targets_field("query_value")

    def check_layers(self, layers: Layers) -> None:
        check_divides("oft", "block_size", self.block_size, input_widths(layers), EVERY_INPUT)

    def layer_parameters(self, d_in: int, d_out: int) -> int:
        """b (b - 1) / 2 for each of the d_in / b blocks."""
        return d_in * (self.block_size - 1) // 2

    def setting(self) -> str:
        return f"b{self.block_size}" + (" exact" if self.cayley == "exact" else "")

    def peft_config(self, model: "nn.Module", task_type: str | None) -> Any:
        from peft import OFTConfig

        return OFTConfig(
            task_type=task_type,
            oft_block_size=self.block_size,
            use_cayley_neumann=self.cayley == "neumann",
            target_modules=self.pattern(model),
        )
