"""After a run: load what it left, answer with it, switch between adapters on one base model, merge.

A run's folder holds `run.json` (what was trained) and `adapter/` (the trained tensors). The adapter of a method of the
peft library is a folder that `peft.PeftModel.from_pretrained` loads; ours are described in docs/adapter-format.md.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from peft_core.data import Row
from peft_core.device import pick_device
from peft_core.errors import NotOffered, PeftCoreError
from peft_core.method import Method, build_method
from peft_core.run_state import load_base
from peft_core.spec import RunSpec
from peft_core.task import Task, task_kind
from peft_core.training import Loop, answer_all

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
        self._spec = read_run(Path(folder), base_model)
        self._method = _method(self._spec)
        self.model = self._load(self._fresh_base())

    def switch(self, folder: Path | str) -> None:
        """Answer with the adapter of another run on the same base model and kind of task from now on.

        Raises NotOffered where that run was trained on another base model or kind of task.
        """
        asked = read_run(Path(folder), self._spec.base_model)
        if (asked.base_model_sha256, asked.task.kind) != (self._spec.base_model_sha256, self._spec.task.kind):
            raise NotOffered(
                f"The run in {asked.folder.name!r} has another base model or kind of task. Load it by itself."
            )
        same_head = len(asked.task.labels) == len(self._spec.task.labels)
        base = self._method.unload(self.model) if same_head else None
        self._spec, self._method = asked, _method(asked)
        self.model = self._load(base if base is not None else self._fresh_base())

    def answer(self, texts: Sequence[str], pairs: Sequence[str] = ()) -> list[str]:
        """What the adapted model answers to each text (with its second text where the task has two)."""
        from transformers import AutoTokenizer

        spec, task = self._spec, self._task
        tokenizer = AutoTokenizer.from_pretrained(str(spec.base_model), local_files_only=True, trust_remote_code=False)
        # Tokenising asks for a label, which answering does not read.
        label = spec.task.labels[0] if spec.task.labels else "0"
        rows = [
            Row(index, text, label=label, pair=pairs[index] if pairs else "", words=tuple(text.split()))
            for index, text in enumerate(texts)
        ]
        items = task.tokenise(rows, spec.task, tokenizer, spec.budget.max_length)
        loop = Loop(self._method, task, pick_device(), spec.precision or "fp32", tokenizer.pad_token_id or 0)
        return [task.show(answer, spec.task) for answer in answer_all(self.model, loop, items)]

    @property
    def _task(self) -> type[Task]:
        return task_kind(self._spec.task.kind)

    def _fresh_base(self) -> "nn.Module":
        return load_base(self._spec, self._task, self._method, pick_device())

    def _load(self, base: "nn.Module") -> "nn.Module":
        loaded = self._method.load(base, self._spec.folder / "adapter", task_kind=self._spec.task.kind)
        return loaded.to(pick_device()).eval()


def merge_into(folder: Path | str, target: Path | str, base_model: Path | None = None) -> Path:
    """Write a model of the base's own architecture with the run's adapter merged in, tokenizer included.

    transformers loads `target` without peft and without this package. Raises NotOffered where the method cannot merge.
    """
    from transformers import AutoTokenizer

    spec = read_run(Path(folder), base_model)
    method = _method(spec)
    merged: Any = method.merge(Served(folder, base_model).model)
    if merged is None:
        raise NotOffered(f"{method.title} cannot be merged: no weight of the base model can hold what it learned.")
    merged.save_pretrained(str(target))
    AutoTokenizer.from_pretrained(str(spec.base_model), local_files_only=True).save_pretrained(str(target))
    return Path(target)


def _method(spec: RunSpec) -> Method:
    return build_method(spec.method, spec.hyperparameters)
