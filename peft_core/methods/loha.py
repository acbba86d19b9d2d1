"""LoHa: W x + (alpha / r) ((B1 A1) * (B2 A2)) x, element by element a product of two low-rank updates."""

from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.method import Capabilities, Family, LearningRate, Paper, hyperparameter
from peft_core.methods._targets import Targets, targets_field
from peft_core.methods._update import NARROWEST, Layers, MatrixUpdate, check_at_most, narrowest_sides

if TYPE_CHECKING:
    from torch import nn


class LoHa(MatrixUpdate):
    title: ClassVar[str] = "LoHa"
    family: ClassVar[Family] = "factorised"
    summary: ClassVar[str] = "Hadamard product of two low-rank updates"
    trains: ClassVar[str] = (
        "Two pairs of thin matrices for each targeted layer: twice what LoRA trains at the same rank."
    )
    paper: ClassVar[Paper | None] = Paper(
        title="FedPara: Low-Rank Hadamard Product for Communication-Efficient Federated Learning",
        authors="Hyeon-Woo et al.",
        year=2021,
        url="https://arxiv.org/abs/2108.06098",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=6e-3,
        encoder=1e-3,
        llm=1e-4,
        source=(
            "small: chosen on validation, MiniLM on tweets, 150 steps (benchmarks/learning_rates.py);"
            " encoder: between the two, not measured;"
            " llm: Hugging Face's method comparison on Llama-3.2-3B"
        ),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=True, quantised_base=False, gradient_checkpointing=True, hot_switch=True
    )
    place: ClassVar[int] = 70
    makes_update: ClassVar[bool] = True

    rank: int = hyperparameter(
        8,
        title="Rank r",
        ge=1,
        recommended=(4, 32),
        effect="Width of both products. Parameters grow in proportion, the rank of the update up to r squared.",
    )
    alpha: float = hyperparameter(
        16.0,
        title="Alpha",
        ge=1e-6,
        le=1e6,
        recommended=(4, 64),
        effect="The update is scaled by alpha / r. One to two times the rank is usual.",
    )
    target_modules: Targets = targets_field("query_value")

    def check_layers(self, layers: Layers) -> None:
        check_at_most("loha", "rank", self.rank, narrowest_sides(layers), NARROWEST)

    def layer_parameters(self, d_in: int, d_out: int) -> int:
        """2 r (d_in + d_out)."""
        return 2 * self.rank * (d_in + d_out)

    def setting(self) -> str:
        return f"r{self.rank}"

    def peft_config(self, model: "nn.Module", task_type: str | None) -> Any:
        from peft import LoHaConfig

        return LoHaConfig(
            task_type=task_type,
            r=self.rank,
            alpha=self.alpha,  # type: ignore[arg-type]  # peft annotates int and only divides it
            target_modules=self.pattern(model),
        )
