"""P-Tuning v2: keys and values of virtual tokens in every layer, trained directly."""

from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.method import Capabilities, Family, LearningRate, Paper, hyperparameter
from peft_core.methods._prefix import PrefixMethod
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import nn


class PTuningV2(PrefixMethod):
    title: ClassVar[str] = "P-Tuning v2"
    family: ClassVar[Family] = "soft_prompt"
    summary: ClassVar[str] = "Learnt keys and values, without an MLP"
    trains: ClassVar[str] = "The keys and values of n virtual tokens in every layer."
    paper: ClassVar[Paper | None] = Paper(
        title="P-Tuning v2: Prompt Tuning Can Be Comparable to Fine-tuning Universally Across Scales and Tasks",
        authors="Liu et al.",
        year=2021,
        url="https://arxiv.org/abs/2110.07602",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=2e-2,
        encoder=5e-3,
        llm=5e-3,
        source="protocol's starting points; the small one kept after trying it on MiniLM and tweets",
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=False, quantised_base=True, gradient_checkpointing=False, hot_switch=True
    )
    place: ClassVar[int] = 31
    equals_base_at_start: ClassVar[bool] = False

    num_virtual_tokens: int = hyperparameter(
        20,
        title="Prompt length",
        ge=1,
        le=4096,
        recommended=(4, 128),
        effect="Virtual tokens in front of every layer's keys and values. Hard tasks gain from longer ones.",
    )

    def trainable_parameters(self, shape: ModelShape) -> int:
        """2 L n d_kv."""
        return self.stored_parameters(shape)

    def label(self) -> str:
        return f"P-Tuning v2, {self.num_virtual_tokens}"

    def peft_config(self, model: "nn.Module", task_type: str | None) -> Any:
        from peft import PrefixTuningConfig

        return PrefixTuningConfig(
            task_type=task_type, num_virtual_tokens=self.num_virtual_tokens, prefix_projection=False
        )
