"""Seconds per token: how fast an answer goes on once it has begun."""

from typing import TYPE_CHECKING

import numpy as np

from peft_core.metric import Metric
from peft_core.metrics._writing import FURTHER_TOKENS, further_token_seconds
from peft_core.spec import Measurement

if TYPE_CHECKING:
    from peft_core.run_state import RunInProgress


class SecondsPerToken(Metric):
    key = "seconds_per_token"
    title = "Time per token"
    quantity = "seconds"
    unit = "s"
    better = "lower"
    meaning = "How long each token takes after the first, half of the time: merged where the method can be."
    how = (
        f"The time of {FURTHER_TOKENS + 1} tokens less that of the first, over {FURTHER_TOKENS} (fewer where the"
        " budget's length ends sooner): median of 200 single prompts (or 5 s of them) after 20 warm-ups, greedy"
        " decoding that nothing stops."
    )
    purposes = frozenset({"probe"})
    kinds = frozenset({"generation"})
    position = 15
    in_heatmap = False

    def measure(self, run: "RunInProgress") -> Measurement:
        seconds = further_token_seconds(run)
        if not seconds:
            return self.missing("the budget's length leaves no room for a second token: raise it")
        detail = {"calls": len(seconds), "merged": run.merged_model is not None}
        return Measurement(metric=self.key, value=float(np.median(seconds)), detail=dict(detail))
