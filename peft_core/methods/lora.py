"""LoRA: a low-rank update beside frozen linear layers, W x + (alpha / r) B A x, with B = 0 at the start."""

from typing import ClassVar

from peft_core.method import Capabilities, Family, LearningRate, Paper
from peft_core.methods._lora import LoraMethod


class Lora(LoraMethod):
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
