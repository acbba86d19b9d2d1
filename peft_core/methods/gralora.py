"""GraLoRA: the weight matrix as a grid of k x k blocks, each with a low-rank update of its own of rank r / k."""

from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.errors import InvalidHyperparameter
from peft_core.method import Capabilities, Family, LearningRate, Paper, hyperparameter
from peft_core.methods._targets import Targets, targets_field
from peft_core.methods._update import EVERY_WIDTH, Layers, MatrixUpdate, check_divides, dropout_field

if TYPE_CHECKING:
    from torch import nn


class Gralora(MatrixUpdate):
    title: ClassVar[str] = "GraLoRA"
    family: ClassVar[Family] = "lora"
    summary: ClassVar[str] = "Low-rank updates of blocks of the weight matrix"
    trains: ClassVar[str] = (
        "As many numbers as LoRA of the same rank, shared out over the blocks of each targeted layer."
    )
    paper: ClassVar[Paper | None] = Paper(
        title="GraLoRA: Granular Low-Rank Adaptation for Parameter-Efficient Fine-Tuning",
        authors="Jung et al.",
        year=2025,
        url="https://arxiv.org/abs/2505.20355",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=1.5e-3,
        encoder=4e-4,
        llm=2e-4,
        source=(
            "small: chosen on validation, MiniLM on tweets, 150 steps (benchmarks/learning_rates.py);"
            " encoder: between the two, not measured;"
            " llm: Hugging Face's method comparison on Llama-3.2-3B"
        ),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=True, quantised_base=False, gradient_checkpointing=True, hot_switch=True
    )
    place: ClassVar[int] = 66

    rank: int = hyperparameter(
        32,
        title="Rank r",
        ge=1,
        recommended=(16, 128),
        effect="Parameters grow in proportion, as LoRA's; the blocks let the update reach k times this rank.",
    )
    blocks: int = hyperparameter(
        2,
        title="Blocks a side k",
        ge=1,
        recommended=(2, 4),
        effect="Cuts inputs and outputs into k parts; it has to divide the rank and the widths. 1 is LoRA.",
    )
    alpha: float = hyperparameter(
        64.0,
        title="Alpha",
        ge=1e-6,
        le=1e6,
        recommended=(16, 256),
        effect="The update is scaled by alpha / r. One to two times the rank is usual.",
    )
    dropout: float = dropout_field(0.0)
    target_modules: Targets = targets_field("query_value")

    def check_layers(self, layers: Layers) -> None:
        check_divides(
            "gralora", "blocks", self.blocks, (width for dims in layers.values() for width in dims), EVERY_WIDTH
        )
        if self.rank % self.blocks:
            raise InvalidHyperparameter(
                "rank", f"gralora: rank is {self.rank}: it has to be a multiple of the {self.blocks} blocks."
            )
        most = min(min(dims) for dims in layers.values()) // self.blocks * self.blocks
        if self.rank > most:
            raise InvalidHyperparameter("rank", f"gralora: rank is {self.rank}: at most {most}, the narrowest side.")

    def layer_parameters(self, d_in: int, d_out: int) -> int:
        """r (d_in + d_out): k matrices of each kind, each 1 / k as long."""
        return self.rank * (d_in + d_out)

    def setting(self) -> str:
        return f"r{self.rank} k{self.blocks}"

    def peft_config(self, model: "nn.Module", task_type: str | None) -> Any:
        from peft import GraloraConfig

        return GraloraConfig(
            task_type=task_type,
            r=self.rank,
            gralora_k=self.blocks,
            alpha=self.alpha,  # type: ignore[arg-type]  # peft annotates int and only divides it
            gralora_dropout=self.dropout,
            target_modules=self.pattern(model),
        )
