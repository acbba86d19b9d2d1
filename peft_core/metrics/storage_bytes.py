"""Storage: the files that restore the adapted model beyond the base."""

from typing import TYPE_CHECKING

from peft_core.metric import Metric, RatioAnchors
from peft_core.spec import Measurement

if TYPE_CHECKING:
    from peft_core.run_state import RunInProgress


class StorageBytes(Metric):
    key = "storage_bytes"
    title = "Storage"
    quantity = "bytes"
    unit = "bytes"
    better = "lower"
    meaning = "What one more task costs on disk: adapter and task head, the base model left out."
    how = "Sum of the sizes of all files written by saving the adapted model."
    purposes = frozenset({"report"})
    position = 2
    anchors = RatioAnchors(lo=1, hi=1e4)
    exact = True

    def measure(self, run: "RunInProgress") -> Measurement:
        files = [path for path in run.adapter_folder.rglob("*") if path.is_file()]
        return Measurement(
            metric=self.key, value=sum(path.stat().st_size for path in files), detail={"files": len(files)}
        )
