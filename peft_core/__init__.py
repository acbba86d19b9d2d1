"""PEFT methods, the fair protocol that trains them, and the measurements that compare them.

Importable alone, without the web product and without torch; torch is loaded where a run needs it.

    from peft_core import Budget, Served, fine_tune

    tuned = fine_tune(folder="out", dataset="reviews.csv", method="lora", hyperparameters={"rank": 8})
    print(tuned.measurements["task_performance"].value)
    print(Served(tuned.folder).answer(["I would buy it again."]))
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from peft_core.deploy import Served, merge_into
    from peft_core.method import build_method
    from peft_core.notebook import FineTuned, fine_tune
    from peft_core.spec import Budget, RunSpec, Splits, TaskSpec

__all__ = [
    "Budget",
    "FineTuned",
    "RunSpec",
    "Served",
    "Splits",
    "TaskSpec",
    "build_method",
    "fine_tune",
    "merge_into",
]

HOMES = {
    "deploy": ("Served", "merge_into"),
    "method": ("build_method",),
    "notebook": ("FineTuned", "fine_tune"),
    "spec": ("Budget", "RunSpec", "Splits", "TaskSpec"),
}


def __getattr__(name: str) -> Any:
    """Names are found when they are asked for: importing one module must not import them all."""
    for module, names in HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"peft_core.{module}"), name)
    raise AttributeError(f"module 'peft_core' has no attribute {name!r}")
