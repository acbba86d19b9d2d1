"""The task head: the layers that transformers adds around a base model and initialises afresh.

The head is trained for every method but `untuned`, counted and tuned apart from the method's own parameters, and
saved with them. It is told by its place, beside the base model and not inside it: BERT's pooler lies inside (the
pretrained checkpoint carries it), so it belongs to the base, frozen by PEFT methods and trained by full fine-tuning;
DeBERTa's lies beside its base and is part of the head.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

HEAD_NAMES = frozenset({"classifier", "score", "pre_classifier", "pooler", "head", "classification_head"})
"""What transformers calls the layers beside the base of a sequence classifier: `classifier` in encoders, after
`pre_classifier` (DistilBERT), `pooler` (DeBERTa) or `head` (ModernBERT); `score` in decoders; `classification_head` in
T5."""

WRAPPERS = frozenset({"base_model", "model"})
"""What peft puts in front of a path."""


def is_head(parameter_name: str) -> bool:
    """Whether a parameter, by its path in the model or in a saved file, belongs to the task head."""
    inside = (part for part in parameter_name.split(".") if part not in WRAPPERS)
    return next(inside, "") in HEAD_NAMES


def head_parameters(model: "nn.Module") -> "list[nn.Parameter]":
    """The head's parameters, frozen copies that peft keeps included."""
    return [parameter for name, parameter in model.named_parameters() if is_head(name)]


def head_modules(model: "nn.Module") -> list[str]:
    """The names of the head's layers that have parameters, in a model that nothing wraps yet."""
    return [
        name
        for name, module in model.named_children()
        if name in HEAD_NAMES and next(module.parameters(), None) is not None
    ]
