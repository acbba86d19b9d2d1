"""What runs that train together take of memory: a process that trains so many of one method, for a few steps.

    python benchmarks/contenders/group_memory.py METHOD RUNS

Started by benchmarks/training.py; prints one line.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from contenders import solo
from peft_core.device import peak_bytes, reset_peak
from peft_core.fit import never, run_batches
from peft_core.fused.choice import TRAINED_BYTES
from peft_core.fused.group import Seat, run_together
from peft_core.held_base import frozen_base_in_bf16
from peft_core.hub_access import Hub
from peft_core.run import Prepared, prepare
from peft_core.spec import Budget, Event, Progress, Resumed, RunResult, RunSpec
from peft_core.training import autocast, to_device

STEPS = 12
CPU = torch.device("cpu")


@dataclass(frozen=True)
class GroupMemory:
    """peak_bytes: of the process's resident memory while all of its runs trained. held_bytes: the most that autograd
    held of their passes, weights included. saved_bytes: what it holds of one run that trains alone, weights left out,
    at the longest batch that any of them has. trained_bytes: of a run's trained numbers, their gradients and AdamW's
    two averages."""

    method: str
    runs: int
    peak_bytes: int
    held_bytes: int
    saved_bytes: int
    trained_bytes: int


class Held:
    """Counts what autograd holds, each storage once."""

    def __init__(self) -> None:
        self.most = self._now = 0
        self._holders: dict[int, int] = {}

    @contextmanager
    def counted(self) -> Iterator[None]:
        with torch.autograd.graph.saved_tensors_hooks(lambda tensor: Holder(self, tensor), lambda held: held.tensor):
            yield

    def add(self, storage: torch.UntypedStorage) -> None:
        place = storage.data_ptr()
        self._holders[place] = self._holders.get(place, 0) + 1
        if self._holders[place] == 1:
            self._now += storage.nbytes()
            self.most = max(self.most, self._now)

    def remove(self, storage: torch.UntypedStorage) -> None:
        place = storage.data_ptr()
        self._holders[place] -= 1
        if not self._holders[place]:
            self._now -= storage.nbytes()


class Holder:
    """A tensor that autograd holds, for as long as it does."""

    def __init__(self, held: Held, tensor: torch.Tensor) -> None:
        self.tensor, self._held = tensor, held
        held.add(tensor.untyped_storage())

    def __del__(self) -> None:
        self._held.remove(self.tensor.untyped_storage())


def specs(method: str, runs: int, folder: Path) -> list[RunSpec]:
    """Runs of as many seeds. None is evaluated before its end."""
    task, budget = solo.task_of(), Budget(epochs=None, steps=STEPS, batch_size=8, max_length=64)
    asked = [solo.spec_of(solo.workload(method, seed=seed), task, folder / str(seed)) for seed in range(runs)]
    own = [{"run_id": number, "purpose": "tune", "budget": budget} for number in range(runs)]
    return [spec.model_copy(update=update) for spec, update in zip(asked, own, strict=True)]


def peak_of(group: list[RunSpec]) -> int:
    """From the first step to the last one."""
    peaks: list[int] = []

    def watch(event: Event) -> None:
        match event:
            case Resumed():
                # Its base is loaded; the last run's comes right before training.
                reset_peak(CPU)
            case Progress(phase="training"):
                peaks.append(peak_bytes(CPU) or 0)

    def end(_seat: Seat, ended: RunResult | Exception) -> None:
        if isinstance(ended, Exception):
            raise SystemExit(f"A run has failed: {ended}")

    run_together([Seat(spec, watch, never) for spec in group], end)
    return max(peaks)


def saved_by(prepared: Prepared, group: list[RunSpec]) -> int:
    """Bytes that the forward pass of the group's longest batch keeps for the way back."""
    state, loop = prepared.state, prepared.state.loop
    batches = [batch for spec in group for batch in run_batches(spec, state.train_items)]
    longest = max(batches, key=lambda batch: max(item.padded for item in batch))
    batch = to_device(loop.task.collate(longest, loop.pad_token_id), CPU)
    with frozen_base_in_bf16(state.model, loop.method, loop.precision):
        return kept_bytes(state.model, lambda: loop.task.loss(state.model.train(), batch))


def kept_bytes(model: nn.Module, loss: Callable[[], torch.Tensor]) -> int:
    """What autograd holds after `loss` beside the model's own tensors, each storage once."""
    own = {tensor.untyped_storage().data_ptr() for tensor in [*model.parameters(), *model.buffers()]}
    kept: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), autocast(CPU, "bf16"):
        loss()
    return sum(storage.nbytes() for storage in kept.values())


def measured(method: str, runs: int) -> GroupMemory:
    with tempfile.TemporaryDirectory() as folder:
        group, held = specs(method, runs, Path(folder) / "together"), Held()
        with held.counted():
            peak = peak_of(group)
        prepared = prepare(specs(method, 1, Path(folder) / "alone")[0], lambda _event: None, Hub())
        trained = sum(parameter.numel() for parameter in prepared.state.model.parameters() if parameter.requires_grad)
        return GroupMemory(method, runs, peak, held.most, saved_by(prepared, group), TRAINED_BYTES * trained)


if __name__ == "__main__":
    torch.set_num_threads(os.cpu_count() or 1)
    print(json.dumps(asdict(measured(sys.argv[1], int(sys.argv[2])))))
