"""Macro-F1: precision and recall in one number, every class weighing the same."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from peft_core.metric import Metric
from peft_core.spec import Measurement

if TYPE_CHECKING:
    from peft_core.run_state import RunInProgress


class MacroF1(Metric):
    key = "macro_f1"
    title = "Macro-F1"
    quantity = "fraction"
    unit = "fraction"
    better = "higher"
    meaning = "How well each class is found, the rare ones weighing as much as the frequent: accuracy hides them."
    how = (
        "F1 of each class is 2 TP / (2 TP + FP + FN) on the test split; the mean over the classes that occur there or"
        " are answered."
    )
    purposes = frozenset({"report"})
    kinds = frozenset({"classification", "sentence_pair", "token_classification"})
    position = 21
    in_heatmap = False

    def measure(self, run: "RunInProgress") -> Measurement:
        return Measurement(metric=self.key, value=macro_f1(run.decisions), detail={"decisions": len(run.decisions)})


def macro_f1(decisions: Sequence[tuple[Any, Any]]) -> float:
    """The mean F1 over the classes of (target, answer) pairs; an answer None is wrong and belongs to no class."""
    targets = Counter(target for target, _ in decisions)
    answers = Counter(answer for _, answer in decisions if answer is not None)
    right = Counter(target for target, answer in decisions if answer == target)
    classes = targets.keys() | answers.keys()
    return sum(2 * right[label] / (targets[label] + answers[label]) for label in classes) / len(classes)
