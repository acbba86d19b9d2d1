"""Switch time: from the request for another task's adapter to its first correct answer."""

import copy
import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from peft_core.metric import Metric, RatioAnchors
from peft_core.spec import Measurement

if TYPE_CHECKING:
    from torch import Tensor, nn

    from peft_core.run_state import RunInProgress

SWITCHES = 3
TOLERANCE = 1e-4
"""Largest difference of a logit between the model that was trained and the one that was switched to."""


class WrongAnswer(AssertionError):
    """After a switch the model answers otherwise than the trained one: a defect of the method's own code."""


class SwitchTime(Metric):
    key = "switch_time"
    title = "Adapter switch time"
    quantity = "seconds"
    unit = "s"
    better = "lower"
    meaning = "How long a server that holds the base model takes to serve another task."
    how = (
        "Median of 3 switches: take the adapter off the base, load another from disk, answer one batch and find it"
        " correct. A method that changed the base for good loads a whole model instead. The details hold the same for"
        " an adapter that is in memory (hot), for a whole model, and for one that is merged after loading."
    )
    purposes = frozenset({"probe"})
    position = 7
    anchors = RatioAnchors(lo=1, hi=100)
    in_heatmap = False

    def measure(self, run: "RunInProgress") -> Measurement:
        if run.loop.method.learning_rate is None:
            return self.missing("this method trains nothing")
        expected = run.logits(run.model)
        whole = _median_seconds(run, expected, lambda: _whole_model(run))
        disk = _disk_seconds(run, expected)
        detail = {
            "how": "whole model loaded" if disk is None else "adapter loaded from disk",
            "switches": SWITCHES,
            "hot_seconds": None if disk is None else _hot_seconds(run, expected),
            "whole_model_seconds": whole,
            "merged_seconds": _merged_seconds(run, expected),
        }
        return Measurement(metric=self.key, value=whole if disk is None else disk, detail=dict(detail))


def _disk_seconds(run: "RunInProgress", expected: "Tensor") -> float | None:
    """None where the method changed the base for good."""
    serving = copy.deepcopy(run.model)

    def switch() -> "nn.Module | None":
        nonlocal serving
        base = run.loop.method.unload(serving)
        if base is not None:
            serving = _loaded(run, base)
        return None if base is None else serving

    return _median_seconds(run, expected, switch)


def _hot_seconds(run: "RunInProgress", expected: "Tensor") -> float | None:
    """Another adapter of the same shape is in the base; the wanted one's tensors, in memory, are put in its place."""
    import torch

    kept = {name: tensor for name, tensor in run.model.named_parameters() if tensor.requires_grad}
    serving = copy.deepcopy(run.model)
    places = {name: tensor for name, tensor in serving.named_parameters() if name in kept}

    def switch() -> "nn.Module":
        with torch.no_grad():
            for name, place in places.items():
                place.copy_(kept[name])
        return serving

    with torch.no_grad():
        for place in places.values():
            place.zero_()
    return _median_seconds(run, expected, switch)


def _merged_seconds(run: "RunInProgress", expected: "Tensor") -> float | None:
    """None where the method cannot merge, or not to the same answers (4-bit bases)."""
    try:
        return _median_seconds(run, expected, lambda: run.loop.method.merge(_whole_model(run)))
    except WrongAnswer:
        return None


def _whole_model(run: "RunInProgress") -> "nn.Module":
    return _loaded(run, run.fresh_base())


def _loaded(run: "RunInProgress", base: "nn.Module") -> "nn.Module":
    loaded = run.loop.method.load(base, run.adapter_folder, task_kind=run.spec.task.kind)
    return loaded.to(run.loop.device)


def _median_seconds(run: "RunInProgress", expected: "Tensor", switch: "Callable[[], nn.Module | None]") -> float | None:
    """Of 3 switches to an answered batch; None where there is nothing to switch to. Raises WrongAnswer."""
    found: list[float] = []
    for _ in range(SWITCHES):
        started = time.perf_counter()
        model = switch()
        if model is None:
            return None
        answered = run.logits(model)
        found.append(time.perf_counter() - started)
        difference = float((answered - expected).abs().max())
        if difference > TOLERANCE:
            raise WrongAnswer(f"after switching adapters a logit differs by {difference:g}")
    return statistics.median(found)
