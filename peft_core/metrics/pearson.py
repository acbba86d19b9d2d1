"""Pearson correlation: how far the answers of a regression lie on a line with the targets."""

from typing import TYPE_CHECKING

from peft_core.metric import Metric
from peft_core.metrics._correlation import targets_and_answers, why_undefined
from peft_core.spec import Measurement

if TYPE_CHECKING:
    from peft_core.run_state import RunInProgress


class Pearson(Metric):
    key = "pearson"
    title = "Pearson correlation"
    quantity = "coefficient"
    unit = "coefficient"
    better = "higher"
    meaning = "How far answers and targets lie on a rising line, whatever unit and offset; 1 is perfect, 0 no relation."
    how = "Pearson's r between answers and targets of the test split."
    purposes = frozenset({"report"})
    kinds = frozenset({"regression"})
    position = 23
    in_heatmap = False

    def measure(self, run: "RunInProgress") -> Measurement:
        from scipy import stats

        targets, answers = targets_and_answers(run)
        if why := why_undefined(targets, answers):
            return self.missing(why)
        found = float(stats.pearsonr(targets, answers).statistic)
        return Measurement(metric=self.key, value=found, detail={"items": len(targets)})
