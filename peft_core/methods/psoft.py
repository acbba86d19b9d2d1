"""PSOFT: W x + B (R - I) A x with B A the r largest singular components of W, frozen, and R a trained rotation."""

from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.method import Capabilities, Family, LearningRate, Paper, hyperparameter
from peft_core.methods._targets import Targets, targets_field
from peft_core.methods._update import NARROWEST, Layers, MatrixUpdate, check_at_most, narrowest_sides

if TYPE_CHECKING:
    from torch import nn


class Psoft(MatrixUpdate):
    """R = diag(b) Q diag(a), Q = (I + S) (I - S)^-1 with S skew-symmetric (Cayley), a and b near one."""

    title: ClassVar[str] = "PSOFT"
    family: ClassVar[Family] = "orthogonal"
    summary: ClassVar[str] = "Rotates within each weight's principal subspace"
    trains: ClassVar[str] = "A rotation among the r main directions of each targeted weight, and two vectors of scales."
    paper: ClassVar[Paper | None] = Paper(
        title="Efficient Orthogonal Fine-Tuning with Principal Subspace Adaptation",
        authors="Wu et al.",
        year=2025,
        url="https://arxiv.org/abs/2505.11235",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=1e-2,
        encoder=1e-3,
        llm=1e-4,
        source=(
            "small: chosen on validation, MiniLM on tweets, 150 steps, one seed; encoder: between the two, not"
            " measured; llm: Hugging Face's method comparison, Llama-3.2-3B, psoft--llama-3.2-3B-default"
        ),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=True, quantised_base=False, gradient_checkpointing=True, hot_switch=True
    )
    place: ClassVar[int] = 76

    rank: int = hyperparameter(
        32,
        title="Rank r",
        ge=2,
        recommended=(32, 256),
        effect="Dimension of the subspace that is rotated. Parameters grow with half its square.",
    )
    target_modules: Targets = targets_field("query_value")

    def check_layers(self, layers: Layers) -> None:
        check_at_most(self.title, "rank", self.rank, narrowest_sides(layers), NARROWEST)

    def layer_parameters(self, d_in: int, d_out: int) -> int:
        """r (r - 1) / 2 of the rotation and 2 r of the scales."""
        return self.rank * (self.rank - 1) // 2 + 2 * self.rank

    def setting(self) -> str:
        return f"r{self.rank}"

    def peft_config(self, model: "nn.Module", task_type: str | None) -> Any:
        from peft import PsoftConfig

        return PsoftConfig(task_type=task_type, r=self.rank, psoft_alpha=self.rank, target_modules=self.pattern(model))
