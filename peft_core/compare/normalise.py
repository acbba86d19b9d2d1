"""Scores 0..1 on fixed anchors: adding or removing a method never changes another's score."""

import math
from dataclasses import dataclass

from peft_core.metric import LinearAnchors, RatioAnchors

ANCHORS_VERSION = "1"
QUALITY_CEILING = 1.1
"""A method may show up to a tenth more gain than full fine-tuning; the scale leaves room for it."""

LEAST_GAIN_IN_STANDARD_ERRORS = 3.0


@dataclass(frozen=True)
class QualityScale:
    """From the untuned floor to full fine-tuning's mean, with the standard error of the latter."""

    floor: float
    full: float
    full_standard_error: float

    @property
    def defined(self) -> bool:
        """Whether full fine-tuning gained clearly more than noise; else quality has no scale."""
        return self.full - self.floor > 0 and self.full - self.floor >= (
            LEAST_GAIN_IN_STANDARD_ERRORS * self.full_standard_error
        )


def quality_score(value: float, scale: QualityScale) -> float | None:
    """u = clip((a - floor) / (a_full - floor), 0, 1.1) / 1.1, None where the scale is undefined."""
    if not scale.defined:
        return None
    gain = (value - scale.floor) / (scale.full - scale.floor)
    return min(max(gain, 0.0), QUALITY_CEILING) / QUALITY_CEILING


def ratio_score(value: float, reference: float, anchors: RatioAnchors, *, higher_is_better: bool) -> float:
    """u = clip(ln(r / lo) / ln(hi / lo), 0, 1); r = reference / value for costs, value / reference for throughputs.

    A cost of zero scores 1.
    """
    if value <= 0:
        return 0.0 if higher_is_better else 1.0
    ratio = value / reference if higher_is_better else reference / value
    if ratio <= 0:
        return 0.0
    return min(max(math.log(ratio / anchors.lo) / math.log(anchors.hi / anchors.lo), 0.0), 1.0)


def linear_score(value: float, anchors: LinearAnchors) -> float:
    """u = clip((value - worst) / (best - worst), 0, 1)."""
    return min(max((value - anchors.worst) / (anchors.best - anchors.worst), 0.0), 1.0)
