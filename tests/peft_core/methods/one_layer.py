"""What the tests of a method's maths share: a small adapted model, and one of its layers as seen from outside."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from peft_core.method import build_method
from peft_core.training import split_head

KIND = "classification"
LENGTH = 16

LoadClassifier = Callable[[Path], nn.Module]
Hyperparameters = dict[str, Any]


def attach(name: str, hyperparameters: Hyperparameters, base: nn.Module, total_steps: int = 1) -> nn.Module:
    """The adapted model, every trained parameter moved away from its start."""
    torch.manual_seed(0)
    model = build_method(name, hyperparameters).attach(base, task_kind=KIND, total_steps=total_steps)
    move(model)
    return model


def move(model: nn.Module) -> None:
    """Give every parameter that the method trains another value, as training would."""
    with torch.no_grad():
        for parameter in split_head(model)[0]:
            parameter.add_(0.1 * torch.randn_like(parameter))


def layer_of(model: nn.Module, name: str = "0.attention.self.query") -> nn.Module:
    return model.get_submodule(f"base_model.model.bert.encoder.layer.{name}")


def base_weight(layer: nn.Module) -> torch.Tensor:
    return layer.get_parameter("base_layer.weight").detach()


def effective_weight(layer: nn.Module) -> torch.Tensor:
    """The matrix (d_out x d_in) that the layer multiplies its input with, its bias aside."""
    width = base_weight(layer).shape[1]
    with torch.no_grad():
        answers: torch.Tensor = layer(torch.eye(width)[None]) - layer(torch.zeros(1, 1, width))
    return answers[0].T


def value(layer: nn.Module, path: str) -> torch.Tensor:
    """A parameter or a buffer of the layer."""
    module, _, name = path.rpartition(".")
    tensor = getattr(layer.get_submodule(module), name)
    assert isinstance(tensor, torch.Tensor)
    return tensor.detach()


def close(found: torch.Tensor, expected: torch.Tensor) -> bool:
    return torch.allclose(found, expected, atol=2e-5)


def logits(model: nn.Module) -> torch.Tensor:
    tokens = torch.arange(5, 5 + 2 * LENGTH).view(2, LENGTH)
    with torch.no_grad():
        answer: torch.Tensor = model.eval()(input_ids=tokens, attention_mask=torch.ones_like(tokens)).logits
    return answer
