"""FourierFT: a few coefficients of the update's two-dimensional Fourier spectrum, at random places."""

from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.method import Capabilities, Family, LearningRate, Paper, hyperparameter
from peft_core.methods._spectrum import SpectrumUpdate, draw_seed
from peft_core.methods._targets import Targets, targets_field

if TYPE_CHECKING:
    from torch import nn


class FourierFT(SpectrumUpdate):
    """The paper draws the coefficients from N(0, 1); we start them at 0, so that the adapted model begins as the base
    whatever the scaling and the width are."""

    title: ClassVar[str] = "FourierFT"
    family: ClassVar[Family] = "spectral"
    summary: ClassVar[str] = "A sparse Fourier spectrum of every update"
    trains: ClassVar[str] = "n Fourier coefficients of the update of each targeted linear layer."
    paper: ClassVar[Paper | None] = Paper(
        title="Parameter-Efficient Fine-Tuning with Discrete Fourier Transform",
        authors="Gao et al.",
        year=2024,
        url="https://arxiv.org/abs/2405.03003",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=5e-2,
        encoder=1e-2,
        llm=1e-2,
        source=(
            "small: chosen on validation, MiniLM on tweets, 150 steps (benchmarks/learning_rates.py);"
            " others: not measured; 1e-4 is known to be too low on Llama-3.2-3B (Hugging Face's method comparison)"
        ),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=True, quantised_base=True, gradient_checkpointing=True, hot_switch=True
    )
    place: ClassVar[int] = 80
    makes_update: ClassVar[bool] = True

    n_frequency: int = hyperparameter(
        1000,
        title="Coefficients n",
        ge=1,
        recommended=(200, 12000),
        effect="Trained coefficients of each layer, whatever its width. More of them give finer updates.",
    )
    scaling: float = hyperparameter(
        300.0,
        title="Scaling",
        ge=1e-6,
        le=1e6,
        recommended=(50, 500),
        effect="Multiplies the update. Larger acts like a larger learning rate; wider layers need more.",
    )
    target_modules: Targets = targets_field("query_value")

    def peft_config(self, model: "nn.Module", task_type: str | None) -> Any:
        from peft import FourierFTConfig

        return FourierFTConfig(
            task_type=task_type,
            n_frequency=self.n_frequency,
            scaling=self.scaling,
            random_loc_seed=draw_seed(),
            init_weights=True,
            target_modules=self.pattern(model),
        )
