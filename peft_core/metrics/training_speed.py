"""Training speed: real tokens a second, in a probe that has the device to itself."""

import statistics
from typing import TYPE_CHECKING

from peft_core.device import load_average
from peft_core.metric import Metric, RatioAnchors
from peft_core.spec import Measurement

if TYPE_CHECKING:
    from peft_core.run_state import RunInProgress

WARM_UP_STEPS = 10


class TrainingSpeed(Metric):
    key = "training_speed"
    title = "Training speed"
    quantity = "per_second"
    unit = "tokens/s"
    better = "higher"
    meaning = "Real tokens trained on in a second; neither padding nor virtual tokens count."
    how = "Median over 30 steps after 10 warm-up steps, from making the batch to the end of the optimizer's step."
    purposes = frozenset({"probe"})
    position = 3
    anchors = RatioAnchors(lo=0.5, hi=4)

    def __init__(self) -> None:
        self._load: float | None = None

    def after_training(self, run: "RunInProgress") -> None:
        self._load = load_average()

    def measure(self, run: "RunInProgress") -> Measurement:
        if not run.steps:
            return self.missing("this method trains nothing")
        if len(run.train_items) < run.spec.budget.batch_size:
            return self.missing("fewer training items than one batch")
        timed = [(step.real_tokens, step.seconds) for step in run.steps[WARM_UP_STEPS:] if step.seconds is not None]
        detail = {
            "steps": len(timed),
            "median_step_seconds": statistics.median(seconds for _, seconds in timed),
            "load_average": self._load,
        }
        return Measurement(
            metric=self.key,
            value=statistics.median(tokens / seconds for tokens, seconds in timed),
            detail=dict(detail),
        )
