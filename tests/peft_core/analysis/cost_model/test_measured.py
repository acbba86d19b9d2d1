"""Predicted beside measured: what a run's own data says of its batches, and errors against real probes."""

import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from peft_core.analysis.cost_model.measured import MEMORY_TARGET, SECONDS_TARGET, Compared, batches_of, compare, table
from peft_core.analysis.cost_model.memory import Memory
from peft_core.analysis.cost_model.seconds import Calibration, seconds_of
from peft_core.analysis.cost_model.setting import setting_of
from peft_core.fit import PROBE_STEPS
from peft_core.spec import Budget, Measurement, Point, Precision, RunSpec, TaskSpec


@pytest.fixture
def spec(minilm: Path, tweets: TaskSpec, tmp_path: Path) -> RunSpec:
    return RunSpec(
        run_id=1,
        purpose="probe",
        base_model=minilm,
        base_model_sha256="0" * 64,
        task=tweets,
        method="lora",
        learning_rate=1e-3,
        seed=0,
        budget=Budget(epochs=2, batch_size=8, max_length=64),
        precision="fp32",
        metrics=("peak_memory", "training_speed"),
        folder=tmp_path / "run",
    )


def test_a_run_tells_how_long_its_batches_are(spec: RunSpec) -> None:
    probe = batches_of(spec)
    assert len(probe) == PROBE_STEPS
    assert probe[0].length == max(batch.length for batch in probe), "a probe begins with its longest batch"
    assert all(batch.real_tokens <= batch.items * batch.length for batch in probe)
    report = batches_of(spec.model_copy(update={"purpose": "report"}))
    assert [batch.items for batch in report] == [8] * 16


def test_a_run_that_takes_what_was_told_has_no_errors(spec: RunSpec) -> None:
    batches = batches_of(spec)
    setting = setting_of(spec, precision="fp32", device="cpu", length=max(batch.length for batch in batches))
    true = Calibration(40e9, 0.02, "the truth")
    speeds = [batch.real_tokens / seconds_of(setting, [batch], true) for batch in batches]
    measured = {
        "peak_memory": Memory(setting).training_peak / 1.1,
        "trainable_parameters": 6 * 2 * 16 * 768,
        "storage_bytes": 600_000,
    }
    found = {compared.figure: compared for compared in compare(setting, batches, measured, speeds)}
    assert found["peak_memory"].error == pytest.approx(0.1)
    assert found["peak_memory"].target == MEMORY_TARGET
    assert found["trainable_parameters"].error == 0
    assert found["storage_bytes"].error == pytest.approx(0, abs=0.02)
    assert found["train_seconds"].error == pytest.approx(0)
    assert found["train_seconds"].target == SECONDS_TARGET


def test_too_few_steps_tell_nothing_of_the_rest(spec: RunSpec) -> None:
    batches = batches_of(spec)
    setting = setting_of(spec, precision="fp32", device="cpu", length=64)
    assert compare(setting, batches, {}, [1_000.0] * 10) == []


def test_the_table_prints_errors_either_way() -> None:
    printed = table(
        {
            "LoRA r16": [Compared("peak_memory", 110, 100, 0.3), Compared("storage_bytes", 100, 100)],
            "Adapter b48": [Compared("peak_memory", 70, 100, 0.3)],
        }
    )
    lines = printed.splitlines()
    assert len(lines) == 1 + 3 + 2
    assert "+10.0%" in lines[1]
    assert "exact" in lines[2]
    assert "-30.0%" in lines[3]
    assert "median error of peak_memory: 20.0%" in lines


def _probe(document: str, answers: Any) -> None:
    import torch

    from peft_core.run import run

    torch.set_num_threads(1)
    events: list[Any] = []
    run(RunSpec.model_validate_json(document), events.append)
    values = {event.metric: event.value for event in events if isinstance(event, Measurement)}
    speeds = [event.value for event in events if isinstance(event, Point) and event.key == "tokens_per_second"]
    answers.put((values, speeds))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("method", ["full", "lora", "adapter", "prefix_tuning", "head_only"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_memory_of_real_probes_is_within_its_target(spec: RunSpec, method: str, precision: Precision) -> None:
    # In a process of its own, forked from one that has imported what a worker's has: resident memory is a process's.
    spec = spec.model_copy(update={"method": method, "precision": precision})
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["peft_core.preload"])
    answers = context.SimpleQueue()
    process = context.Process(target=_probe, args=(spec.model_dump_json(), answers))
    process.start()
    values, _ = answers.get()
    process.join()
    batches = batches_of(spec)
    setting = setting_of(spec, precision=precision, device="cpu", length=max(batch.length for batch in batches))
    (memory,) = compare(setting, batches, {"peak_memory": values["peak_memory"]}, [])
    assert abs(memory.error) <= MEMORY_TARGET, table({method: [memory]})
