"""A run's model beside its untuned base: both answer what a person asks, one text at a time, each answer timed."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from peft_core.analysis.cost_model.memory import size
from peft_core.data import Item, Row, read_splits
from peft_core.deploy import Served, answers, as_items, probabilities, read_run
from peft_core.device import memory_bytes, pick_device, synchronize
from peft_core.errors import NotOffered
from peft_core.method import Method, build_method
from peft_core.model_shape import read_model_shape
from peft_core.run_state import load_base
from peft_core.spec import RunSpec, storable
from peft_core.task import task_kind

if TYPE_CHECKING:
    from torch import nn

BYTES_LOADED = 4
"""A number of a model that answers is float32."""
BASE_ITSELF = "the base model itself, before any training"
NOTHING_LEARNED = (
    "the answer that needs no learning (the training split's most frequent one, or its mean), for this base model has"
    " no head for the task"
)


@dataclass(frozen=True)
class Answer:
    """An answer, and the seconds it took; None where nothing was computed for it. probabilities: of each class or
    choice, where the answer is one of them and was computed."""

    text: str
    seconds: float | None
    probabilities: dict[str, float] | None = None


class SideBySide:
    """A run's model and what stands beside it, in memory.

    A language model answers before it is adapted. A base of another kind has no head for the task, and beside the run
    stands what the study's untuned row answers.
    """

    def __init__(self, folder: Path, base_model: Path | None = None) -> None:
        """Raises NotARun, and NotOffered where the device has no room for the models."""
        spec = read_run(folder, base_model)
        self._language_model = task_kind(spec.task.kind).language_model
        _check_room(spec, models=2 if self._language_model else 1)
        self._served = Served(folder, base_model)
        self._untuned = build_method("untuned", {})
        self._base = _load_untuned(spec, self._untuned) if self._language_model else None
        self._training_items: list[Item] | None = None

    def switch(self, folder: Path) -> None:
        """Answer with another run from now on. Raises NotOffered where its base model or kind of task is another."""
        self._served.switch(folder)
        self._training_items = None

    @property
    def base_is(self) -> str:
        """What answers beside the run."""
        return BASE_ITSELF if self._language_model else NOTHING_LEARNED

    def adapted(self, rows: Sequence[Row]) -> list[Answer]:
        """What the run's model answers to each row, its adapter beside the base and not merged into it."""
        return [_timed(self._served.model, self._served.spec, self._served.method, row) for row in rows]

    def untuned(self, rows: Sequence[Row]) -> list[Answer]:
        """What its base answers to each row."""
        spec = self._served.spec
        if self._base is not None:
            return [_timed(self._base, spec, self._untuned, row) for row in rows]
        kind, items = as_items(spec, rows)
        found = kind.untuned_answers(self._training_split(), items)
        assert found is not None, "only a language model is asked itself"
        return [Answer(kind.show(answer, spec.task), None) for answer in found]

    def _training_split(self) -> list[Item]:
        if self._training_items is None:
            spec = self._served.spec
            kind = task_kind(spec.task.kind)
            self._training_items = as_items(spec, read_splits(spec.task, kind).train, labelled=True)[1]
        return self._training_items


def _timed(model: "nn.Module", spec: RunSpec, method: Method, row: Row) -> Answer:
    started = time.perf_counter()
    text = str(storable(answers(model, spec, method, [row])[0]))
    synchronize(pick_device())
    seconds = time.perf_counter() - started
    # Asked again, so that the answer takes the time that an answer takes.
    return Answer(text, seconds, probabilities(model, spec, method, row))


def _load_untuned(spec: RunSpec, untuned: Method) -> "nn.Module":
    return load_base(spec, task_kind(spec.task.kind), untuned, pick_device())


def _check_room(spec: RunSpec, *, models: int) -> None:
    """A person's question must not make the machine run out of memory under the runs that train on it."""
    there = memory_bytes(pick_device())
    needed = models * BYTES_LOADED * read_model_shape(spec.base_model).parameters
    if there is not None and needed > there:
        raise NotOffered(
            f"Answering needs {size(needed)} for the model and this device has {size(there)} left. Wait until less runs"
            " on it, or ask on a larger machine."
        )
