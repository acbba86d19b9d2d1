"""Which points of a long series are shown: those that its curve cannot do without."""

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Places = NDArray[np.int64]


def peaks_kept(values: Values, most: int) -> Places:
    """Places of at most `most` values: the first and the last, where values begin to be no numbers, so that the line
    breaks there, and of equal stretches of the others the lowest and the highest of each."""
    if len(values) <= most:
        return np.arange(len(values))
    gaps = _gaps(values)
    gaps = gaps[evenly_kept(gaps, most // 4)]
    count = (most - 2 - len(gaps)) // 2
    ends = np.array([0, len(values) - 1])
    return np.unique(np.concatenate([ends, gaps, *_extremes(values, count)])) if count else ends


def _gaps(values: Values) -> Places:
    missing = np.isnan(values)
    return np.flatnonzero(missing & ~np.concatenate([[False], missing[:-1]]))


def _extremes(values: Values, count: int) -> list[Places]:
    """The lowest and the highest of `count` stretches; none of a stretch without a number."""
    length = -(-len(values) // count)
    padded = np.full(count * length, np.nan)
    padded[: len(values)] = values
    stretches = padded.reshape(count, length)
    known = ~np.isnan(stretches)
    begins = length * np.arange(count)
    found = [np.where(known, turned, np.inf).argmin(axis=1) for turned in (stretches, -stretches)]
    return [(begins + places)[known.any(axis=1)] for places in found]


def evenly_kept(values: Values | Places, most: int) -> Places:
    """Every n-th place, the first and the last among them: series that were written together keep steps in common."""
    if len(values) <= most:
        return np.arange(len(values))
    return np.unique(np.linspace(0, len(values) - 1, most).round().astype(np.int64))
