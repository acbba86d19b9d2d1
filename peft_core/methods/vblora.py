"""VB-LoRA: LoRA's two matrices put together from short vectors of one bank that all layers share."""

import math
from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.errors import InvalidHyperparameter
from peft_core.method import Capabilities, Family, LearningRate, Paper, hyperparameter
from peft_core.methods._targets import Targets, targets_field
from peft_core.methods._update import (
    NARROWEST,
    Layers,
    MatrixUpdate,
    check_at_most,
    dropout_field,
    largest_divisor,
    narrowest_sides,
)
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import nn


class VbLora(MatrixUpdate):
    title: ClassVar[str] = "VB-LoRA"
    family: ClassVar[Family] = "lora"
    summary: ClassVar[str] = "LoRA matrices mixed from one shared vector bank"
    trains: ClassVar[str] = (
        "A bank of vectors for the whole model, and for every piece of A and B a logit for each vector of the bank."
    )
    paper: ClassVar[Paper | None] = Paper(
        title="VB-LoRA: Extreme Parameter Efficient Fine-Tuning with Vector Banks",
        authors="Li et al.",
        year=2024,
        url="https://arxiv.org/abs/2405.15179",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=5e-3,
        encoder=1e-3,
        llm=1e-3,
        source=(
            "small: chosen on validation, MiniLM on tweets, 150 steps (benchmarks/learning_rates.py);"
            " encoder: between the two, not measured;"
            " llm: Hugging Face's method comparison on Llama-3.2-3B"
        ),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=True, quantised_base=True, gradient_checkpointing=True, hot_switch=True
    )
    place: ClassVar[int] = 61
    equals_base_at_start: ClassVar[bool] = False  # A and B both start as mixtures of the bank: none of them is zero.

    rank: int = hyperparameter(
        4,
        title="Rank r",
        ge=1,
        recommended=(2, 16),
        effect="Width of the update, as LoRA's. Every step up adds logits for each piece of both matrices.",
    )
    num_vectors: int = hyperparameter(
        256,
        title="Vectors in the bank",
        ge=2,
        le=65536,
        recommended=(30, 2048),
        effect="More vectors give more to choose from; each piece of the matrices trains one logit for every vector.",
    )
    vector_length: int = hyperparameter(
        256,
        title="Vector length, at most",
        ge=1,
        le=65536,
        recommended=(32, 256),
        effect=(
            "Length of the bank's vectors: the largest up to this that divides the widths of all targeted layers."
            " Shorter vectors cut A and B into more pieces, which means more logits."
        ),
    )
    topk: int = hyperparameter(
        2,
        title="Top k",
        ge=1,
        recommended=(2, 4),
        effect="How many vectors of the bank are mixed for a piece. More is finer and slower; one mixes nothing.",
    )
    logit_rate_ratio: float = hyperparameter(
        10.0,
        title="Learning rate of the logits",
        ge=1e-3,
        le=1e3,
        recommended=(1.0, 100.0),
        effect="Times the learning rate of the bank. Logits have to move far before another vector is chosen.",
    )
    dropout: float = dropout_field(0.0)
    target_modules: Targets = targets_field("query_value")

    def check_layers(self, layers: Layers) -> None:
        check_at_most("vblora", "rank", self.rank, narrowest_sides(layers), NARROWEST)
        if self.topk > self.num_vectors:
            raise InvalidHyperparameter(
                "topk", f"vblora: topk is {self.topk}: at most {self.num_vectors}, the vectors in the bank."
            )

    def trainable_parameters(self, shape: ModelShape) -> int:
        """h b for the bank, and for each layer r (d_in + d_out) / b pieces with h logits each. All of it is stored:
        the k weights that are in use would be smaller, but would not restore the same numbers."""
        layers = self.layers(shape)
        length = self._length(layers)
        pieces = sum(self.rank * (d_in + d_out) // length for d_in, d_out in layers.values())
        return self.num_vectors * length + pieces * self.num_vectors

    def setting(self) -> str:
        return f"r{self.rank}"

    def peft_config(self, model: "nn.Module", task_type: str | None) -> Any:
        from peft import VBLoRAConfig

        return VBLoRAConfig(
            task_type=task_type,
            r=self.rank,
            num_vectors=self.num_vectors,
            vector_length=self._length(self.loaded_layers(model)),
            topk=self.topk,
            vblora_dropout=self.dropout,
            target_modules=self.pattern(model),
        )

    def _length(self, layers: Layers) -> int:
        widths = [width for dims in layers.values() for width in dims]
        return largest_divisor(math.gcd(*widths), self.vector_length)

    def parameter_groups(
        self, model: "nn.Module", learning_rate: float, head_learning_rate: float
    ) -> list[dict[str, Any]]:
        """The bank at the learning rate, the logits at `logit_rate_ratio` times it, the head at its own."""
        bank_and_logits, *head = super().parameter_groups(model, learning_rate, head_learning_rate)
        bank = [parameter for parameter in bank_and_logits["params"] if parameter.dim() == 2]
        logits = [parameter for parameter in bank_and_logits["params"] if parameter.dim() == 3]
        return [
            {"params": bank, "lr": learning_rate},
            {"params": logits, "lr": self.logit_rate_ratio * learning_rate},
            *head,
        ]
