"""Task performance: the task's headline score on the test split, read once at the end of a reporting run."""

from typing import TYPE_CHECKING

from peft_core.metric import Metric
from peft_core.spec import Measurement

if TYPE_CHECKING:
    from peft_core.run_state import RunInProgress


class TaskPerformance(Metric):
    key = "task_performance"
    title = "Task performance"
    quantity = "fraction"
    unit = "fraction"
    better = "higher"
    meaning = (
        "How well the adapted model does the task on items that chose nothing: not the learning rate, not the step."
    )
    how = "Mean score over the test items at the end of training; one value for each seed."
    purposes = frozenset({"report"})
    position = 0

    def measure(self, run: "RunInProgress") -> Measurement:
        assert run.test_scores is not None, "reporting runs read the test split"
        items = len(run.test_scores)
        return Measurement(
            metric=self.key,
            value=sum(run.test_scores) / items,
            detail={"items": items, "score": run.loop.task.headline},
        )
