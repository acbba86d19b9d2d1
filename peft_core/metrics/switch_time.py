"""Switch time: from the request for another task's adapter to its first correct answer."""

import copy
import statistics
import time
from typing import TYPE_CHECKING

from peft_core.metric import Metric, RatioAnchors
from peft_core.spec import Measurement

if TYPE_CHECKING:
    from torch import Tensor, nn

    from peft_core.run_state import RunInProgress

SWITCHES = 3
TOLERANCE = 1e-4
"""Largest difference of a logit between the model that was trained and the one that was switched to."""


class SwitchTime(Metric):
    key = "switch_time"
    title = "Adapter switch time"
    quantity = "seconds"
    unit = "s"
    better = "lower"
    meaning = "How long a server that holds the base model takes to serve another task."
    how = (
        "Median of 3 switches: take the adapter off the base, load another from disk, answer one batch of 8 and find"
        " it correct. A method that changed the base for good loads a whole model instead."
    )
    purposes = frozenset({"probe"})
    position = 7
    anchors = RatioAnchors(lo=1, hi=100)
    in_heatmap = False

    def measure(self, run: "RunInProgress") -> Measurement:
        if run.loop.method.learning_rate is None:
            return Measurement(metric=self.key, value=None, detail={"missing": "this method trains nothing"})
        expected = run.logits(run.model)
        reload_seconds = statistics.median(_reload(run, expected) for _ in range(SWITCHES))
        serving = copy.deepcopy(run.model)
        found: list[float] = []
        for _ in range(SWITCHES):
            switched = _switch(run, serving, expected)
            if switched is None:
                detail = {"how": "whole model loaded", "switches": SWITCHES}
                return Measurement(metric=self.key, value=reload_seconds, detail=dict(detail))
            serving, seconds = switched
            found.append(seconds)
        detail = {"how": "adapter loaded from disk", "switches": SWITCHES, "whole_model_seconds": reload_seconds}
        return Measurement(metric=self.key, value=statistics.median(found), detail=dict(detail))


def _switch(run: "RunInProgress", serving: "nn.Module", expected: "Tensor") -> "tuple[nn.Module, float] | None":
    """The model that now serves the other adapter, and the seconds; None where the base was changed for good."""
    started = time.perf_counter()
    base = run.loop.method.unload(serving)
    if base is None:
        return None
    loaded = run.loop.method.load(base, run.adapter_folder, task_kind=run.spec.task.kind).to(run.loop.device)
    answered = run.logits(loaded)
    seconds = time.perf_counter() - started
    _refuse_wrong(answered, expected)
    return loaded, seconds


def _reload(run: "RunInProgress", expected: "Tensor") -> float:
    started = time.perf_counter()
    loaded = run.loop.method.load(run.fresh_base(), run.adapter_folder, task_kind=run.spec.task.kind)
    answered = run.logits(loaded.to(run.loop.device))
    seconds = time.perf_counter() - started
    _refuse_wrong(answered, expected)
    return seconds


def _refuse_wrong(answered: "Tensor", expected: "Tensor") -> None:
    """A switch counts when its answer is correct; one that is not would be a defect of the method's own code."""
    difference = float((answered - expected).abs().max())
    if difference > TOLERANCE:
        raise AssertionError(f"after switching adapters a logit differs by {difference:g}")
