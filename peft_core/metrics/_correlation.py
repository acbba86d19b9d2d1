"""What the two correlations of a regression share: the pairs, and where there is no correlation."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from peft_core.run_state import RunInProgress

Values = npt.NDArray[np.float64]

ROUNDING = 1e-12
"""Values that differ by less than this share of the largest are the same number."""


def targets_and_answers(run: "RunInProgress") -> tuple[Values, Values]:
    """Both in the dataset's units, shape (items,) each."""
    targets, answers = zip(*run.decisions, strict=True)
    return np.array(targets, dtype=np.float64), np.array(answers, dtype=np.float64)


def why_undefined(targets: Sequence[float] | Values, answers: Sequence[float] | Values) -> str | None:
    """Why these have no correlation, None where they have one."""
    if _constant(targets):
        return "undefined: every target is the same number"
    return "undefined: every answer is the same number" if _constant(answers) else None


def _constant(values: Sequence[float] | Values) -> bool:
    return float(np.ptp(values)) <= ROUNDING * float(np.abs(values).max())
