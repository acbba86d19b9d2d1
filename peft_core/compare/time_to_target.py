"""Time to target: how long a run trained until it kept 95 % of full fine-tuning's gain over the untuned model."""

from collections.abc import Sequence
from dataclasses import dataclass

SHARE_OF_GAIN = 0.95


@dataclass(frozen=True)
class TrainedFor:
    """Training seconds until the target was reached; where it never was, of the whole training: more are needed."""

    seconds: float
    reached: bool


def target_score(floor: float, full: float) -> float:
    """The score that keeps 95 % of the gain from `floor` (untuned) to `full` (fine-tuned whole)."""
    return floor + SHARE_OF_GAIN * (full - floor)


def time_to_target(validations: Sequence[tuple[float, float]], target: float) -> TrainedFor:
    """`validations`: (training seconds so far, score) in order, one at least; scores are better when higher.

    The first validation at or above the target counts, so that the answer is as fine as validations are frequent.
    """
    for seconds, score in validations:
        if score >= target:
            return TrainedFor(seconds, reached=True)
    return TrainedFor(validations[-1][0], reached=False)
