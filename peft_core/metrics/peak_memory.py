"""Peak training memory: of the training phase alone, in the run's own process."""

from typing import TYPE_CHECKING

from peft_core.device import peak_bytes, peak_reserved_bytes, reset_peak, resident_bytes
from peft_core.metric import Metric, RatioAnchors
from peft_core.spec import Measurement, RunSpec

if TYPE_CHECKING:
    from peft_core.run_state import RunInProgress


class PeakMemory(Metric):
    key = "peak_memory"
    title = "Peak training memory"
    quantity = "bytes"
    unit = "bytes"
    better = "lower"
    meaning = "The most memory training held at once: weights, gradients, optimizer state and activations."
    how = (
        "Highest allocated memory on CUDA; on the CPU highest resident memory of the run's process less what it held"
        " just before the base model was loaded. Reset before training; the longest batch is among the steps."
    )
    purposes = frozenset({"probe"})
    position = 5
    anchors = RatioAnchors(lo=0.5, hi=8)

    def __init__(self) -> None:
        self._before_load: int | None = None
        self._reset = False
        self._peak: int | None = None
        self._reserved: int | None = None

    def before_load(self, spec: RunSpec) -> None:
        self._before_load = resident_bytes()

    def before_training(self, run: "RunInProgress") -> None:
        self._reset = reset_peak(run.loop.device)

    def after_training(self, run: "RunInProgress") -> None:
        self._peak = peak_bytes(run.loop.device)
        self._reserved = peak_reserved_bytes(run.loop.device)

    def measure(self, run: "RunInProgress") -> Measurement:
        if not run.steps:
            return self.missing("this method trains nothing")
        if run.loop.device.type == "cuda" and self._peak is not None:
            detail = {"counter": "allocated on the device", "reserved_bytes": self._reserved}
            return Measurement(metric=self.key, value=self._peak, detail=dict(detail))
        if not self._reset or self._peak is None or self._before_load is None:
            return self.missing("this system does not let a process reset its peak memory")
        return Measurement(
            metric=self.key,
            value=self._peak - self._before_load,
            detail={"counter": "resident memory", "before_load_bytes": self._before_load},
        )
