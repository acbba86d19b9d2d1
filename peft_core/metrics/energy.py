"""Energy: joules of training for every thousand real tokens."""

from typing import TYPE_CHECKING

from peft_core.energy import energy_joules
from peft_core.metric import Metric, RatioAnchors
from peft_core.spec import Measurement

if TYPE_CHECKING:
    from peft_core.run_state import RunInProgress


class Energy(Metric):
    key = "energy"
    title = "Training energy"
    quantity = "joules"
    unit = "J per 1,000 tokens"
    better = "lower"
    meaning = "What training on a thousand real tokens takes from the socket of the device."
    how = (
        "The device's own counter before and after training: NVML for a GPU, RAPL for the packages of a CPU. What else"
        " runs on it counts too, and so does what it takes idle."
    )
    purposes = frozenset({"probe"})
    position = 9
    anchors = RatioAnchors(lo=0.5, hi=4)
    in_heatmap = False

    def __init__(self) -> None:
        self._before: float | None = None
        self._after: float | None = None

    def before_training(self, run: "RunInProgress") -> None:
        self._before = energy_joules(run.loop.device)

    def after_training(self, run: "RunInProgress") -> None:
        self._after = energy_joules(run.loop.device)

    def measure(self, run: "RunInProgress") -> Measurement:
        if not run.steps:
            return self.missing("this method trains nothing")
        used = None if self._before is None or self._after is None else self._after - self._before
        if used is None or used < 0:  # A counter that wrapped around is no reading.
            return self.missing("this device's energy is not readable")
        tokens = sum(step.real_tokens for step in run.steps)
        return Measurement(metric=self.key, value=used / tokens * 1_000, detail={"joules": used, "tokens": tokens})
