"""Saving and loading trained tensors beside a small JSON file, for the methods that peft does not have."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from peft_core.method import Method

if TYPE_CHECKING:
    from torch import nn

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"


def save_trained(method: Method, name: str, model: "nn.Module", folder: Path) -> None:
    """Write every tensor that requires a gradient, and the hyper-parameters that give them their place."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    trained = {
        path: parameter.detach().contiguous().cpu()
        for path, parameter in model.named_parameters()
        if parameter.requires_grad
    }
    if trained:
        save_file(trained, folder / WEIGHTS, metadata={"format": "pt"})
        config = {"method": name, "hyperparameters": method.model_dump()}
        (folder / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")


def load_trained(model: "nn.Module", folder: Path) -> "nn.Module":
    """Put the saved tensors into `model`, which must have a place for each; shapes are checked by torch."""
    from safetensors.torch import load_file

    saved = load_file(folder / WEIGHTS)
    unexpected = model.load_state_dict(saved, strict=False).unexpected_keys
    if unexpected:
        raise ValueError(f"{folder.name} holds tensors that this model has no place for: {unexpected[:3]}")
    return model.eval()


def freeze_all_but(model: "nn.Module", trained: "Iterable[nn.Parameter]") -> None:
    """Exactly `trained` requires gradients."""
    model.requires_grad_(False)
    for parameter in trained:
        parameter.requires_grad_(True)
