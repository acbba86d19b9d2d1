"""Peak memory of loading: what the base model and the method take before the first step."""

from typing import TYPE_CHECKING

from peft_core.device import peak_bytes, pick_device, reset_peak, resident_bytes
from peft_core.metric import Metric
from peft_core.spec import Measurement, RunSpec

if TYPE_CHECKING:
    from peft_core.run_state import RunInProgress


class LoadPeakMemory(Metric):
    key = "load_peak_memory"
    title = "Peak memory of loading"
    quantity = "bytes"
    unit = "bytes"
    better = "lower"
    meaning = "The most memory held while the base model was read and the method attached; 4-bit bases peak here."
    how = "As for training, but reset just before the base model is loaded and read when the method is attached."
    purposes = frozenset({"probe"})
    position = 12
    in_heatmap = False

    def __init__(self) -> None:
        self._before: int | None = None
        self._reset = False
        self._peak: int | None = None

    def before_load(self, spec: RunSpec) -> None:
        device = pick_device()
        self._reset = reset_peak(device)
        # On CUDA the counter is of the run's own allocations and starts at none.
        self._before = resident_bytes() if device.type == "cpu" else 0

    def after_load(self, run: "RunInProgress") -> None:
        self._peak = peak_bytes(run.loop.device)

    def measure(self, run: "RunInProgress") -> Measurement:
        if not self._reset or self._peak is None or self._before is None:
            return self.missing("this system does not let a process reset its peak memory")
        return Measurement(metric=self.key, value=self._peak - self._before)
