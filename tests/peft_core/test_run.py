"""One run, from spec to result, on the real base model and real tweets."""

import math
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from peft_core import latency
from peft_core.checkpoint import adopt_checkpoint
from peft_core.errors import InvalidDataset, RunFailed, RunPaused
from peft_core.fit import PROBE_STEPS
from peft_core.metric import metrics
from peft_core.run import run
from peft_core.spec import (
    Budget,
    Event,
    Log,
    Measurement,
    Point,
    PrecisionChosen,
    Predictions,
    Progress,
    Purpose,
    Resumed,
    RunResult,
    RunSpec,
    TaskSpec,
)

MakeSpec = Callable[..., RunSpec]
ALL = tuple(metrics("classification"))


@pytest.fixture
def make_spec(tweets: TaskSpec, minilm: Path, tmp_path: Path) -> MakeSpec:
    def make(purpose: Purpose = "report", **changes: Any) -> RunSpec:
        values: dict[str, Any] = {
            "run_id": 1,
            "purpose": purpose,
            "base_model": minilm,
            "base_model_sha256": "0" * 64,
            "task": tweets,
            "method": "lora",
            "learning_rate": 3e-3,
            "seed": 0,
            "budget": Budget(steps=6, batch_size=4, max_length=32),
            "precision": "fp32",
            "metrics": ("task_performance",),
            "folder": tmp_path / "run",
        }
        return RunSpec(**(values | changes))

    return make


def told(spec: RunSpec) -> tuple[RunResult, list[Event]]:
    events: list[Event] = []
    return run(spec, events.append), events


def measured(events: list[Event]) -> dict[str, Measurement]:
    return {event.metric: event for event in events if isinstance(event, Measurement)}


def test_a_reporting_run_measures_quality_and_leaves_its_adapter(make_spec: MakeSpec) -> None:
    spec = make_spec(metrics=ALL)
    result, events = told(spec)
    found = measured(events)
    assert set(found) == {key for key, kind in metrics("classification").items() if "report" in kind.purposes}
    predictions = next(event for event in events if isinstance(event, Predictions))
    assert len(predictions.items) == spec.task.splits.test
    assert list(predictions.items) == sorted(predictions.items)
    assert found["task_performance"].value == sum(predictions.scores) / len(predictions.scores)
    assert {artifact.path for artifact in result.artifacts} >= {"run.json", "adapter/adapter_model.safetensors"}
    assert found["storage_bytes"].value == sum(file.size_bytes for file in result.artifacts if "adapter/" in file.path)
    losses = [event.value for event in events if isinstance(event, Point) and event.key == "train_loss"]
    assert len(losses) == 6
    assert all(loss is not None and math.isfinite(loss) for loss in losses)
    assert [event.step for event in events if isinstance(event, Progress) and event.phase == "training"] == [
        *range(1, 7)
    ]
    assert result.environment["precision"] == "fp32"


def test_a_tuning_run_never_reads_the_test_split(make_spec: MakeSpec) -> None:
    result, events = told(make_spec("tune", metrics=ALL))
    assert measured(events) == {}
    assert not [event for event in events if isinstance(event, Predictions)]
    assert result.validation_score is not None
    assert 0 < result.validation_score < 1


def told_in_a_process_of_its_own(spec: RunSpec) -> tuple[RunResult, list[Event]]:
    """As a worker runs it: memory that other tests freed would be used again and not be counted."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(told_soon, spec).result()


def told_soon(spec: RunSpec) -> tuple[RunResult, list[Event]]:
    """As `told`, with at most half a second of calls for each latency."""
    latency.LONGEST_SECONDS = 0.5
    return told(spec)


def test_a_probe_measures_cost_and_reads_no_quality(make_spec: MakeSpec) -> None:
    result, events = told_in_a_process_of_its_own(make_spec("probe", metrics=ALL))
    found = measured(events)
    assert set(found) == {key for key, kind in metrics("classification").items() if "probe" in kind.purposes}
    values = {key: one.value for key, one in found.items() if one.value is not None}
    # Whether the energy of a processor can be read depends on the machine and on who asks.
    assert set(values) | {"energy"} == set(found)
    assert all(value > 0 for value in values.values())
    assert values["inference_latency"] <= values["inference_latency_p95"]
    assert found["switch_time"].detail["how"] == "adapter loaded from disk"
    # Half of it, for whatever else runs takes the cores now and then.
    assert values["inference_throughput_b32"] > 0.5 / values["inference_latency"]
    assert found["training_speed"].detail["steps"] == PROBE_STEPS - 10
    assert found["inference_latency"].detail["merged"] is True
    # Weights of 22.7M parameters in float32 at least, and far less than the machine.
    assert 90_000_000 < values["peak_memory"] < 4_000_000_000
    assert result.validation_score is None


def test_the_same_spec_gives_the_same_numbers(make_spec: MakeSpec, tmp_path: Path) -> None:
    first, second = (told(make_spec(folder=tmp_path / name)) for name in ("a", "b"))

    def losses(events: list[Event]) -> list[float | None]:
        return [event.value for event in events if isinstance(event, Point) and event.key == "train_loss"]

    assert losses(first[1]) == losses(second[1])
    assert first[0].validation_score == second[0].validation_score
    assert adapters(first[0]) == adapters(second[0])


def test_another_seed_gives_another_order_and_head(make_spec: MakeSpec, tmp_path: Path) -> None:
    runs = [told(make_spec("tune", seed=seed, folder=tmp_path / str(seed)))[1] for seed in (0, 1)]
    first_losses = [next(event.value for event in events if isinstance(event, Point)) for events in runs]
    assert first_losses[0] != first_losses[1]


def test_an_untuned_run_answers_the_majority_class_and_costs_nothing(make_spec: MakeSpec) -> None:
    result, events = told(make_spec(method="untuned", learning_rate=None, metrics=ALL))
    predictions = next(event for event in events if isinstance(event, Predictions))
    assert len(set(predictions.predicted)) == 1
    found = measured(events)
    assert found["trainable_parameters"].value == 0
    assert found["task_performance"].value is not None
    assert found["task_performance"].value > 0.5
    assert result.train_seconds is None


def test_the_probe_of_a_method_that_trains_nothing_says_what_is_missing(make_spec: MakeSpec) -> None:
    asked = ("training_speed", "inference_latency")
    _, events = told(make_spec("probe", method="untuned", learning_rate=None, metrics=asked))
    found = measured(events)
    assert found["training_speed"].value is None
    assert found["training_speed"].detail == {"missing": "this method trains nothing"}
    assert found["inference_latency"].value is not None


def test_the_first_run_of_a_study_probes_the_precision(make_spec: MakeSpec) -> None:
    result, events = told(make_spec("tune", precision=None))
    (chosen,) = [event for event in events if isinstance(event, PrecisionChosen)]
    assert result.environment["precision"] == chosen.precision
    if chosen.precision == "bf16":
        assert chosen.bf16_step_seconds is not None
        assert chosen.bf16_step_seconds < chosen.fp32_step_seconds


def test_a_diverging_run_fails_with_what_to_change(make_spec: MakeSpec) -> None:
    spec = make_spec(method="full", learning_rate=1e30, budget=Budget(steps=30, batch_size=4, max_length=32))
    with pytest.raises(RunFailed, match=r"at step \d+\. Lower the learning rate \(it was 1e\+30\)"):
        told(spec)


def test_a_dataset_that_changed_since_the_study_was_made_is_refused(make_spec: MakeSpec, tweets: TaskSpec) -> None:
    spec = make_spec(task=tweets.model_copy(update={"dataset_sha256": "0" * 64}))
    with pytest.raises(InvalidDataset, match="has changed since"):
        told(spec)


def curve(events: list[Event], key: str) -> list[tuple[int, float | None]]:
    return [(event.step, event.value) for event in events if isinstance(event, Point) and event.key == key]


def said(events: list[Event], words: str) -> bool:
    return any(words in event.message for event in events if isinstance(event, Log))


def test_a_reporting_run_is_validated_on_the_way_and_at_its_end(make_spec: MakeSpec) -> None:
    budget = Budget(steps=6, batch_size=4, max_length=32, evaluations=3)
    result, events = told(make_spec(budget=budget))
    found = curve(events, "validation_score")
    assert [step for step, _ in found] == [2, 4, 6]
    assert result.validation_score == found[-1][1]
    seconds = curve(events, "train_seconds")
    assert [step for step, _ in seconds] == [2, 4, 6]
    assert sorted(seconds, key=lambda point: point[1] or 0) == seconds
    assert seconds[-1][1] == pytest.approx(result.train_seconds)


def test_to_convergence_it_stops_when_patience_is_out_and_keeps_its_best_weights(
    make_spec: MakeSpec, tmp_path: Path
) -> None:
    # A rate so high that the first steps are the best and every later one is worse.
    patient = Budget(steps=40, batch_size=4, max_length=32, evaluations=20, patience=2)
    spec = make_spec("report", learning_rate=3e-2, budget=patient, metrics=())
    result, events = told(spec)
    found = curve(events, "validation_score")
    scores = [score for _, score in found if score is not None]
    assert len(scores) < 20
    assert scores[-3] == max(scores)
    assert result.validation_score == max(scores)
    best_step = found[scores.index(max(scores))][0]
    assert said(events, f"the weights of step {best_step} are kept")


def adapters(result: RunResult) -> dict[str, str]:
    return {file.path: file.sha256 for file in result.artifacts if "adapter/" in file.path}


def interrupted_after(spec: RunSpec, steps: int) -> None:
    """Run until so many steps are done, as a killed process would end."""

    def listen(event: Event) -> None:
        if isinstance(event, Progress) and event.phase == "training" and event.step > steps:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(spec, listen)


@pytest.mark.parametrize("patience", [None, 3])
def test_a_resumed_run_ends_with_the_numbers_of_an_uninterrupted_one(
    make_spec: MakeSpec, tmp_path: Path, patience: int | None
) -> None:
    budget = Budget(steps=10, batch_size=4, max_length=32, evaluations=5, patience=patience)
    whole, all_events = told(make_spec(budget=budget, folder=tmp_path / "whole"))
    spec = make_spec(budget=budget, folder=tmp_path / "cut", checkpoint_seconds=0)
    interrupted_after(spec, 7)
    resumed, events = told(spec)
    assert said(events, "resumed from the checkpoint of step 7")
    assert [event.step for event in events if isinstance(event, Resumed)] == [7]
    # All that led to the checkpoint is told again: the worker that was lost may not have written the last of it.
    for key in ("train_loss", "gradient_norm", "learning_rate", "validation_score"):
        assert curve(events, key) == curve(all_events, key)
    told_of = [[step for step, _ in curve(events, key)] for key in ("validation_score", "train_seconds")]
    assert told_of[0] == told_of[1]
    assert resumed.validation_score == whole.validation_score
    assert adapters(resumed) == adapters(whole)
    ours, theirs = (next(e for e in told_ if isinstance(e, Predictions)) for told_ in (events, all_events))
    assert ours == theirs


def test_a_paused_run_stops_at_a_checkpoint_and_ends_with_the_same_numbers(make_spec: MakeSpec, tmp_path: Path) -> None:
    budget = Budget(steps=10, batch_size=4, max_length=32)
    whole, _ = told(make_spec(budget=budget, folder=tmp_path / "whole"))
    spec, asked = make_spec(budget=budget, folder=tmp_path / "cut"), iter([False, False, True])
    with pytest.raises(RunPaused, match="after step 3"):
        run(spec, lambda _: None, pause=lambda: next(asked))
    resumed, events = told(spec)
    assert [event.step for event in events if isinstance(event, Resumed)] == [3]
    assert resumed.validation_score == whole.validation_score
    assert adapters(resumed) == adapters(whole)
    assert not (spec.folder / "checkpoint").exists()


def test_a_probe_is_never_paused(make_spec: MakeSpec) -> None:
    run(make_spec("probe", metrics=()), lambda _: None, pause=lambda: True)


def test_a_checkpoint_that_the_disk_does_not_take_is_told_and_training_goes_on(make_spec: MakeSpec) -> None:
    spec = make_spec(budget=Budget(steps=4, batch_size=4, max_length=32), checkpoint_steps=1)
    spec.folder.mkdir(parents=True)
    (spec.folder / "checkpoint").write_text("a file where the folder should be")
    _, events = told(spec)
    assert said(events, "the checkpoint of step 1 could not be written")
    assert [step for step, _ in curve(events, "train_loss")] == [1, 2, 3, 4]


def test_a_checkpoint_that_is_taken_over_has_its_name_only_when_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier, folder = tmp_path / "1" / "checkpoint", tmp_path / "2" / "checkpoint"
    (earlier / "step-000000003").mkdir(parents=True)
    (earlier / "step-000000003" / "state.json").write_text("{}")

    def killed(source: Path, target: Path) -> None:
        target.mkdir(parents=True)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("peft_core.checkpoint.shutil.copytree", killed)
        with pytest.raises(KeyboardInterrupt):
            adopt_checkpoint([earlier], folder)
    assert list(folder.glob("step-*")) == []
    adopt_checkpoint([folder, earlier], tmp_path / "3" / "checkpoint")
    assert (tmp_path / "3" / "checkpoint" / "step-000000003" / "state.json").read_text() == "{}"
