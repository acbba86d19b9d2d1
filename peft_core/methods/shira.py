"""SHiRA: a few weights of each targeted layer, at random places, are trained; the update has a high rank."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.errors import InvalidHyperparameter
from peft_core.method import Capabilities, Family, LearningRate, Paper, hyperparameter
from peft_core.methods._spectrum import draw_seed
from peft_core.methods._targets import Targets, targets_field
from peft_core.methods._update import Layers, MatrixUpdate
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import nn


class Shira(MatrixUpdate):
    title: ClassVar[str] = "SHiRA"
    family: ClassVar[Family] = "selective"
    summary: ClassVar[str] = "A sparse update at random places"
    trains: ClassVar[str] = "r (d_in + d_out) weights of each targeted linear layer, as many as LoRA of rank r would."
    paper: ClassVar[Paper | None] = Paper(
        title="Sparse High Rank Adapters",
        authors="Bhardwaj et al.",
        year=2024,
        url="https://arxiv.org/abs/2406.13175",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=6e-3,
        encoder=3e-4,
        llm=3e-4,
        source=(
            "small: chosen on validation, MiniLM on tweets, 150 steps (benchmarks/learning_rates.py);"
            " encoder: between the two, not measured;"
            " llm: Hugging Face's method comparison on Llama-3.2-3B"
        ),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=True, quantised_base=True, gradient_checkpointing=True, hot_switch=True
    )
    place: ClassVar[int] = 83
    makes_update: ClassVar[bool] = True

    rank: int = hyperparameter(
        16,
        title="LoRA's rank r",
        ge=1,
        recommended=(4, 64),
        effect="Trains as many weights as LoRA of this rank; the update's own rank is not limited by it.",
    )
    target_modules: Targets = targets_field("query_value")

    def check_layers(self, layers: Layers) -> None:
        most = min(d_in * d_out // (d_in + d_out) for d_in, d_out in layers.values())
        if self.rank > most:
            raise InvalidHyperparameter(
                "rank",
                f"shira: rank is {self.rank}: at most {most}, where a targeted layer would be trained whole.",
            )

    def layer_parameters(self, d_in: int, d_out: int) -> int:
        """r (d_in + d_out)."""
        return self.rank * (d_in + d_out)

    def stored_parameters(self, shape: ModelShape) -> int:
        """Beside each weight its row and its column, two integers."""
        return 3 * self.trainable_parameters(shape)

    def setting(self) -> str:
        return f"r{self.rank}"

    def peft_config(self, model: "nn.Module", task_type: str | None) -> Any:
        from peft import ShiraConfig

        return ShiraConfig(
            task_type=task_type, r=self.rank, random_seed=draw_seed(), target_modules=self.pattern(model)
        )

    def attach(self, model: "nn.Module", *, task_kind: str, total_steps: int) -> "nn.Module":
        _choose_unchecked_sparse_tensors()
        return super().attach(model, task_kind=task_kind, total_steps=total_steps)

    def load(self, model: "nn.Module", folder: Path, *, task_kind: str) -> "nn.Module":
        _choose_unchecked_sparse_tensors()
        return super().load(model, folder, task_kind=task_kind)


def _choose_unchecked_sparse_tensors() -> None:
    """torch's own default, which it wants to be chosen: peft makes a valid sparse tensor in every forward pass."""
    import torch

    torch.sparse.check_sparse_tensor_invariants.disable()  # type: ignore[no-untyped-call]
