"""LoRA: a low-rank update beside frozen linear layers, W x + (alpha / r) B A x, with B = 0 at the start."""

from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.errors import InvalidHyperparameter
from peft_core.method import Capabilities, Family, LearningRate, Paper, hyperparameter
from peft_core.methods._peft import PeftMethod
from peft_core.methods._targets import ROLES, TARGETS_EFFECT, Targets, module_pattern, targeted
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import nn


class Lora(PeftMethod):
    title: ClassVar[str] = "LoRA"
    family: ClassVar[Family] = "lora"
    summary: ClassVar[str] = "Low-rank update beside frozen linear layers"
    trains: ClassVar[str] = "Two thin matrices A (r x d_in) and B (d_out x r) for each targeted linear layer."
    paper: ClassVar[Paper | None] = Paper(
        title="LoRA: Low-Rank Adaptation of Large Language Models",
        authors="Hu et al.",
        year=2021,
        url="https://arxiv.org/abs/2106.09685",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=1.5e-3,
        encoder=4e-4,
        llm=2e-4,
        source="protocol's starting points for large bases; small: chosen on validation, MiniLM on tweets",
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=True, quantised_base=True, gradient_checkpointing=True, hot_switch=True
    )
    place: ClassVar[int] = 10

    rank: int = hyperparameter(
        16,
        title="Rank r",
        ge=1,
        recommended=(4, 64),
        effect="Width of the update. Parameters and storage grow in proportion; quality flattens early.",
    )
    alpha: float = hyperparameter(
        32.0,
        title="Alpha",
        ge=1e-6,
        le=1e6,
        recommended=(4, 128),
        effect="The update is scaled by alpha / r. One to two times the rank is usual.",
    )
    dropout: float = hyperparameter(
        0.05,
        title="Dropout",
        ge=0.0,
        le=0.99,
        recommended=(0.0, 0.1),
        effect="Drops inputs of the update while training, against over-fitting on little data.",
    )
    target_modules: Targets = hyperparameter("query_value", title="Target modules", effect=TARGETS_EFFECT)

    def check(self, shape: ModelShape, *, task_kind: str, max_length: int) -> None:
        super().check(shape, task_kind=task_kind, max_length=max_length)
        targets = self._targets(shape)
        largest = min(min(dims) for dims in targets.values())
        if self.rank > largest:
            raise InvalidHyperparameter(
                "rank", f"lora: rank is {self.rank}: at most {largest}, the narrowest side of the targeted layers."
            )

    def trainable_parameters(self, shape: ModelShape) -> int:
        """Sum over targeted layers of r (d_in + d_out)."""
        return sum(self.rank * (d_in + d_out) for d_in, d_out in self._targets(shape).values())

    def label(self) -> str:
        suffix = "" if self.target_modules == "query_value" else f", {self.target_modules.replace('_', ' ')}"
        return f"LoRA r{self.rank}{suffix}"

    def _targets(self, shape: ModelShape) -> dict[str, tuple[int, int]]:
        return targeted(shape, self.target_modules, self.title)

    def peft_config(self, model: "nn.Module", task_type: str | None) -> Any:
        from peft import LoraConfig

        return LoraConfig(
            task_type=task_type,
            r=self.rank,
            lora_alpha=self.alpha,  # type: ignore[arg-type]  # peft annotates int and only divides by it
            lora_dropout=self.dropout,
            target_modules=module_pattern(model, ROLES[self.target_modules]),
        )

    def merge(self, model: "nn.Module") -> "nn.Module | None":
        merged: nn.Module = model.merge_and_unload()  # type: ignore[operator]
        return merged
