"""Loading a base model as a kind of task needs it: from its folder alone, in float32, and no code of its own."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def load_options() -> dict[str, Any]:
    """What every base model is loaded with, unless the method asks for something else (4-bit weights)."""
    import torch

    return {"dtype": torch.float32, "local_files_only": True, "use_safetensors": True}


def load_with_head(auto_class: str, folder: str, **options: Any) -> "nn.Module":
    """A base model with the head that transformers' `auto_class` puts beside it, freshly initialised."""
    import transformers

    # Eager attention beats sdpa at the short lengths of classification on a CPU (273 against 223 samples/s).
    defaults = load_options() | {"attn_implementation": "eager"}
    auto = getattr(transformers, auto_class)
    model: nn.Module = auto.from_pretrained(folder, trust_remote_code=False, **(defaults | options))
    return model


def label_names(labels: tuple[str, ...]) -> dict[str, Any]:
    """The head's outputs by name, as transformers' configurations keep them."""
    return {
        "num_labels": len(labels),
        "id2label": dict(enumerate(labels)),
        "label2id": {label: index for index, label in enumerate(labels)},
    }
