"""HiRA: (W + W * (B A)) x, a low-rank matrix that scales the frozen weights one by one, for an update of high rank."""

from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.method import Capabilities, Family, LearningRate, Paper, hyperparameter
from peft_core.methods._targets import Targets, targets_field
from peft_core.methods._update import NARROWEST, Layers, MatrixUpdate, check_at_most, dropout_field, narrowest_sides

if TYPE_CHECKING:
    from torch import nn


class Hira(MatrixUpdate):
    title: ClassVar[str] = "HiRA"
    family: ClassVar[Family] = "factorised"
    summary: ClassVar[str] = "Low-rank scaling of every frozen weight"
    trains: ClassVar[str] = "Two thin matrices A (r x d_in) and B (d_out x r) for each targeted layer."
    paper: ClassVar[Paper | None] = Paper(
        title="HiRA: Parameter-Efficient Hadamard High-Rank Adaptation for Large Language Models",
        authors="Huang et al.",
        year=2025,
        url="https://openreview.net/forum?id=TwJrTz9cRS",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=1e-2,
        encoder=4.5e-3,
        llm=4.5e-3,
        source=(
            "small: chosen on validation, MiniLM on tweets, 150 steps (benchmarks/learning_rates.py);"
            " encoder: between the two, not measured;"
            " llm: Hugging Face's method comparison on Llama-3.2-3B"
        ),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=True, quantised_base=True, gradient_checkpointing=True, hot_switch=True
    )
    place: ClassVar[int] = 68
    makes_update: ClassVar[bool] = True

    rank: int = hyperparameter(
        32,
        title="Rank r",
        ge=1,
        recommended=(8, 64),
        effect="Width of the scaling. Parameters and storage grow in proportion.",
    )
    dropout: float = dropout_field(0.0)
    target_modules: Targets = targets_field("query_value")

    def check_layers(self, layers: Layers) -> None:
        check_at_most("hira", "rank", self.rank, narrowest_sides(layers), NARROWEST)

    def layer_parameters(self, d_in: int, d_out: int) -> int:
        """r (d_in + d_out)."""
        return self.rank * (d_in + d_out)

    def setting(self) -> str:
        return f"r{self.rank}"

    def peft_config(self, model: "nn.Module", task_type: str | None) -> Any:
        from peft import HiraConfig

        return HiraConfig(
            task_type=task_type, r=self.rank, hira_dropout=self.dropout, target_modules=self.pattern(model)
        )
