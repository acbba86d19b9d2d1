"""WaveFT: a few wavelet coefficients of the update, at random places."""

from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.method import Capabilities, Family, LearningRate, Paper, hyperparameter
from peft_core.methods._spectrum import SpectrumUpdate, draw_seed
from peft_core.methods._targets import Targets, targets_field

if TYPE_CHECKING:
    from torch import nn


class WaveFT(SpectrumUpdate):
    title: ClassVar[str] = "WaveFT"
    family: ClassVar[Family] = "spectral"
    summary: ClassVar[str] = "Sparse wavelet coefficients of every update"
    trains: ClassVar[str] = "n Haar wavelet coefficients of the update of each targeted linear layer."
    paper: ClassVar[Paper | None] = Paper(
        title="Exploring Sparsity for Parameter Efficient Fine Tuning Using Wavelets",
        authors="Bilican et al.",
        year=2025,
        url="https://arxiv.org/abs/2505.12532",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=2e-3,
        encoder=1e-3,
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
    place: ClassVar[int] = 81
    makes_update: ClassVar[bool] = True

    n_frequency: int = hyperparameter(
        1000,
        title="Coefficients n",
        ge=1,
        recommended=(500, 10000),
        effect="Trained coefficients of each layer, whatever its width. Each moves a block of 2 x 2 weights.",
    )
    scaling: float = hyperparameter(
        25.0,
        title="Scaling",
        ge=1e-6,
        le=1e6,
        recommended=(5, 100),
        effect="Multiplies the update. Larger acts like a larger learning rate.",
    )
    target_modules: Targets = targets_field("query_value")

    def peft_config(self, model: "nn.Module", task_type: str | None) -> Any:
        from peft import WaveFTConfig

        return WaveFTConfig(
            task_type=task_type,
            n_frequency=self.n_frequency,
            scaling=self.scaling,
            wavelet_family="db1",
            random_loc_seed=draw_seed(),
            init_weights=True,
            target_modules=self.pattern(model),
        )
