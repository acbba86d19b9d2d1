"""Storage: the files that restore the adapted model beyond the base."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from peft_core.head import is_head
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
    how = (
        "Sum of the sizes of all files written by saving the adapted model. The details count the numbers in them, the"
        " task head left out."
    )
    purposes = frozenset({"report"})
    position = 2
    anchors = RatioAnchors(lo=1, hi=1e4)
    exact = True

    def measure(self, run: "RunInProgress") -> Measurement:
        files = [path for path in run.adapter_folder.rglob("*") if path.is_file()]
        return Measurement(
            metric=self.key,
            value=sum(path.stat().st_size for path in files),
            detail={"files": len(files), "stored_parameters": sum(map(_stored_parameters, files))},
        )


def _stored_parameters(path: Path) -> int:
    """The numbers that a file of tensors holds beside the task head's; 0 for any other file."""
    from safetensors import safe_open

    if path.suffix != ".safetensors":
        return 0
    with safe_open(path, framework="pt") as tensors:
        names = [name for name in tensors.keys() if not is_head(name)]  # noqa: SIM118 (no mapping)
        return sum(math.prod(tensors.get_slice(name).get_shape()) for name in names)
