"""Inference latency: the median time to answer one item, deployed as the method allows."""

from typing import TYPE_CHECKING

import numpy as np

from peft_core.metric import Metric, RatioAnchors
from peft_core.spec import Measurement

if TYPE_CHECKING:
    from peft_core.run_state import RunInProgress


class InferenceLatency(Metric):
    key = "inference_latency"
    title = "Inference latency"
    quantity = "seconds"
    unit = "s"
    better = "lower"
    meaning = "How long one answer takes in service, half of the time: merged into the base where the method can."
    how = "Median of 200 single-item answers (or 5 s of them) after 20 warm-ups, alone on the device."
    purposes = frozenset({"probe"})
    position = 4
    anchors = RatioAnchors(lo=0.25, hi=1)

    def measure(self, run: "RunInProgress") -> Measurement:
        seconds = run.deployed_answer_seconds
        return Measurement(
            metric=self.key,
            value=float(np.median(seconds)),
            detail={"calls": len(seconds), "merged": run.merged_model is not None},
        )
