"""What every contender does, and what each tells of it. Plain data: a process that reads it imports nothing of ours."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

METHODS = ("full", "lora", "prefix_tuning", "prompt_tuning", "ia3", "head_only")
EVALUATION_BATCH = 32
WARM_UP_SHARE = 0.1
CLIP_NORM = 1.0

Texts = dict[str, list[tuple[str, int]]]
"""Each split's texts with the numbers of their labels."""


@dataclass(frozen=True)
class Workload:
    """One fine-tuning: everything that decides what is computed."""

    method: str
    seed: int
    folder: str
    """Of the base model."""
    rate: float
    head_rate: float
    epochs: int
    steps: int
    evaluate_after: tuple[int, ...]
    batch_size: int = 8
    max_length: int = 64
    threads: int = 2

    @property
    def warm_up(self) -> int:
        return max(1, round(WARM_UP_SHARE * self.steps))


@dataclass(frozen=True)
class Measured:
    """What one process of a contender tells. `training_seconds`: of all its steps, evaluations left out."""

    training_seconds: float
    peak_bytes: int
    """Of the process, less what it held before it loaded the base model."""
    validation: float
    test: float
    process_seconds: float = 0.0
    """From the start of the process to its end, by the clock of who started it."""


def read_workload(arguments: Sequence[str]) -> tuple[Workload, Texts]:
    """Of a process's two arguments: the workload, and the file of its texts."""
    return Workload(**json.loads(arguments[0])), json.loads(Path(arguments[1]).read_text(encoding="utf-8"))


def tell(measured: Measured) -> None:
    """As the last line of what a process prints; `told` reads it."""
    print(json.dumps(asdict(measured)))


def told(output: str) -> Measured:
    return Measured(**json.loads(output.strip().splitlines()[-1]))
