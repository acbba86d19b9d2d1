"""Dropout on the CPU whose masks are drawn four to a random number.

torch draws a double for every element, which on processors other than Intel's takes a fifth to a quarter of a step of a
small model. 16 random bits decide as well: a probability is rounded to the nearest 1/65536, and what is kept is scaled
by the rounded one, so that the mean stays what it was.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

LEVELS = 2**16


@contextmanager
def quick_dropout(device: "torch.device") -> Iterator[None]:
    """While it lasts, every dropout of a model on the CPU draws its mask the quick way, from torch's own generator.

    `torch.nn.functional.dropout` is what modules call and what attention calls without a module; no hook reaches both.
    """
    import torch

    if device.type != "cpu":
        yield
        return
    functional = torch.nn.functional
    of_torch = functional.dropout
    functional.dropout = dropout  # type: ignore[assignment]
    try:
        yield
    finally:
        functional.dropout = of_torch


def dropout(input: "Tensor", p: float = 0.5, training: bool = True, inplace: bool = False) -> "Tensor":
    """As `torch.nn.functional.dropout`, whose signature it has."""
    if not training or p == 0.0:
        return input
    dropped = min(LEVELS, round(p * LEVELS))
    if dropped == LEVELS:
        return input.mul_(0.0) if inplace else input * 0.0
    kept = _random_levels(input) >= dropped - LEVELS // 2
    scale = kept.to(input.dtype).mul_(LEVELS / (LEVELS - dropped))
    return input.mul_(scale) if inplace else input * scale


def _random_levels(like: "Tensor") -> "Tensor":
    """A random number of 16 bits, from -32768 on, for each element."""
    import torch

    words = torch.empty(-(-like.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    return words.view(torch.int16)[: like.numel()].view(like.shape)
