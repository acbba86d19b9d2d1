"""LoRA: a low-rank update beside frozen linear layers, W x + (alpha / r) B A x, with B = 0 at the start."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from peft_core.errors import InvalidHyperparameter, NotOffered
from peft_core.method import Capabilities, Family, LearningRate, Paper, hyperparameter
from peft_core.methods._peft import PeftMethod
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import nn

QUERY_VALUE = frozenset({"query", "value", "q_proj", "v_proj", "q_lin", "v_lin", "query_proj", "value_proj", "q", "v"})
"""What models call the query and value projections."""

ALL_LINEAR = QUERY_VALUE | {
    *("key", "k_proj", "k_lin", "key_proj", "k", "dense", "o_proj", "out_lin", "o"),
    *("gate_proj", "up_proj", "down_proj", "lin1", "lin2", "Wqkv", "Wi", "Wo"),
}
"""What models call the linear layers of a transformer layer."""


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
    target_modules: Literal["query_value", "all_linear"] = hyperparameter(
        "query_value",
        title="Target modules",
        effect="Query and value projections, or every linear layer: more quality for more memory and storage.",
    )

    def check(self, shape: ModelShape, *, task_kind: str, max_length: int) -> None:
        super().check(shape, task_kind=task_kind, max_length=max_length)
        targets = self._targets(shape)
        if not targets:
            raise NotOffered(
                f"LoRA finds no {self.target_modules} layers in a {shape.model_type} model."
                " Choose other target modules or another method."
            )
        largest = min(min(dims) for dims in targets.values())
        if self.rank > largest:
            raise InvalidHyperparameter(
                "rank", f"lora: rank is {self.rank}: at most {largest}, the narrowest side of the targeted layers."
            )

    def trainable_parameters(self, shape: ModelShape) -> int:
        """Sum over targeted layers of r (d_in + d_out)."""
        return sum(self.rank * (d_in + d_out) for d_in, d_out in self._targets(shape).values())

    def label(self) -> str:
        suffix = ", all linear" if self.target_modules == "all_linear" else ""
        return f"LoRA r{self.rank}{suffix}"

    def _targets(self, shape: ModelShape) -> dict[str, tuple[int, int]]:
        return shape.linears_named(*self._target_names())

    def _target_names(self) -> frozenset[str]:
        return ALL_LINEAR if self.target_modules == "all_linear" else QUERY_VALUE

    def peft_config(self, task_type: str) -> Any:
        from peft import LoraConfig

        return LoraConfig(
            task_type=task_type,
            r=self.rank,
            lora_alpha=self.alpha,  # type: ignore[arg-type]  # peft annotates int and only divides by it
            lora_dropout=self.dropout,
            # Inside layers only: a pooler and the task head have a `dense` too. As a pattern, for peft writes a list
            # of names in an order that changes from process to process.
            target_modules=rf".*\.layers?\.\d+\.(.*\.)?({'|'.join(sorted(self._target_names()))})",
        )

    def merge(self, model: "nn.Module") -> "nn.Module | None":
        merged: nn.Module = model.merge_and_unload()  # type: ignore[operator]
        return merged
