"""Throughput: items answered in a second in batches of 32, deployed as the method allows."""

from typing import TYPE_CHECKING

import numpy as np

from peft_core.latency import answer_seconds
from peft_core.metric import Metric, RatioAnchors
from peft_core.spec import Measurement

if TYPE_CHECKING:
    from peft_core.run_state import RunInProgress

BATCH_SIZE = 32


class InferenceThroughputB32(Metric):
    key = "inference_throughput_b32"
    title = "Throughput, batch 32"
    quantity = "per_second"
    unit = "items/s"
    better = "higher"
    meaning = "How many items a second are answered where requests come in batches."
    how = "32 over the median of 200 answers to batches of 32 (or 5 s of them) after 20 warm-ups (or 5 s)."
    purposes = frozenset({"probe"})
    position = 11
    anchors = RatioAnchors(lo=0.25, hi=1)
    in_heatmap = False

    def measure(self, run: "RunInProgress") -> Measurement:
        seconds = answer_seconds(run, run.deployed_model, batch_size=BATCH_SIZE)
        median, p95 = (float(found) for found in np.percentile(seconds, (50, 95)))
        detail = {
            "calls": len(seconds),
            "merged": run.merged_model is not None,
            "median_seconds": median,
            "p95_seconds": p95,
        }
        return Measurement(metric=self.key, value=BATCH_SIZE / median, detail=dict(detail))
