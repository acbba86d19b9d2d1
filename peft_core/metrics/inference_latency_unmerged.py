"""Unmerged latency: the median time to answer one item with the adapter beside the base, as hot switching needs it."""

import copy
from typing import TYPE_CHECKING

import numpy as np

from peft_core.latency import answer_seconds
from peft_core.metric import Metric, RatioAnchors
from peft_core.spec import Measurement

if TYPE_CHECKING:
    from peft_core.run_state import RunInProgress


class InferenceLatencyUnmerged(Metric):
    key = "inference_latency_unmerged"
    title = "Latency, unmerged"
    quantity = "seconds"
    unit = "s"
    better = "lower"
    meaning = "How long one answer takes where the base model is shared by many adapters, so that none can be merged."
    how = "Median of 200 single-item answers (or 5 s of them) after 20 warm-ups, alone on the device, nothing merged."
    purposes = frozenset({"probe"})
    position = 10
    anchors = RatioAnchors(lo=0.25, hi=1)
    in_heatmap = False

    def measure(self, run: "RunInProgress") -> Measurement:
        served = copy.deepcopy(run.model).requires_grad_(False)
        seconds = answer_seconds(run, served)
        return Measurement(metric=self.key, value=float(np.median(seconds)), detail={"calls": len(seconds)})
