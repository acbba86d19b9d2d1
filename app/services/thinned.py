"""Which points of a long series are shown: those that its curve cannot do without."""

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Places = NDArray[np.int64]


def peaks_kept(values: Values, most: int) -> Places:
    """Places of at most `most` values: the first and the last, and of each of equal stretches between them the lowest,
    the highest, and where there are some, the first that is no number, so that the line breaks there."""
    if len(values) <= most:
        return np.arange(len(values))
    missing = np.isnan(values)
    count = (most - 2) // (3 if missing.any() else 2)
    if count == 0:
        return np.array([0, len(values) - 1])
    length = -(-(len(values) - 2) // count)
    stretches = np.full(count * length, np.nan)
    stretches[: len(values) - 2] = values[1:-1]
    stretches = stretches.reshape(count, length)
    known = ~np.isnan(stretches)
    gaps = np.zeros_like(known)
    gaps.flat[: len(values) - 2] = missing[1:-1]
    begins = 1 + length * np.arange(count)
    lowest, highest = (np.where(known, turned, np.inf).argmin(axis=1) for turned in (stretches, -stretches))
    of_numbers = [(begins + places)[known.any(axis=1)] for places in (lowest, highest)]
    of_gaps = (begins + gaps.argmax(axis=1))[gaps.any(axis=1)]
    return np.unique(np.concatenate([[0, len(values) - 1], *of_numbers, of_gaps]).astype(np.int64))


def evenly_kept(values: Values, most: int) -> Places:
    """Every n-th place, the first and the last among them: series that were written together keep steps in common."""
    if len(values) <= most:
        return np.arange(len(values))
    return np.unique(np.linspace(0, len(values) - 1, most).round().astype(np.int64))
