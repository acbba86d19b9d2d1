"""RandLoRA: a full-rank update, the sum of frozen random low-rank pairs that are scaled by trained vectors."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.method import Capabilities, Family, LearningRate, Paper, hyperparameter
from peft_core.methods._targets import Targets, targets_field
from peft_core.methods._update import (
    NARROWEST,
    Layers,
    MatrixUpdate,
    check_at_most,
    dropout_field,
    input_widths,
    narrowest_sides,
    output_widths,
)
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import nn

BASES = ("randlora_A", "randlora_B")
"""How peft names the random matrices, which all layers share."""


class RandLora(MatrixUpdate):
    title: ClassVar[str] = "RandLoRA"
    family: ClassVar[Family] = "lora"
    summary: ClassVar[str] = "Full-rank update from scaled random low-rank matrices"
    trains: ClassVar[str] = "Two scaling vectors for each of the random pairs that make up a layer's full-rank update."
    paper: ClassVar[Paper | None] = Paper(
        title="RandLoRA: Full-rank parameter-efficient fine-tuning of large models",
        authors="Albert et al.",
        year=2025,
        url="https://arxiv.org/abs/2502.00987",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=5e-4,
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
    place: ClassVar[int] = 62
    makes_update: ClassVar[bool] = True

    rank: int = hyperparameter(
        32,
        title="Rank of a random pair",
        ge=1,
        recommended=(8, 64),
        effect="A higher rank needs fewer pairs for the full rank and so trains less: unlike LoRA's.",
    )
    alpha: float = hyperparameter(
        640.0,
        title="Alpha",
        ge=1e-6,
        le=1e6,
        recommended=(20, 2000),
        effect="The update is scaled by alpha / rank. Twenty times the rank is usual; lower it for unstable training.",
    )
    dropout: float = dropout_field(0.0)
    target_modules: Targets = targets_field("query_value")

    def check_layers(self, layers: Layers) -> None:
        check_at_most("randlora", "rank", self.rank, narrowest_sides(layers), NARROWEST)

    def layer_parameters(self, d_in: int, d_out: int) -> int:
        """n (r + d), d = min(d_in, d_out), for the n = ceil(d / r) pairs that reach the full rank d."""
        narrow = min(d_in, d_out)
        return self._pairs(narrow) * (self.rank + narrow)

    def stored_parameters(self, shape: ModelShape) -> int:
        """The vectors, and once the random matrices: r x d and D x n r, d and D the narrower and the wider of the
        largest input and output width. peft alone would store them again for every layer."""
        layers = self.layers(shape)
        narrow, wide = sorted((max(input_widths(layers)), max(output_widths(layers))))
        shared = self.rank * narrow + wide * self._pairs(narrow) * self.rank
        return self.trainable_parameters(shape) + shared

    def _pairs(self, width: int) -> int:
        return -(-width // self.rank)

    def setting(self) -> str:
        return f"r{self.rank}"

    def peft_config(self, model: "nn.Module", task_type: str | None) -> Any:
        from peft import RandLoraConfig

        return RandLoraConfig(
            task_type=task_type,
            r=self.rank,
            randlora_alpha=self.alpha,  # type: ignore[arg-type]  # peft annotates int and only divides it
            randlora_dropout=self.dropout,
            target_modules=self.pattern(model),
        )

    def save(self, model: "nn.Module", folder: Path) -> None:
        """As peft, but the random matrices once and not for every layer."""
        from safetensors.torch import load_file, save_file

        super().save(model, folder)
        weights = folder / "adapter_model.safetensors"
        tensors = load_file(weights)
        for base in BASES:
            _, *again = sorted(name for name in tensors if base in name)
            for name in again:
                del tensors[name]
        save_file(tensors, weights, metadata={"format": "pt"})

    def load(self, model: "nn.Module", folder: Path, *, task_kind: str) -> "nn.Module":
        """As peft: the layers hold the same random matrices, so that one entry of the file fills them all."""
        import warnings

        with warnings.catch_warnings():
            # Said of the entries that `save` leaves out.
            warnings.filterwarnings("ignore", message="Found missing adapter keys")
            return super().load(model, folder, task_kind=task_kind)
