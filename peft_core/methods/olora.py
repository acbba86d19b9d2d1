"""OLoRA: LoRA that begins as the first r columns and rows of each weight matrix's QR decomposition, W = Q R."""

from typing import Any, ClassVar

from peft_core.method import Capabilities, Family, LearningRate, Paper
from peft_core.methods._residual import ResidualLora


class Olora(ResidualLora):
    title: ClassVar[str] = "OLoRA"
    family: ClassVar[Family] = "lora"
    summary: ClassVar[str] = "LoRA started from an orthonormal basis of weights"
    trains: ClassVar[str] = (
        "LoRA's matrices A and B, which begin as the first rows of R and columns of Q of each weight; the rest is"
        " frozen."
    )
    paper: ClassVar[Paper | None] = Paper(
        title="OLoRA: Orthonormal Low-Rank Adaptation of Large Language Models",
        authors="Büyükakyüz",
        year=2024,
        url="https://arxiv.org/abs/2406.01775",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=2e-3,
        encoder=4e-4,
        llm=2e-4,
        source=(
            "small: chosen on validation, MiniLM on tweets, 150 steps (benchmarks/learning_rates.py);"
            " others: the protocol's starting points"
        ),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=True, quantised_base=False, gradient_checkpointing=True, hot_switch=True
    )
    place: ClassVar[int] = 54

    def peft_options(self) -> dict[str, Any]:
        return {"init_lora_weights": "olora"}
