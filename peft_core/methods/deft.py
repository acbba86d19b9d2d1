"""DEFT: (I - P relu(P)^T) W x + P R x, a learnt subspace of the outputs is taken out and written anew."""

from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.method import Capabilities, Family, LearningRate, Paper, hyperparameter
from peft_core.methods._targets import Targets, targets_field
from peft_core.methods._update import NARROWEST, Layers, MatrixUpdate, check_at_most, dropout_field, narrowest_sides

if TYPE_CHECKING:
    from torch import nn


class Deft(MatrixUpdate):
    """R starts as relu(P)^T W, so that what is written equals what was taken out, but for rounding."""

    title: ClassVar[str] = "DEFT"
    family: ClassVar[Family] = "lora"
    summary: ClassVar[str] = "Takes a subspace out of weights, writes it anew"
    trains: ClassVar[str] = "The subspace P (d_out x r) and what is written in it, R (r x d_in), for each layer."
    paper: ClassVar[Paper | None] = Paper(
        title="DEFT: Decompositional Efficient Fine-Tuning for Text-to-Image Models",
        authors="Kumar et al.",
        year=2025,
        url="https://arxiv.org/abs/2509.22793",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=2e-3,
        encoder=4e-4,
        llm=1e-4,
        source=(
            "small: between 1e-3 and 3e-3, equally good on validation (1e-2 is not), MiniLM on tweets, 150 steps, one"
            " seed; encoder: LoRA's, not measured; llm: Hugging Face's method comparison, Llama-3.2-3B,"
            " deft--llama-3.2-3B-rank32"
        ),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=True, quantised_base=False, gradient_checkpointing=True, hot_switch=True
    )
    place: ClassVar[int] = 58
    equals_base_at_start: ClassVar[bool] = False

    rank: int = hyperparameter(
        16,
        title="Rank r",
        ge=1,
        recommended=(4, 64),
        effect="Dimension of the subspace. Parameters and storage grow in proportion.",
    )
    dropout: float = dropout_field(0.0)
    target_modules: Targets = targets_field("query_value")

    def check_layers(self, layers: Layers) -> None:
        check_at_most(self.title, "rank", self.rank, narrowest_sides(layers), NARROWEST)

    def layer_parameters(self, d_in: int, d_out: int) -> int:
        """r (d_in + d_out)."""
        return self.rank * (d_in + d_out)

    def setting(self) -> str:
        return f"r{self.rank}"

    def peft_config(self, model: "nn.Module", task_type: str | None) -> Any:
        from peft import DeftConfig

        return DeftConfig(
            task_type=task_type, r=self.rank, deft_dropout=self.dropout, target_modules=self.pattern(model)
        )
