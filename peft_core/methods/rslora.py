"""rsLoRA: LoRA scaled by alpha / sqrt(r) instead of alpha / r, so that a high rank still learns."""

from typing import Any, ClassVar

from peft_core.method import Capabilities, Family, LearningRate, Paper
from peft_core.methods._lora import LoraMethod, alpha_field, rank_field


class RsLora(LoraMethod):
    title: ClassVar[str] = "rsLoRA"
    family: ClassVar[Family] = "lora"
    summary: ClassVar[str] = "LoRA scaled to keep learning at high ranks"
    trains: ClassVar[str] = "Two thin matrices A (r x d_in) and B (d_out x r) for each targeted linear layer, as LoRA."
    paper: ClassVar[Paper | None] = Paper(
        title="A Rank Stabilization Scaling Factor for Fine-Tuning with LoRA",
        authors="Kalajdzievski",
        year=2023,
        url="https://arxiv.org/abs/2312.03732",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=1e-3,
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
    place: ClassVar[int] = 51

    rank: int = rank_field(
        32,
        recommended=(16, 256),
        effect="Width of the update. Parameters and storage grow in proportion; the scale does not fade as it grows.",
    )
    alpha: float = alpha_field(
        16.0, effect="The update is scaled by alpha / sqrt(r): the same alpha weighs more than in LoRA."
    )

    def peft_options(self) -> dict[str, Any]:
        return {"use_rslora": True}
