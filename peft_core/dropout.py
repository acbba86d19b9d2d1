"""Dropout whose masks are drawn four to a random number, wherever in a model it is called.

On the CPU torch draws a double for every element, which on processors other than Intel's takes a fifth to a quarter of
a step of a small model. 16 random bits decide as well: a probability is rounded to the nearest 1/65536, and what is
kept is scaled by the rounded one, so that the mean stays what it was.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

LEVELS = 2**16
HALF = LEVELS // 2


@contextmanager
def dropout_by(function: "Callable[..., Tensor]") -> Iterator[None]:
    """While it lasts, every dropout of a model is `function`, which has the signature of torch's.

    `torch.nn.functional.dropout` is what modules call and what attention calls without a module; no hook reaches both.
    """
    from torch.nn import functional

    before = functional.dropout
    functional.dropout = function
    try:
        yield
    finally:
        functional.dropout = before


@contextmanager
def quick_dropout(device: "torch.device") -> Iterator[None]:
    """While it lasts, a model on the CPU draws its masks the quick way, from torch's own generator; CUDA's own kernel
    draws as it goes."""
    if device.type != "cpu":
        yield
        return
    with dropout_by(dropout):
        yield


def dropout(input: "Tensor", p: float = 0.5, training: bool = True, inplace: bool = False) -> "Tensor":
    """As `torch.nn.functional.dropout`, whose signature it has."""
    import torch

    if not training or p == 0.0:
        return input
    levels = torch.empty(input.shape, dtype=torch.int16, device=input.device)
    kept = scale_of_kept(draw_levels(levels), p, input.dtype)
    return input.mul_(kept) if inplace else input * kept


def draw_levels(levels: "Tensor", generator: "torch.Generator | None" = None) -> "Tensor":
    """Fill a contiguous tensor with 16 random bits for each element, as whole numbers from -32768 on; generator None:
    torch's own."""
    import torch

    flat, whole = levels.view(-1), 4 * (levels.numel() // 4)
    if levels.storage_offset() % 4 == 0 and whole == levels.numel():
        flat.view(torch.int64).random_(-(2**63), None, generator=generator)
        return levels
    words = torch.empty(-(-levels.numel() // 4), dtype=torch.int64, device=levels.device)
    flat.copy_(words.random_(-(2**63), None, generator=generator).view(torch.int16)[: levels.numel()])
    return levels


def scale_of_kept(levels: "Tensor", p: float, dtype: "torch.dtype") -> "Tensor":
    """0 for the share `p` of levels, and for the others what keeps the mean."""
    dropped = min(LEVELS, round(p * LEVELS))
    # A level is below 32768, so that of certain dropout nothing is kept.
    kept = levels >= dropped - HALF if dropped < LEVELS else levels > HALF - 1
    return kept.to(dtype).mul_(LEVELS / max(1, LEVELS - dropped))
