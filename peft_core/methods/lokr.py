"""LoKr: W x + (alpha / r) (C kron D) x, a Kronecker product of a small matrix and a larger one, low-rank if that is
smaller."""

from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.method import Capabilities, Family, LearningRate, Paper, hyperparameter
from peft_core.methods._targets import Targets, targets_field
from peft_core.methods._update import EVERY_WIDTH, Layers, MatrixUpdate, check_divides

if TYPE_CHECKING:
    from torch import nn


class LoKr(MatrixUpdate):
    title: ClassVar[str] = "LoKr"
    family: ClassVar[Family] = "factorised"
    summary: ClassVar[str] = "Kronecker product of a small and a low-rank matrix"
    trains: ClassVar[str] = (
        "A small matrix C (f x f) and, whole or as two thin factors, a matrix D (d_out/f x d_in/f) for each layer."
    )
    paper: ClassVar[Paper | None] = Paper(
        title="Navigating Text-To-Image Customization: From LyCORIS Fine-Tuning to Model Evaluation",
        authors="Yeh et al.",
        year=2023,
        url="https://arxiv.org/abs/2309.14859",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=6e-3,
        encoder=3e-3,
        llm=3e-3,
        source=(
            "small: chosen on validation, MiniLM on tweets, 150 steps (benchmarks/learning_rates.py);"
            " encoder: between the two, not measured;"
            " llm: Hugging Face's method comparison on Llama-3.2-3B"
        ),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=True, quantised_base=False, gradient_checkpointing=True, hot_switch=True
    )
    place: ClassVar[int] = 71
    makes_update: ClassVar[bool] = True

    rank: int = hyperparameter(
        32,
        title="Rank r",
        ge=1,
        le=16384,
        recommended=(4, 64),
        effect="Width of D's two factors. From half of D's longer side on, D is trained whole and r changes nothing.",
    )
    alpha: float = hyperparameter(
        64.0,
        title="Alpha",
        ge=1e-6,
        le=1e6,
        recommended=(4, 128),
        effect="The update is scaled by alpha / r. One to two times the rank is usual.",
    )
    factor: int = hyperparameter(
        4,
        title="Factor f",
        ge=2,
        recommended=(4, 16),
        effect="Side of the small matrix C; it has to divide the widths. Larger makes D smaller and C larger.",
    )
    target_modules: Targets = targets_field("query_value")

    def check_layers(self, layers: Layers) -> None:
        check_divides("lokr", "factor", self.factor, (width for dims in layers.values() for width in dims), EVERY_WIDTH)

    def layer_parameters(self, d_in: int, d_out: int) -> int:
        """f^2 for C; for D r (d_in + d_out) / f as two factors, d_in d_out / f^2 whole."""
        rows, columns = d_out // self.factor, d_in // self.factor
        whole = 2 * self.rank >= max(rows, columns)
        return self.factor**2 + (rows * columns if whole else self.rank * (rows + columns))

    def setting(self) -> str:
        return f"r{self.rank} f{self.factor}"

    def peft_config(self, model: "nn.Module", task_type: str | None) -> Any:
        from peft import LoKrConfig

        return LoKrConfig(
            task_type=task_type,
            r=self.rank,
            alpha=self.alpha,  # type: ignore[arg-type]  # peft annotates int and only divides it
            decompose_factor=self.factor,
            target_modules=self.pattern(model),
        )
