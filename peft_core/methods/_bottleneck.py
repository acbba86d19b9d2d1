"""The bottleneck module of the adapter, hung onto the linear layer that it follows."""

from collections.abc import Sequence

import torch
from torch import nn

ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "swish": nn.SiLU}
INITIAL_DEVIATION = 1e-2
"""Houlsby et al. draw both projections from N(0, 1e-2); we keep it below and start U at exactly 0."""


class Bottleneck(nn.Module):
    """h -> h + U f(D h), widths d -> b -> d. U = 0 at the start, so the adapted model begins as the base."""

    def __init__(self, width: int, bottleneck_size: int, activation: str, dropout: float) -> None:
        super().__init__()
        self.down = nn.Linear(width, bottleneck_size)
        self.activation = ACTIVATIONS[activation]()
        self.dropout = nn.Dropout(dropout)
        self.up = nn.Linear(bottleneck_size, width)
        nn.init.normal_(self.down.weight, std=INITIAL_DEVIATION)
        nn.init.zeros_(self.down.bias)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        update: torch.Tensor = self.up(self.dropout(self.activation(self.down(hidden))))
        return hidden + update

    def follow(self, _linear: nn.Module, _inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
        """Forward hook of the layer it follows. A bound method, so that a deep copy of the model hooks the copy."""
        followed: torch.Tensor = self(output)
        return followed


def follow_together(bottlenecks: Sequence[Bottleneck], _read: torch.Tensor, answered: torch.Tensor) -> torch.Tensor:
    """h + U f(D h) with each run's own D and U, of the rows of one run after the other's."""
    hidden = answered.view(len(bottlenecks), -1, answered.shape[-1])
    inner = _each([of_run.down for of_run in bottlenecks], hidden)
    activated = bottlenecks[0].activation(inner).view(*answered.shape[:-1], -1)
    dropped = bottlenecks[0].dropout(activated).view(inner.shape)
    return answered + _each([of_run.up for of_run in bottlenecks], dropped).view(answered.shape)


def _each(linears: Sequence[nn.Linear], hidden: torch.Tensor) -> torch.Tensor:
    """Each run's own layer, (runs, n, d_in) -> (runs, n, d_out)."""
    weights = torch.stack([linear.weight for linear in linears])
    biases = torch.stack([linear.bias for linear in linears])
    return torch.baddbmm(biases[:, None], hidden, weights.mT)


def insert_bottleneck(linear: nn.Module, bottleneck_size: int, activation: str, dropout: float) -> Bottleneck:
    """Hang a bottleneck onto a linear layer, before the block's dropout, residual and norm; base paths stay."""
    assert isinstance(linear, nn.Linear)
    bottleneck = Bottleneck(linear.out_features, bottleneck_size, activation, dropout).to(linear.weight.device)
    linear.adapter = bottleneck
    linear.register_forward_hook(bottleneck.follow)
    return bottleneck


def remove_bottleneck(module: nn.Module) -> None:
    """Take the bottleneck and its hook off a layer that carries one."""
    if isinstance(getattr(module, "adapter", None), Bottleneck):
        del module.adapter
        for handle, hook in list(module._forward_hooks.items()):
            if getattr(hook, "__func__", None) is Bottleneck.follow:
                del module._forward_hooks[handle]
