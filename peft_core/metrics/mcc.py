"""Matthews correlation coefficient: how far answers and targets agree beyond chance, for any number of classes."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from peft_core.metric import Metric
from peft_core.spec import Measurement

if TYPE_CHECKING:
    from peft_core.run_state import RunInProgress


class Mcc(Metric):
    key = "mcc"
    title = "Matthews correlation"
    quantity = "coefficient"
    unit = "coefficient"
    better = "higher"
    meaning = "Agreement beyond chance: 1 is perfect, 0 is what an answer that ignores the text gets, -1 is the worst."
    how = "Gorodkin's R_K (2004), which is Matthews' coefficient for two classes, on the test split's decisions."
    purposes = frozenset({"report"})
    kinds = frozenset({"classification", "sentence_pair", "token_classification"})
    position = 22
    in_heatmap = False

    def measure(self, run: "RunInProgress") -> Measurement:
        found = matthews(run.decisions)
        if found is None:
            return self.missing("undefined: every answer, or every target, is the same class")
        return Measurement(metric=self.key, value=found, detail={"decisions": len(run.decisions)})


def matthews(decisions: Sequence[tuple[Any, Any]]) -> float | None:
    """R_K of (target, answer) pairs, None where either side is constant (Gorodkin 2004, in counts of the classes)."""
    total = len(decisions)
    right = sum(bool(answer == target) for target, answer in decisions)
    targets = Counter(target for target, _ in decisions)
    answers = Counter(answer for _, answer in decisions)
    covariance = right * total - sum(targets[label] * answers[label] for label in targets)
    target_spread = total**2 - sum(count**2 for count in targets.values())
    answer_spread = total**2 - sum(count**2 for count in answers.values())
    if not target_spread or not answer_spread:
        return None
    return covariance / math.sqrt(target_spread * answer_spread)
