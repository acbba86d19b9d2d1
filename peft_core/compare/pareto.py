"""Which candidates nothing else beats in every respect."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
LARGEST_BLOCK = 2_000_000
"""Pairs of rows compared at once: a hundred rows over thousands of draws must not fill the memory."""


def on_front(values: Array) -> npt.NDArray[np.bool_]:
    """For each row of `values` (candidates, criteria; larger is better): no other row is at least as good everywhere
    and better somewhere. Equal rows are all on the front."""
    front: npt.NDArray[np.bool_] = np.logical_not(dominance(values).any(axis=0))
    return front


def dominance(values: Array) -> npt.NDArray[np.bool_]:
    """Of `values` (..., candidates, criteria; larger is better): [..., i, j] where i is at least as good as j in every
    criterion and better in one."""
    rows = values.shape[-2]
    at_least = np.ones((*values.shape[:-2], rows, rows), dtype=np.bool_)
    better = np.zeros_like(at_least)
    for criterion in np.moveaxis(values, -1, 0):
        at_least &= criterion[..., :, None] >= criterion[..., None, :]
        better |= criterion[..., :, None] > criterion[..., None, :]
    return at_least & better


def front_shares(drawn: Array) -> Array:
    """The share of draws in which each candidate is on the front; `drawn` (draws, candidates, criteria)."""
    draws, rows, _ = drawn.shape
    block = max(1, LARGEST_BLOCK // max(1, rows * rows))
    counted = np.zeros(rows)
    for start in range(0, draws, block):
        beaten = dominance(drawn[start : start + block]).any(axis=1)
        counted += np.logical_not(beaten).sum(axis=0)
    shares: Array = counted / draws
    return shares
