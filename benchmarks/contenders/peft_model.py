"""The base model with a method of the peft library, as its documentation does it, and the optimizer of both rates."""

from typing import Any

import torch
from torch import nn

SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "lora": ("LoraConfig", {"r": 16, "lora_alpha": 32, "lora_dropout": 0.05, "target_modules": ["query", "value"]}),
    "prefix_tuning": (
        "PrefixTuningConfig",
        {"num_virtual_tokens": 20, "encoder_hidden_size": 256, "prefix_projection": True},
    ),
    "prompt_tuning": ("PromptTuningConfig", {"num_virtual_tokens": 20}),
    "ia3": (
        "IA3Config",
        {"target_modules": ["key", "value", r"output.dense"], "feedforward_modules": [r"output.dense"]},
    ),
}
"""The same hyper-parameters as our methods have by default."""


def attach(model: nn.Module, method: str) -> nn.Module:
    """The model with exactly what `method` trains requiring gradients, its head included."""
    import peft

    if method == "full":
        return model
    if method == "head_only":
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name.startswith("classifier"))
        return model
    kind, settings = SETTINGS[method]
    return peft.get_peft_model(model, getattr(peft, kind)(task_type="SEQ_CLS", **settings))


def adamw(model: nn.Module, rate: float, head_rate: float) -> torch.optim.AdamW:
    """AdamW without weight decay, the head at a rate of its own."""
    trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for name, parameter in trained if "classifier" not in name], "lr": rate},
        {"params": [parameter for name, parameter in trained if "classifier" in name], "lr": head_rate},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], weight_decay=0.0, fused=True)
