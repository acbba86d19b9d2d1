"""The frozen base held in bf16 while a model trains under bf16 autocast.

Autocast keeps the bf16 copies of weights that train and makes those of frozen ones anew in every forward pass. A linear
layer multiplies with such a copy either way: held, it gives the same numbers to the last bit, without the copying.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from peft_core.method import Method
from peft_core.spec import Precision

if TYPE_CHECKING:
    from torch import Tensor, nn

Copies = dict[int, "Tensor"]
"""In bf16, by where in memory the tensor lies that each is made of, which must live as long."""


@contextmanager
def frozen_base_in_bf16(
    model: "nn.Module", method: Method, precision: Precision, copies: "Copies | None" = None
) -> Iterator[None]:
    """While it lasts, `model` holds the frozen weights of its linear layers in bf16, if `precision` is bf16; afterwards
    it has the very tensors of before. copies: those that models with the same tensors hold already; more are added."""
    frozen = _only_multiplied(model, method) if precision == "bf16" else []
    held = [(parameter, parameter.data) for parameter in frozen]
    copies = {} if copies is None else copies
    try:
        for parameter, tensor in held:
            if tensor.data_ptr() not in copies:
                copies[tensor.data_ptr()] = tensor.bfloat16()
            parameter.data = copies[tensor.data_ptr()]
        yield
    finally:
        for parameter, tensor in held:
            parameter.data = tensor


def _only_multiplied(model: "nn.Module", method: Method) -> "list[nn.Parameter]":
    """The frozen float32 weights and biases that one linear layer reads and nothing else."""
    import torch

    owners = Counter(parameter for module in model.modules() for parameter in module.parameters(recurse=False))
    of_tuners = _read_by_tuners(model, method)
    return [
        parameter
        for module in model.modules()
        # Exactly this class: a layer that keeps its weight in 4 bits, or makes it from others, is one of its own.
        if type(module) is torch.nn.Linear and module not in of_tuners
        for parameter in module.parameters(recurse=False)
        if not parameter.requires_grad and parameter.dtype == torch.float32 and owners[parameter] == 1
    ]


def _read_by_tuners(model: "nn.Module", method: Method) -> "set[nn.Module]":
    """All layers inside those that peft has put around the base's; the base's own only where the method reads them."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    tuners = [module for module in model.modules() if isinstance(module, BaseTunerLayer)]
    inside = {layer for tuner in tuners for layer in tuner.modules()}
    called = {tuner.get_base_layer() for tuner in tuners} if method.only_calls_base_layers else set()
    return inside - called
