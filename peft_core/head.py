"""The task head: the layers that transformers adds on top of a base model and initialises afresh.

The head is trained for every method but `untuned`, counted and tuned apart from the method's own parameters. BERT's
pooler is in the pretrained checkpoint, so it belongs to the base: frozen by PEFT methods, trained by full fine-tuning.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

HEAD_NAMES = frozenset({"classifier", "score"})
"""Module names of sequence-classification heads: `classifier` in encoders, `score` in decoders."""


def is_head(parameter_name: str) -> bool:
    """Whether a parameter's path goes through the task head, wrapped by peft or not."""
    return not HEAD_NAMES.isdisjoint(parameter_name.split("."))


def head_parameters(model: "nn.Module") -> "list[nn.Parameter]":
    """The head's parameters, frozen copies that peft keeps included."""
    return [parameter for name, parameter in model.named_parameters() if is_head(name)]
