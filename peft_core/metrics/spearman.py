"""Spearman correlation: how far the answers of a regression keep the order of the targets."""

from typing import TYPE_CHECKING

from peft_core.metric import Metric
from peft_core.metrics._correlation import targets_and_answers, why_undefined
from peft_core.spec import Measurement

if TYPE_CHECKING:
    from peft_core.run_state import RunInProgress


class Spearman(Metric):
    key = "spearman"
    title = "Spearman correlation"
    quantity = "coefficient"
    unit = "coefficient"
    better = "higher"
    meaning = (
        "How far answers put the items in the targets' order, whatever the distances; 1 is perfect, 0 no relation."
    )
    how = "Spearman's rho between answers and targets of the test split; equal values share their mean rank."
    purposes = frozenset({"report"})
    kinds = frozenset({"regression"})
    position = 24
    in_heatmap = False

    def measure(self, run: "RunInProgress") -> Measurement:
        from scipy import stats

        targets, answers = targets_and_answers(run)
        if why := why_undefined(targets, answers):
            return self.missing(why)
        found = float(stats.spearmanr(targets, answers).statistic)
        return Measurement(metric=self.key, value=found, detail={"items": len(targets)})
