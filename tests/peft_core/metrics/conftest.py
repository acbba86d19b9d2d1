"""Runs at their end: of answers that a test chose, and of small models that were really trained."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from peft_core.data import Item
from peft_core.method import build_method
from peft_core.model_shape import read_model_shape
from peft_core.run_state import RunInProgress, load_base
from peft_core.spec import Budget, RunSpec, TaskSpec
from peft_core.task import task_kind
from peft_core.training import Loop, Plan, Training
from tests.peft_core.methods.conftest import small_base, small_decoder

__all__ = ["small_base", "small_decoder"]

AnsweredRun = Callable[[str, Sequence[Any], Sequence[Any]], RunInProgress]
TrainedRun = Callable[..., RunInProgress]


def run_spec(task: TaskSpec, kind: str, base: Path, folder: Path, **changes: Any) -> RunSpec:
    values: dict[str, Any] = {
        "run_id": 1,
        "purpose": "report",
        "base_model": base,
        "base_model_sha256": "",
        "task": task.model_copy(update={"kind": kind}),
        "method": "untuned",
        "seed": 0,
        "budget": Budget(steps=2, batch_size=4, max_length=64),
        "metrics": (),
        "folder": folder,
    }
    return RunSpec(**(values | changes))


@pytest.fixture
def answered(tweets: TaskSpec, minilm: Path, tmp_path: Path) -> AnsweredRun:
    """A reporting run of a kind of task whose test items have these targets and were given these answers."""

    def make(kind: str, targets: Sequence[Any], answers: Sequence[Any]) -> RunInProgress:
        spec, task = run_spec(tweets, kind, minilm, tmp_path), task_kind(kind)
        loop = Loop(build_method("untuned", {}), task, torch.device("cpu"), "fp32", 0)
        items = [Item(index, (0, 1, 2, 3), target) for index, target in enumerate(targets)]
        run = RunInProgress(spec, read_model_shape(minilm), loop, nn.Identity(), [], [], items)
        run.test_answers = list(answers)
        run.test_scores = task.scores(items, answers)
        return run

    return make


@pytest.fixture
def trained(tweets: TaskSpec, tmp_path: Path) -> TrainedRun:
    """A probe of a method on a small base model after two steps, its adapter saved.

    Raises NotOffered where the base model cannot have the method.
    """

    def make(
        method: str, base: Path, kind: str = "classification", targets: Sequence[Any] = (0, 1) * 4
    ) -> RunInProgress:
        built, task, shape, device = build_method(method, {}), task_kind(kind), read_model_shape(base), "cpu"
        built.check(shape, task_kind=kind, max_length=64)
        spec = run_spec(tweets, kind, base, tmp_path, purpose="probe", method=method, learning_rate=1e-3)
        loop = Loop(built, task, torch.device(device), "fp32", 1)
        items = [Item(place, (2, *range(20 + place, 26 + place), 3), target) for place, target in enumerate(targets)]
        torch.manual_seed(0)
        model = built.attach(load_base(spec, task, built, loop.device), task_kind=kind, total_steps=2)
        run = RunInProgress(spec, shape, loop, model, items, items, items)
        training = Training(model, loop, Plan(total_steps=2, learning_rate=1e-3, head_learning_rate=1e-2))
        run.steps = [training.step(items[:4]), training.step(items[4:])]
        model.eval()
        built.save(model, run.adapter_folder)
        return run

    return make
