"""LoRA+: LoRA whose matrix B learns at a multiple of the learning rate of A."""

from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.method import Capabilities, Family, LearningRate, Paper, hyperparameter
from peft_core.methods._lora import LoraMethod, lora_layers
from peft_core.methods._peft import ADAPTER

if TYPE_CHECKING:
    from torch import nn


class LoraPlus(LoraMethod):
    title: ClassVar[str] = "LoRA+"
    family: ClassVar[Family] = "lora"
    summary: ClassVar[str] = "LoRA with a higher learning rate for B"
    trains: ClassVar[str] = "LoRA's matrices A and B, B at a multiple of the learning rate of A."
    paper: ClassVar[Paper | None] = Paper(
        title="LoRA+: Efficient Low Rank Adaptation of Large Models",
        authors="Hayou et al.",
        year=2024,
        url="https://arxiv.org/abs/2402.12354",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=2.5e-4,
        encoder=2e-4,
        llm=1e-4,
        source=(
            "of A; small: chosen on validation, MiniLM on tweets, 150 steps (benchmarks/learning_rates.py);"
            " others: half of LoRA's, by the protocol"
        ),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=True, quantised_base=True, gradient_checkpointing=True, hot_switch=True
    )
    place: ClassVar[int] = 12

    lr_ratio: float = hyperparameter(
        16.0,
        title="Learning rate of B / of A",
        ge=1.0,
        le=1000.0,
        recommended=(2, 64),
        effect="How many times faster B learns than A. Harder tasks gain from a higher ratio; too high is unstable.",
    )

    def parameter_groups(
        self, model: "nn.Module", learning_rate: float, head_learning_rate: float
    ) -> list[dict[str, Any]]:
        """A at the learning rate, B at `lr_ratio` times it, the head at its own."""
        a_and_b, *head = super().parameter_groups(model, learning_rate, head_learning_rate)
        of_b = {id(layer.lora_B[ADAPTER].weight) for layer in lora_layers(model).values()}
        a = [parameter for parameter in a_and_b["params"] if id(parameter) not in of_b]
        b = [parameter for parameter in a_and_b["params"] if id(parameter) in of_b]
        return [{"params": a, "lr": learning_rate}, {"params": b, "lr": self.lr_ratio * learning_rate}, *head]
