"""Time to first token: how long a reader waits before an answer begins."""

from typing import TYPE_CHECKING

import numpy as np

from peft_core.metric import Metric
from peft_core.metrics._writing import first_token_seconds
from peft_core.spec import Measurement

if TYPE_CHECKING:
    from peft_core.run_state import RunInProgress


class TimeToFirstToken(Metric):
    key = "time_to_first_token"
    title = "Time to first token"
    quantity = "seconds"
    unit = "s"
    better = "lower"
    meaning = "How long the model reads a prompt until its answer begins, half of the time: merged where it can be."
    how = "Median of 200 single prompts (or 5 s of them) after 20 warm-ups, alone on the device, greedy decoding."
    purposes = frozenset({"probe"})
    kinds = frozenset({"generation"})
    position = 14
    in_heatmap = False

    def measure(self, run: "RunInProgress") -> Measurement:
        seconds = first_token_seconds(run)
        detail = {
            "calls": len(seconds),
            "merged": run.merged_model is not None,
            "median_prompt_tokens": float(np.median([item.target.start for item in run.test_items])),
        }
        return Measurement(metric=self.key, value=float(np.median(seconds)), detail=dict(detail))
