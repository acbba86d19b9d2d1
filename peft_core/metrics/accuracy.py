"""Accuracy: the share of all decisions that are right."""

from typing import TYPE_CHECKING

from peft_core.metric import Metric
from peft_core.spec import Measurement

if TYPE_CHECKING:
    from peft_core.run_state import RunInProgress


class Accuracy(Metric):
    key = "accuracy"
    title = "Accuracy"
    quantity = "fraction"
    unit = "fraction"
    better = "higher"
    meaning = (
        "Share of all decisions that are right. Where each item is one decision it repeats the task performance; where"
        " words are tagged, every word weighs the same, whatever the length of its sentence."
    )
    how = "Right answers over all answers on the test split; a word that the length cuts off counts as wrong."
    purposes = frozenset({"report"})
    kinds = frozenset({"classification", "sentence_pair", "token_classification", "multiple_choice"})
    position = 20
    in_heatmap = False

    def measure(self, run: "RunInProgress") -> Measurement:
        right = [answer == target for target, answer in run.decisions]
        return Measurement(metric=self.key, value=sum(right) / len(right), detail={"decisions": len(right)})
