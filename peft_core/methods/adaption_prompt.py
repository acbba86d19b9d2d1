"""Adaption prompt (LLaMA-Adapter): prompts beside the top layers' attention, let in by a gate that starts shut."""

from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.errors import InvalidHyperparameter, NotOffered
from peft_core.method import Capabilities, Family, LearningRate, Paper, hyperparameter
from peft_core.methods._peft import PeftMethod, unwrap_head
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import nn

ATTENTION_KNOWN_TO_PEFT = frozenset({"llama", "mistral"})
"""peft also names gpt2, whose attention it calls as transformers 4 did."""


class AdaptionPrompt(PeftMethod):
    """softmax(q k^T) v + gate * softmax(q k_p^T) v_p: keys and values of the prompt by the layer's own projections."""

    title: ClassVar[str] = "Adaption prompt"
    family: ClassVar[Family] = "soft_prompt"
    summary: ClassVar[str] = "Gated prompts beside attention, in the top layers"
    trains: ClassVar[str] = "A prompt of n vectors and a gate for each of the top layers."
    paper: ClassVar[Paper | None] = Paper(
        title="LLaMA-Adapter: Efficient Fine-tuning of Language Models with Zero-init Attention",
        authors="Zhang et al.",
        year=2023,
        url="https://arxiv.org/abs/2303.16199",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=1e-2,
        encoder=5e-3,
        llm=5e-3,
        source="llm: Hugging Face's method comparison, Llama-3.2-3B, adaptionprompt--llama-3.2-3B-lr_5e-3; small: not"
        " measured, for it serves decoders alone",
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=False, quantised_base=True, gradient_checkpointing=True, hot_switch=True
    )
    place: ClassVar[int] = 36
    first_rung: ClassVar[float] = 0.5

    num_virtual_tokens: int = hyperparameter(
        10,
        title="Prompt length",
        ge=1,
        le=4096,
        recommended=(5, 100),
        effect="Vectors beside each layer's attention. They take no positions of the text.",
    )
    layers: int = hyperparameter(
        0,
        title="Layers",
        ge=0,
        le=1024,
        recommended=(0, 32),
        effect="How many of the top layers get a prompt; 0 for all of them. The paper leaves the lowest ones out.",
    )

    def check(self, shape: ModelShape, *, task_kind: str, max_length: int) -> None:
        super().check(shape, task_kind=task_kind, max_length=max_length)
        if shape.model_type not in ATTENTION_KNOWN_TO_PEFT:
            raise NotOffered(
                f"{self.title} is not offered for {shape.model_type} models: it stands beside the attention of Llama"
                " and Mistral alone. Choose Prefix Tuning or P-Tuning v2."
            )
        if self.layers > shape.layers:
            raise InvalidHyperparameter(
                "layers", f"layers is {self.layers}: at most {shape.layers}, as many as the base model has."
            )

    def trainable_parameters(self, shape: ModelShape) -> int:
        """n d + 1 for each of the layers: the prompt and its gate."""
        return (self.layers or shape.layers) * (self.num_virtual_tokens * shape.hidden_size + 1)

    def label(self) -> str:
        return f"Adaption prompt {self.num_virtual_tokens}" + (f", {self.layers} layers" if self.layers else "")

    def peft_config(self, model: "nn.Module", task_type: str | None) -> Any:
        from peft import AdaptionPromptConfig

        base: Any = model.config
        layers = self.layers or base.num_hidden_layers
        return AdaptionPromptConfig(task_type=task_type, adapter_len=self.num_virtual_tokens, adapter_layers=layers)

    def unload(self, model: Any) -> "nn.Module | None":
        unwrap_head(model, trained=False)
        model.base_model.delete_adapter(model.active_adapter)
        base: nn.Module = model.base_model.model
        return base

    def merge(self, model: "nn.Module") -> "nn.Module | None":
        """A prompt answers each query anew; no weight of the base can hold that."""
        return None
