"""Switching adapters on one base: every method gives its base back, or a whole model is loaded instead."""

from pathlib import Path

import pytest
import torch

from peft_core.data import Item
from peft_core.errors import PeftCoreError
from peft_core.method import build_method, methods
from peft_core.metrics.switch_time import SwitchTime
from peft_core.model_shape import read_model_shape
from peft_core.run_state import RunInProgress, load_base
from peft_core.spec import Budget, RunSpec, TaskSpec
from peft_core.tasks.classification import Classification
from peft_core.training import Loop

ITEMS = [Item(index, (101, *range(2000 + index, 2005 + index), 102), index % 2) for index in range(8)]


@pytest.mark.parametrize("name", [name for name, kind in methods().items() if kind.learning_rate is not None])
def test_the_next_adapter_answers_right(name: str, minilm: Path, tweets: TaskSpec, tmp_path: Path) -> None:
    method, shape, device = build_method(name, {}), read_model_shape(minilm), torch.device("cpu")
    try:
        method.check(shape, task_kind="classification", max_length=32)
    except PeftCoreError as reason:
        pytest.skip(f"not offered here: {reason}")
    budget = Budget(steps=4, batch_size=8, max_length=32)
    spec = RunSpec(
        run_id=1,
        purpose="probe",
        base_model=minilm,
        base_model_sha256="",
        task=tweets,
        method=name,
        learning_rate=1e-3,
        seed=0,
        budget=budget,
        metrics=(),
        folder=tmp_path,
    )
    torch.manual_seed(0)
    base = load_base(spec, Classification, method, device)
    model = method.attach(base, task_kind="classification", total_steps=4).eval()
    loop = Loop(method, Classification, device, "fp32", 0)
    run = RunInProgress(spec, shape, loop, model, ITEMS, ITEMS, ITEMS)
    method.save(model, run.adapter_folder)
    found = SwitchTime().measure(run)
    assert found.value is not None
    assert found.value > 0
    swaps = method.capabilities.hot_switch
    assert found.detail["how"] == ("adapter loaded from disk" if swaps else "whole model loaded")
