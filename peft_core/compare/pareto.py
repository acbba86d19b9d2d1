"""Which candidates nothing else beats in every respect."""

import numpy as np
import numpy.typing as npt


def on_front(values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """For each row of `values` (candidates, criteria; larger is better): no other row is at least as good everywhere
    and better somewhere. Equal rows are all on the front."""
    at_least = (values[:, None, :] >= values[None, :, :]).all(axis=2)
    better = (values[:, None, :] > values[None, :, :]).any(axis=2)
    front: npt.NDArray[np.bool_] = np.logical_not(np.any(at_least & better, axis=0))
    return front
