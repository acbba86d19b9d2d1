"""What prefix tuning and P-Tuning v2 share: learnt keys and values in front of every layer's own."""

from typing import TYPE_CHECKING

from peft_core.errors import InvalidHyperparameter
from peft_core.methods._peft import PeftMethod
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import nn


class PrefixMethod(PeftMethod):
    """Hyper-parameter `num_virtual_tokens` is declared by the methods, with their own recommendations."""

    num_virtual_tokens: int

    def check(self, shape: ModelShape, *, task_kind: str, max_length: int) -> None:
        super().check(shape, task_kind=task_kind, max_length=max_length)
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

    def merge(self, model: "nn.Module") -> "nn.Module | None":
        """A prefix lengthens attention; no weight of the base can hold it."""
        return None
