"""Runs made bad on purpose are diagnosed rightly, healthy ones not at all: the real base model on real tweets."""

import csv
import hashlib
import multiprocessing
import resource
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from peft_core.analysis.diagnosis import Finding, RunRecord, diagnose
from peft_core.errors import RunFailed
from peft_core.method import build_method
from peft_core.model_shape import read_model_shape
from peft_core.run import run
from peft_core.spec import Budget, Event, Point, Predictions, RunSpec, Splits, TaskSpec

ROOM_BYTES = 2 * 2**30
"""Address space that a run gets beyond what its process has when it starts."""

Diagnosed = Callable[..., Finding | None]


def told(spec: RunSpec) -> tuple[float | None, list[Event]]:
    """The validation score that a run ends with, and all that it told."""
    events: list[Event] = []
    return run(spec, events.append).validation_score, events


def spec_of(task: TaskSpec, base_model: Path, folder: Path, **changes: Any) -> RunSpec:
    values: dict[str, Any] = {
        "run_id": 1,
        "purpose": "report",
        "base_model": base_model,
        "base_model_sha256": "",
        "task": task,
        "method": "lora",
        "seed": 0,
        "budget": Budget(steps=24, batch_size=4, max_length=32),
        "precision": "fp32",
        "metrics": (),
        "folder": folder,
    }
    return RunSpec(**values | changes)


def centre(method: str, base_model: Path, steps: int) -> float:
    """The learning rate in the middle of the method's grid."""
    shape, rate = read_model_shape(base_model), build_method(method, {}).learning_rate
    assert rate is not None
    return rate.centre(non_embedding_parameters=shape.non_embedding_parameters, steps=steps, causal=shape.causal)


def untuned_level(spec: RunSpec) -> tuple[float, float]:
    """What the untuned model scores on the run's validation split, and that score's standard error."""
    score, events = told(spec.model_copy(update={"method": "untuned", "hyperparameters": {}, "learning_rate": None}))
    assert score is not None
    items = next(event.scores for event in events if isinstance(event, Predictions))
    return score, float(np.std(items)) / sqrt(spec.task.splits.validation)


def ended(spec: RunSpec, events: list[Event], score: float | None) -> RunRecord:
    """What a run left that trained to its end."""
    untuned, noise = untuned_level(spec)
    return replace(
        failed(spec, events, ""), ended=True, reason=None, score=score, untuned_score=untuned, score_noise=noise
    )


def failed(spec: RunSpec, events: list[Event], reason: str) -> RunRecord:
    rate = build_method(spec.method, {}).learning_rate
    assert rate is not None
    curves: dict[str, list[tuple[int, float | None]]] = {}
    for event in events:
        if isinstance(event, Point):
            curves.setdefault(event.key, []).append((event.step, event.value))
    return RunRecord(
        curves=curves,
        ended=False,
        reason=reason,
        batch_size=spec.budget.batch_size,
        max_length=spec.budget.max_length,
        score=None,
        untuned_score=None,
        score_noise=0.0,
        better="higher",
        usual_rates=(min(rate.small, rate.encoder, rate.llm), max(rate.small, rate.encoder, rate.llm)),
    )


@pytest.fixture
def diagnosed(tweets: TaskSpec, minilm: Path, tmp_path: Path) -> Diagnosed:
    """What a run is found to have; `factor` times the centre of its method's grid is its learning rate."""

    def make(method: str, factor: float, *, budget: Budget, task: TaskSpec = tweets, **changes: Any) -> Finding | None:
        steps = budget.total_steps(task.splits.train)
        rate = factor * centre(method, minilm, steps)
        spec = spec_of(task, minilm, tmp_path, method=method, learning_rate=rate, budget=budget, **changes)
        score, events = told(spec)
        return diagnose(ended(spec, events, score))

    return make


SHORT = Budget(steps=24, batch_size=4, max_length=32)


def symptom(finding: Finding | None) -> str | None:
    return finding.symptom if finding else None


def test_a_thousand_times_the_learning_rate_is_unstable_training(diagnosed: Diagnosed) -> None:
    assert symptom(diagnosed("lora", 1_000, budget=SHORT)) == "unstable_training"


def test_a_thousandth_of_the_learning_rate_is_slow_convergence(diagnosed: Diagnosed) -> None:
    assert symptom(diagnosed("lora", 1e-3, budget=SHORT)) == "slow_convergence"


def test_rank_one_for_two_steps_is_poor_performance(diagnosed: Diagnosed) -> None:
    budget = SHORT.model_copy(update={"steps": 2})
    finding = diagnosed("lora", 1, budget=budget, hyperparameters={"rank": 1})
    assert symptom(finding) == "poor_performance"
    assert finding is not None
    assert finding.advice.causes[0].startswith("Too little training")


def test_a_loss_that_is_no_number_is_unstable_training(tweets: TaskSpec, minilm: Path, tmp_path: Path) -> None:
    spec = spec_of(tweets, minilm, tmp_path, method="full", learning_rate=1e30)
    events: list[Event] = []
    with pytest.raises(RunFailed) as failure:
        run(spec, events.append)
    assert symptom(diagnose(failed(spec, events, str(failure.value)))) == "unstable_training"


def in_little_memory(spec: RunSpec) -> tuple[list[Event], str | None]:
    """What a run tells and why it fails in a process that gets no more than ROOM_BYTES beyond its own start."""
    import transformers  # noqa: F401  # What is imported is no part of what the batch takes.

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + ROOM_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    events: list[Event] = []
    try:
        run(spec, events.append)
    except RunFailed as failure:
        return events, str(failure)
    return events, None


@pytest.fixture
def long_tweets(tweets: TaskSpec, tmp_path: Path) -> TaskSpec:
    """The same task with texts of some 500 tokens: every tweet many times over."""
    with tweets.dataset.open(encoding="utf-8", newline="") as file:
        rows = [row | {"text": f"{number} {row['text']} " * 40} for number, row in enumerate(csv.DictReader(file))]
    path = tmp_path / "long.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows[:300])
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return tweets.model_copy(update={"dataset": path, "dataset_sha256": sha256})


@pytest.mark.faults
def test_a_batch_that_does_not_fit_is_out_of_memory(long_tweets: TaskSpec, minilm: Path, tmp_path: Path) -> None:
    # Attention alone holds 12 heads x 512 x 512 numbers of 4 bytes for each of 64 items: 0.8 GB, several times a layer.
    budget = Budget(steps=1, batch_size=64, max_length=512)
    spec = spec_of(long_tweets, minilm, tmp_path / "run", learning_rate=1e-3, budget=budget)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        events, reason = pool.submit(in_little_memory, spec).result()
    assert reason is not None
    assert "batches of 64 items of up to 512 tokens" in reason
    assert symptom(diagnose(failed(spec, events, reason))) == "out_of_memory"


# -- the quickstart's own budget --------------------------------------------------------------------------------------

QUICKSTART = Budget(epochs=3)
METHODS = ("full", "lora", "adapter", "ia3", "bitfit", "prefix_tuning")


@pytest.fixture
def all_tweets(tweets: TaskSpec) -> TaskSpec:
    """The splits of the quickstart; the test split, which no diagnosis reads, is small."""
    return tweets.model_copy(update={"splits": Splits(train=400, validation=300, test=100)})


def test_a_run_that_learns_is_not_diagnosed(diagnosed: Diagnosed, tweets: TaskSpec) -> None:
    task = tweets.model_copy(update={"splits": Splits(train=400, validation=100, test=48)})
    budget = Budget(steps=40, batch_size=8, max_length=32, evaluations=1)
    assert diagnosed("lora", 2, budget=budget, task=task) is None


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("method", METHODS)
def test_healthy_runs_of_the_quickstart_are_not_diagnosed(
    diagnosed: Diagnosed, all_tweets: TaskSpec, method: str, seed: int
) -> None:
    assert diagnosed(method, 1, budget=QUICKSTART, task=all_tweets, seed=seed) is None


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("factor", "expected"), [(1_000, "unstable_training"), (1e-3, "slow_convergence")])
def test_a_wrong_learning_rate_is_told_for_every_kind_of_method(
    diagnosed: Diagnosed, all_tweets: TaskSpec, method: str, factor: float, expected: str
) -> None:
    assert symptom(diagnosed(method, factor, budget=QUICKSTART, task=all_tweets)) == expected
