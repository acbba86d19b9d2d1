"""Where a raw value stands on a column's own axis, so that a column of the heatmap reads as a dot plot."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

FAR_OUT = 1.5
"""Tukey's fence, in inter-quartile ranges: one method that learned nothing must not squeeze all the others."""


@dataclass(frozen=True)
class ColumnAxis:
    """lo, hi: the raw values at the ends. log: equal ratios take equal room."""

    lo: float
    hi: float
    log: bool

    def place(self, value: float) -> float:
        """0..1 along the axis; below 0 or above 1 where the value is off the scale."""
        if self.log and value <= 0:
            return -1.0
        lo, hi, at = (math.log(self.lo), math.log(self.hi), math.log(value)) if self.log else (self.lo, self.hi, value)
        return 0.5 if hi == lo else (at - lo) / (hi - lo)

    def ticks(self) -> list[float]:
        """Two to five round raw values inside the axis."""
        if self.log:
            decades = range(math.floor(math.log10(self.lo)), math.ceil(math.log10(self.hi)) + 1)
            tens = [10.0**decade for decade in decades]
            fine = [factor * ten for ten in tens for factor in (1, 2, 5)]
            marks = next((m for m in (tens, fine) if sum(self.lo <= mark <= self.hi for mark in m) >= 2), fine)
        else:
            step = 10 ** math.floor(math.log10(self.hi - self.lo))
            step = next(step * part for part in (1, 0.5, 0.25, 0.2) if (self.hi - self.lo) / (step * part) >= 3)
            marks = [k * step for k in range(math.ceil(self.lo / step), math.floor(self.hi / step) + 1)]
        inside = [mark for mark in marks if self.lo <= mark <= self.hi]
        return inside[:: math.ceil(len(inside) / 5)] if inside else []


def column_axis(values: Iterable[float], *, log: bool) -> ColumnAxis | None:
    """The axis that holds `values` with some air at both ends; None where there is nothing to place."""
    usable = sorted(value for value in values if not log or value > 0)
    if not usable:
        return None
    if log:
        return ColumnAxis(lo=usable[0] / 1.15, hi=usable[-1] * 1.15, log=True)
    lo, hi = _within_fences(usable)
    air = 0.06 * (hi - lo) or 0.5 * abs(hi) or 0.5
    return ColumnAxis(lo=lo - air, hi=hi + air, log=False)


def _within_fences(ordered: list[float]) -> tuple[float, float]:
    """The smallest and largest of the ordered values that are not far out."""
    first, third = (ordered[round(share * (len(ordered) - 1))] for share in (0.25, 0.75))
    reach = FAR_OUT * (third - first)
    near = [value for value in ordered if first - reach <= value <= third + reach]
    return near[0], near[-1]
