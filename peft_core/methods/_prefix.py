"""What prefix tuning and P-Tuning v2 share: learnt keys and values in front of every layer's own."""

from typing import TYPE_CHECKING

from peft_core.errors import InvalidHyperparameter, NotOffered
from peft_core.methods._peft import PeftMethod
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import nn

ENCODERS_WITH_CACHE = frozenset(
    {
        *("bert", "roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "electra", "ernie", "data2vec-text"),
        *("roberta-prelayernorm", "megatron-bert", "rembert", "roc_bert", "xmod"),
    }
)
"""Encoders whose attention takes keys and values from outside; in transformers 5 the others (DistilBERT, DeBERTa,
ModernBERT, MPNet, ALBERT) have no place for a prefix. Every decoder has one."""


class PrefixMethod(PeftMethod):
    """Hyper-parameter `num_virtual_tokens` is declared by the methods, with their own recommendations."""

    num_virtual_tokens: int

    def check(self, shape: ModelShape, *, task_kind: str, max_length: int) -> None:
        super().check(shape, task_kind=task_kind, max_length=max_length)
        if not (shape.causal or shape.model_type in ENCODERS_WITH_CACHE):
            raise NotOffered(
                f"{self.title} is not offered for {shape.model_type} models: their attention takes no keys and values"
                " from outside. Choose another method or base model."
            )
        # The cache that carries the prefix counts as text already read: the first real token stands at position n.
        room = shape.max_positions - max_length
        if self.num_virtual_tokens > room:
            raise InvalidHyperparameter(
                "num_virtual_tokens",
                f"num_virtual_tokens is {self.num_virtual_tokens}: at most {room}, for the base model has"
                f" {shape.max_positions} positions and items take up to {max_length} of them.",
            )

    def stored_parameters(self, shape: ModelShape) -> int:
        """2 L n d_kv: keys and values of n virtual tokens in every layer."""
        return 2 * shape.layers * self.num_virtual_tokens * shape.key_value_width

    def unload(self, model: "nn.Module") -> "nn.Module | None":
        base: nn.Module = model.get_base_model()  # type: ignore[operator]
        return base

    def merge(self, model: "nn.Module") -> "nn.Module | None":
        """A prefix lengthens attention; no weight of the base can hold it."""
        return None
