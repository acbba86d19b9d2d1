"""Inference latency, 95th percentile: what a service-level target speaks of."""

from typing import TYPE_CHECKING

import numpy as np

from peft_core.metric import Metric, RatioAnchors
from peft_core.spec import Measurement

if TYPE_CHECKING:
    from peft_core.run_state import RunInProgress


class InferenceLatencyP95(Metric):
    key = "inference_latency_p95"
    title = "Inference latency p95"
    quantity = "seconds"
    unit = "s"
    better = "lower"
    meaning = "How long one answer takes in service at worst, nineteen times of twenty."
    how = "95th percentile of the answers that the median latency is taken from."
    purposes = frozenset({"probe"})
    position = 10
    anchors = RatioAnchors(lo=0.25, hi=1)
    in_heatmap = False

    def measure(self, run: "RunInProgress") -> Measurement:
        seconds = run.deployed_answer_seconds
        return Measurement(
            metric=self.key,
            value=float(np.percentile(seconds, 95)),
            detail={"calls": len(seconds), "merged": run.merged_model is not None},
        )
