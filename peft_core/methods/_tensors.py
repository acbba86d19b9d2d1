"""Saving and loading trained tensors beside a small JSON file, for the methods that peft does not have."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from peft_core.method import Method

if TYPE_CHECKING:
    from torch import Tensor, nn

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"


def save_trained(method: Method, name: str, model: "nn.Module", folder: Path) -> None:
    """Write every tensor that requires a gradient, and the hyper-parameters that give them their place."""
    save_tensors(method, name, trained_tensors(model), folder)


def trained_tensors(model: "nn.Module") -> "dict[str, Tensor]":
    """Every tensor that requires a gradient, by its path in the model."""
    return {path: parameter for path, parameter in model.named_parameters() if parameter.requires_grad}


def save_tensors(method: Method, name: str, tensors: "dict[str, Tensor]", folder: Path) -> None:
    """Write these tensors, if any, and the hyper-parameters that give them their place."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    if tensors:
        kept = {path: tensor.detach().contiguous().cpu() for path, tensor in tensors.items()}
        save_file(kept, folder / WEIGHTS, metadata={"format": "pt"})
        config = {"method": name, "hyperparameters": method.model_dump()}
        (folder / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")


def load_trained(model: "nn.Module", folder: Path) -> "nn.Module":
    """Put the saved tensors into `model`: one for each that requires a gradient; shapes are checked by torch.

    Raises ValueError where the names differ, for a tensor left out would silently keep its random start.
    """
    from safetensors.torch import load_file

    saved = load_file(folder / WEIGHTS)
    trained = {path for path, parameter in model.named_parameters() if parameter.requires_grad}
    if different := sorted(trained.symmetric_difference(saved)):
        raise ValueError(f"{folder.name} was not saved from this model and method: they differ in {different[:3]}")
    model.load_state_dict(saved, strict=False)
    return model.eval()


def freeze_all_but(model: "nn.Module", trained: "Iterable[nn.Parameter]") -> None:
    """Exactly `trained` requires gradients."""
    model.requires_grad_(False)
    for parameter in trained:
        parameter.requires_grad_(True)
