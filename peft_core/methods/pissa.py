"""PiSSA: LoRA that begins as the r strongest singular components of each weight matrix; the rest is frozen.

B0 = U_r sqrt(S_r), A0 = sqrt(S_r) V_r^T of W = U S V^T, each divided by the square root of alpha / r.
"""

from typing import Any, ClassVar, Literal

from peft_core.method import Capabilities, Family, LearningRate, Paper, hyperparameter
from peft_core.methods._residual import ResidualLora

ITERATIONS = 16
"""Of the subspace iteration in the randomised decomposition, as peft's documentation has it."""


class Pissa(ResidualLora):
    title: ClassVar[str] = "PiSSA"
    family: ClassVar[Family] = "lora"
    summary: ClassVar[str] = "LoRA started from the strongest singular components"
    trains: ClassVar[str] = (
        "LoRA's matrices A and B, which begin as the strongest part of each targeted weight; the rest is frozen."
    )
    paper: ClassVar[Paper | None] = Paper(
        title="PiSSA: Principal Singular Values and Singular Vectors Adaptation of Large Language Models",
        authors="Meng et al.",
        year=2024,
        url="https://arxiv.org/abs/2404.02948",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=1.5e-3,
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
    place: ClassVar[int] = 53

    init: Literal["exact", "fast"] = hyperparameter(
        "exact",
        title="Decomposition",
        effect="The full decomposition, or a randomised one that takes a fraction of the time on wide layers.",
    )

    def peft_options(self) -> dict[str, Any]:
        return {"init_lora_weights": "pissa" if self.init == "exact" else f"pissa_niter_{ITERATIONS}"}
