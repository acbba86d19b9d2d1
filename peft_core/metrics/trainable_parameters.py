"""Trainable parameters: everything that gets a gradient, the task head counted apart."""

from typing import TYPE_CHECKING

from peft_core.metric import Metric, RatioAnchors
from peft_core.spec import Measurement
from peft_core.training import split_head

if TYPE_CHECKING:
    from peft_core.run_state import RunInProgress


class TrainableParameters(Metric):
    key = "trainable_parameters"
    title = "Trainable parameters"
    quantity = "count"
    unit = "parameters"
    better = "lower"
    meaning = "How many numbers training moves, re-parametrisations included, the task head left out."
    how = "Sum of the elements of all tensors with requires_grad during training, each storage once."
    purposes = frozenset({"report"})
    position = 1
    anchors = RatioAnchors(lo=1, hi=1e4)
    exact = True

    def __init__(self) -> None:
        self._adapter = 0
        self._head = 0

    def before_training(self, run: "RunInProgress") -> None:
        adapter, head = split_head(run.model)
        self._adapter = sum(parameter.numel() for parameter in adapter)
        self._head = sum(parameter.numel() for parameter in head)

    def measure(self, run: "RunInProgress") -> Measurement:
        return Measurement(metric=self.key, value=self._adapter, detail={"head_parameters": self._head})
