"""Scores 0..1 on fixed anchors: adding or removing a method never changes another's score."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from peft_core.metric import LinearAnchors, Metric, RatioAnchors

Array = npt.NDArray[np.float64]

QUALITY = "task_performance"

ANCHORS_VERSION = "1"
QUALITY_CEILING = 1.1
"""A method may show up to a tenth more gain than full fine-tuning; the scale leaves room for it."""

LEAST_GAIN_IN_STANDARD_ERRORS = 3.0

TINY = 1e-12
"""Stands for a cost or ratio of zero, whose logarithm would not be finite."""


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

    def scores(self, values: Array) -> Array:
        """u = clip((a - floor) / (a_full - floor), 0, 1.1) / 1.1 for values of any shape; the scale is defined."""
        gain: Array = (values - self.floor) / (self.full - self.floor)
        return gain.clip(0, QUALITY_CEILING) / QUALITY_CEILING


def quality_score(value: float, scale: QualityScale) -> float | None:
    """The score of one value, None where the scale is undefined."""
    return float(scale.scores(np.array(value))) if scale.defined else None


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


def score_values(metric: type[Metric], values: Array, reference: float | None) -> Array:
    """u of values of any shape for a metric with anchors; `reference` is above 0 where those are ratios to it."""
    anchors = metric.anchors
    if isinstance(anchors, LinearAnchors):
        share: Array = (values - anchors.worst) / (anchors.best - anchors.worst)
        return share.clip(0, 1)
    assert anchors is not None, "a metric without anchors has no score"
    assert reference is not None, "a ratio is taken to a reference"
    ratio = values / reference if metric.better == "higher" else reference / np.maximum(values, TINY)
    share = np.log(np.maximum(ratio, TINY) / anchors.lo) / np.log(anchors.hi / anchors.lo)
    return share.clip(0, 1)
