"""After a run: load what it left, answer with it, switch between adapters on one base model, merge.

A run's folder holds `run.json` (what was trained) and `adapter/` (the trained tensors). The adapter of a method of the
peft library is a folder that `peft.PeftModel.from_pretrained` loads; ours are described in docs/adapter-format.md.
"""

import json
from collections.abc import Sequence
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from peft_core.data import Item, Row
from peft_core.device import pick_device
from peft_core.errors import NotOffered, PeftCoreError
from peft_core.method import Method, build_method
from peft_core.run_state import load_base
from peft_core.spec import RunSpec
from peft_core.task import Task, task_kind
from peft_core.training import Loop, answer_all, probabilities_of

if TYPE_CHECKING:
    from torch import nn

RUN = "run.json"


class NotARun(PeftCoreError):
    """A folder that no run has left."""


def write_run(spec: RunSpec) -> None:
    """Leave in the run's folder what it takes to load its adapter again."""
    # Where the folder lies is not part of what was done: it is copied and downloaded.
    (spec.folder / RUN).write_text(
        spec.model_copy(update={"folder": Path()}).model_dump_json(indent=2), encoding="utf-8"
    )


def read_run(folder: Path, base_model: Path | None = None) -> RunSpec:
    """The spec of the run that left `folder`; `base_model` where the base now lies elsewhere. Raises NotARun."""
    try:
        spec = RunSpec.model_validate(json.loads((folder / RUN).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        raise NotARun(f"{folder.name!r} holds no {RUN}. Give the folder that a finished run has left.") from None
    return spec.model_copy(update={"folder": folder, "base_model": base_model or spec.base_model})


class Served:
    """One base model in memory that answers with one adapter at a time.

    `switch` takes the adapter off the base and puts another on, which takes milliseconds where the method left the
    base as it was; a method that changed it for good loads a whole model.
    """

    def __init__(self, folder: Path | str, base_model: Path | None = None) -> None:
        self.spec = read_run(Path(folder), base_model)
        self.method = _method(self.spec)
        self.model = self._load(self._fresh_base())

    def switch(self, folder: Path | str) -> None:
        """Answer with the adapter of another run on the same base model and kind of task from now on.

        Raises NotOffered where that run was trained on another base model or kind of task.
        """
        asked = read_run(Path(folder), self.spec.base_model)
        if (asked.base_model_sha256, asked.task.kind) != (self.spec.base_model_sha256, self.spec.task.kind):
            raise NotOffered(
                f"The run in {asked.folder.name!r} has another base model or kind of task. Load it by itself."
            )
        same_head = len(asked.task.labels) == len(self.spec.task.labels)
        base = self.method.unload(self.model) if same_head else None
        self.spec, self.method = asked, _method(asked)
        self.model = self._load(base if base is not None else self._fresh_base())

    def answer(self, texts: Sequence[str], pairs: Sequence[str] = ()) -> list[str]:
        """What the adapted model answers to each text (with its second text where the task has two)."""
        asked = [as_row(index, text, pairs[index] if pairs else "") for index, text in enumerate(texts)]
        return answers(self.model, self.spec, self.method, asked)

    @property
    def _task(self) -> type[Task]:
        return task_kind(self.spec.task.kind)

    def _fresh_base(self) -> "nn.Module":
        return load_base(self.spec, self._task, self.method, pick_device())

    def _load(self, base: "nn.Module") -> "nn.Module":
        loaded = self.method.load(base, self.spec.folder / "adapter", task_kind=self.spec.task.kind)
        return loaded.to(pick_device()).eval()


def merge_into(folder: Path | str, target: Path | str, base_model: Path | None = None) -> Path:
    """Write a model of the base's own architecture with the run's adapter merged in, tokenizer included.

    transformers loads `target` without peft and without this package. Raises NotOffered where the method cannot merge.
    """
    spec = read_run(Path(folder), base_model)
    method = _method(spec)
    merged: Any = method.merge(Served(folder, base_model).model)
    if merged is None:
        raise NotOffered(f"{method.title} cannot be merged: no weight of the base model can hold what it learned.")
    merged.save_pretrained(str(target))
    _tokenizer(spec.base_model).save_pretrained(str(target))
    return Path(target)


def as_row(index: int, text: str, pair: str = "", choices: Sequence[str] = ()) -> Row:
    """What a person asks, as any kind of task reads it."""
    return Row(index, text, pair=pair, choices=tuple(choices), words=tuple(text.split()))


def answers(model: "nn.Module", spec: RunSpec, method: Method, rows: Sequence[Row]) -> list[str]:
    """What a model of the run's kind of task answers to each row, as a person reads it."""
    kind, items = as_items(spec, rows)
    loop = Loop(method, kind, pick_device(), spec.precision or "fp32", _tokenizer(spec.base_model).pad_token_id or 0)
    return [kind.show(answer, spec.task) for answer in answer_all(model, loop, items)]


def probabilities(model: "nn.Module", spec: RunSpec, method: Method, row: Row) -> dict[str, float] | None:
    """What a model gives to each class or choice of the run's task, the largest first; None where it has none."""
    kind, items = as_items(spec, [row])
    loop = Loop(method, kind, pick_device(), spec.precision or "fp32", _tokenizer(spec.base_model).pad_token_id or 0)
    shares = probabilities_of(model, loop, items[0])
    if shares is None or not all(map(isfinite, shares)):
        return None
    named = dict(zip(kind.options(spec.task), shares, strict=True))
    return dict(sorted(named.items(), key=lambda pair: -pair[1]))


def as_items(spec: RunSpec, rows: Sequence[Row], *, labelled: bool = False) -> tuple[type[Task], list[Item]]:
    """Rows as items of the kind of task that answers them; `labelled`: of the run's own, with their right answers.

    Raises NotOffered where the rows lack what the kind of task reads.
    """
    kind, tokenizer, length = task_kind(spec.task.kind), _tokenizer(spec.base_model), spec.budget.max_length
    if labelled:
        return kind, kind.tokenise(rows, spec.task, tokenizer, length)
    return kind.ask(rows, spec.task, tokenizer, length)


@lru_cache(maxsize=4)
def _tokenizer(base_model: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(base_model), local_files_only=True, trust_remote_code=False)


def _method(spec: RunSpec) -> Method:
    return build_method(spec.method, spec.hyperparameters)
