"""What a run has changed, on the real base model: for methods of every kind, and as a run leaves it."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from peft_core.analysis import weight_change
from peft_core.analysis.update_spectrum import SPECTRUM, Spectrum
from peft_core.analysis.weight_change import read_spectrum
from peft_core.data import Item
from peft_core.errors import PeftCoreError
from peft_core.method import build_method, methods
from peft_core.model_shape import read_model_shape
from peft_core.run import run
from peft_core.run_state import RunInProgress, load_base
from peft_core.spec import Budget, RunSpec, TaskSpec
from peft_core.tasks.classification import Classification
from peft_core.training import Loop, Plan, Training

ITEMS = [Item(index, (101, *range(2000 + index, 2005 + 2 * index), 102), index % 2) for index in range(8)]
CPU = torch.device("cpu")

MakeState = Callable[..., RunInProgress]


@pytest.fixture
def trained(minilm: Path, tweets: TaskSpec, tmp_path: Path) -> MakeState:
    """A run of three training steps with a method, as it is after its last measurement."""

    def make(name: str, **hyperparameters: Any) -> RunInProgress:
        method = build_method(name, hyperparameters)
        spec = RunSpec(
            run_id=1,
            purpose="report",
            base_model=minilm,
            base_model_sha256="",
            task=tweets,
            method=name,
            hyperparameters=hyperparameters,
            seed=0,
            budget=Budget(steps=3),
            metrics=(),
            folder=tmp_path,
        )
        torch.manual_seed(0)
        base = load_base(spec, Classification, method, CPU)
        model = method.attach(base, task_kind="classification", total_steps=3)
        loop = Loop(method, Classification, CPU, "fp32", 0)
        if method.learning_rate is not None:
            training = Training(model, loop, Plan(3, method.learning_rate.small, 1e-2))
            for _ in range(3):
                training.step(ITEMS)
        return RunInProgress(spec, read_model_shape(minilm), loop, model.eval(), ITEMS, ITEMS, ITEMS)

    return make


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().double().clone() for name, tensor in model.named_parameters()}


def test_lora_changes_as_many_directions_as_its_rank_by_what_its_factors_say(trained: MakeState) -> None:
    state = trained("lora", rank=4)
    attached: Any = copy.deepcopy(state.model)
    found = read_spectrum(state)
    assert not hasattr(state, "model")  # It is used up.
    assert len(found.layers) == 12
    assert found.unchanged == 24
    assert {layer.role for layer in found.layers} == {"query", "value"}
    for layer in found.layers:
        factors = attached.base_model.model.get_submodule(layer.layer)
        down, up = (matrix["default"].weight.detach().double() for matrix in (factors.lora_A, factors.lora_B))
        update = factors.scaling["default"] * up @ down
        expected = torch.linalg.svdvals(update)[:4]
        assert len(layer.singular_values) == 4
        np.testing.assert_allclose(layer.singular_values, expected.numpy(), rtol=1e-6)
        before = factors.get_base_layer().weight.detach().double()
        assert layer.relative_change == pytest.approx(float(update.norm() / before.norm()), rel=1e-6)


def test_full_fine_tuning_changes_every_linear_layer_by_the_difference_of_its_weights(trained: MakeState) -> None:
    state = trained("full")
    before, after = weights(state.fresh_base()), weights(state.model)
    found = read_spectrum(state)
    assert (len(found.layers), found.unchanged, found.missing) == (36, 0, None)
    for layer in found.layers[:6]:
        update = after[f"{layer.layer}.weight"] - before[f"{layer.layer}.weight"]
        values = torch.linalg.svdvals(update)
        count = len(layer.singular_values)
        np.testing.assert_allclose(layer.singular_values, values[:count].numpy(), rtol=1e-6)
        assert count == int((values > layer.rounding_floor).sum())
        assert (layer.d_out, layer.d_in) == update.shape


def test_a_method_that_rewrote_the_base_is_measured_from_the_base_as_it_was(trained: MakeState) -> None:
    # PiSSA trains r directions away from r others, and its residual was rounded to float32.
    found = read_spectrum(trained("pissa", rank=2))
    assert {len(layer.singular_values) for layer in found.layers} <= {2, 3, 4}
    plain = read_spectrum(trained("lora", rank=2))
    assert min(layer.rounding_floor for layer in found.layers) > max(layer.rounding_floor for layer in plain.layers)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("untuned", "trains nothing"),
        ("adapter", "put beside or in front"),
        ("prompt_tuning", "put beside or in front"),
        ("bitfit", "lies elsewhere"),
    ],
)
def test_a_method_that_changes_no_weight_matrix_says_so(trained: MakeState, name: str, reason: str) -> None:
    found = read_spectrum(trained(name))
    assert found.layers == ()
    assert found.missing is not None
    assert reason in found.missing


def test_weights_that_are_no_numbers_have_no_spectrum(trained: MakeState) -> None:
    state = trained("lora", target_modules="all_linear")
    with torch.no_grad():
        for parameter in state.model.parameters():
            if parameter.requires_grad:
                parameter.fill_(float("nan"))
    found = read_spectrum(state)
    assert (found.layers, found.unchanged) == ((), 0)
    assert "training diverged" in str(found.missing)


def test_of_a_large_model_three_transformer_layers_are_looked_at(
    trained: MakeState, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {layer.layer: layer for layer in read_spectrum(trained("lora")).layers}
    monkeypatch.setattr(weight_change, "MOST_PARAMETERS", 1_000_000)
    found = read_spectrum(trained("lora"))
    numbers = {int(layer.layer.split(".layer.")[1].split(".")[0]) for layer in found.layers}
    assert numbers == {0, 3, 5}
    assert found.unchanged == 3 * 4
    assert "the first, the middle and the last" in found.looked_at
    assert all(layer == whole[layer.layer] for layer in found.layers)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(methods()))
def test_every_method_has_a_spectrum_or_says_why_not(trained: MakeState, minilm: Path, name: str) -> None:
    try:
        build_method(name, {}).check(read_model_shape(minilm), task_kind="classification", max_length=64)
    except PeftCoreError as reason:
        pytest.skip(f"not offered here: {reason}")
    found = read_spectrum(trained(name))
    assert bool(found.layers) == (found.missing is None)
    for layer in found.layers:
        values = layer.singular_values
        assert list(values) == sorted(values, reverse=True)
        assert len(values) <= min(layer.d_in, layer.d_out)
        assert values[-1] > layer.rounding_floor
        assert layer.relative_change > 0


def spec_of(purpose: str, tweets: TaskSpec, minilm: Path, folder: Path) -> RunSpec:
    return RunSpec.model_validate(
        {
            "run_id": 1,
            "purpose": purpose,
            "base_model": minilm,
            "base_model_sha256": "",
            "task": tweets,
            "method": "lora",
            "learning_rate": 3e-3,
            "seed": 0,
            "budget": Budget(steps=2, batch_size=4, max_length=16),
            "precision": "fp32",
            "metrics": ("storage_bytes",),
            "folder": folder,
        }
    )


def test_a_reporting_run_leaves_its_spectrum_beside_the_adapter(tweets: TaskSpec, minilm: Path, tmp_path: Path) -> None:
    result = run(spec_of("report", tweets, minilm, tmp_path / "report"), lambda event: None)
    assert SPECTRUM in {artifact.path for artifact in result.artifacts}
    written = json.loads((tmp_path / "report" / SPECTRUM).read_text())
    found = Spectrum.model_validate(written)
    assert len(found.layers) == 12
    assert found.seconds > 0
    tuned = run(spec_of("tune", tweets, minilm, tmp_path / "tune"), lambda event: None)
    assert SPECTRUM not in {artifact.path for artifact in tuned.artifacts}
