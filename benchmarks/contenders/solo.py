"""One run of ours, in a process forked as a worker forks it."""

import json
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path

from learning_rates import tweets

from app.worker.executors.executor import Share
from app.worker.executors.local import LocalExecutor
from contenders.workload import Measured, Texts, Workload, told
from peft_core import assets
from peft_core.data import read_splits
from peft_core.device import peak_bytes, pick_device, reset_peak, resident_bytes
from peft_core.fit import never
from peft_core.hub_access import Hub
from peft_core.method import method_class
from peft_core.model_shape import read_model_shape
from peft_core.run import HEAD_LEARNING_RATE, run
from peft_core.spec import (
    Budget,
    Event,
    Log,
    OnEvent,
    Pause,
    Point,
    Predictions,
    Progress,
    Resumed,
    RunResult,
    RunSpec,
    TaskSpec,
)
from peft_core.task import task_kind

TOLD = "benchmark: "
"""What the log line begins with in which a run's process tells what it has measured."""
POLL_SECONDS = 0.02


def workload(
    method: str, *, seed: int = 0, epochs: int = 3, train_items: int = 400, base_model: str = "minilm"
) -> Workload:
    """With the learning rates that a study's grid has in its centre."""
    folder = assets.base_models()[base_model].folder
    shape, own = read_model_shape(folder), method_class(method).learning_rate
    assert own is not None
    budget = Budget(epochs=epochs)
    steps = budget.total_steps(train_items)
    sizes = {"non_embedding_parameters": shape.non_embedding_parameters, "steps": steps, "causal": shape.causal}
    rate, head_rate = own.centre(**sizes), HEAD_LEARNING_RATE.centre(**sizes)
    return Workload(
        method=method,
        seed=seed,
        folder=str(folder),
        rate=rate,
        head_rate=rate if method == "head_only" else head_rate,
        epochs=epochs,
        steps=steps,
        evaluate_after=tuple(sorted(budget.evaluation_steps(steps))),
    )


def task_of(train_items: int = 400) -> TaskSpec:
    task = tweets()
    return task.model_copy(update={"splits": task.splits.model_copy(update={"train": train_items})})


def texts_of(task: TaskSpec) -> Texts:
    """For contenders that read no dataset of ours."""
    rows = read_splits(task, task_kind(task.kind))
    splits = {"train": rows.train, "validation": rows.validation, "test": rows.test}
    return {name: [(row.text, task.labels.index(row.label)) for row in split] for name, split in splits.items()}


def spec_of(asked: Workload, task: TaskSpec, folder: Path) -> RunSpec:
    return RunSpec(
        run_id=0,
        purpose="report",
        base_model=Path(asked.folder),
        base_model_sha256="",
        task=task,
        method=asked.method,
        learning_rate=asked.rate,
        seed=asked.seed,
        budget=Budget(epochs=asked.epochs, batch_size=asked.batch_size, max_length=asked.max_length),
        precision="bf16",
        metrics=("task_performance",),
        folder=folder,
    )


def executor() -> LocalExecutor:
    """A worker's, its imports done, as they are before a worker's first run."""
    made = LocalExecutor(run_function="contenders.solo:timed_run")
    made.warm_up()
    return made


def train(runs: LocalExecutor, asked: Workload, task: TaskSpec) -> Measured:
    """Fork a process for the run, and wait for its end."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        running = runs.start(spec_of(asked, task, Path(folder) / "run"), Share(asked.threads))
        events: list[Event] = []
        while True:
            found, outcome = running.poll()
            events += found
            if outcome is not None:
                break
            time.sleep(POLL_SECONDS)
        seconds = time.perf_counter() - started
    assert outcome.result is not None, outcome.details or outcome.reason
    (line,) = (event.message for event in events if isinstance(event, Log) and event.message.startswith(TOLD))
    return replace(told(line.removeprefix(TOLD)), process_seconds=seconds)


# -- in the run's own process ----------------------------------------------------------------------------------------


class Clock:
    """Reads a run's time and memory off the events that it tells, and passes them on."""

    def __init__(self, on_event: OnEvent) -> None:
        self.on_event, self.device = on_event, pick_device()
        self.before = self.peak = 0
        self.training, self.test = 0.0, 0.0
        self._since: float | None = None
        """When the stretch of training began that goes on now."""

    def __call__(self, event: Event) -> None:
        self.on_event(event)
        now = time.perf_counter()
        match event:
            case Progress(phase="loading"):
                reset_peak(self.device)
                self.before = resident_bytes() or 0
            case Progress(phase="training"):
                self.training += now - self._since if self._since is not None else 0.0
                self._since = now
            case Progress(phase="evaluating"):
                self._since = None
            case Point(key="train_seconds"):
                # An evaluation has ended, and training goes on.
                self.peak = (peak_bytes(self.device) or 0) - self.before
                self._since = time.perf_counter()
            case Predictions():
                self.test = sum(event.scores) / len(event.scores)
            case Resumed():
                # Training begins.
                self._since = now


def timed_run(spec: RunSpec, on_event: OnEvent, hub: Hub | None = None, pause: Pause = never) -> RunResult:
    """`peft_core.run.run`, which tells at its end what the clock has read."""
    clock = Clock(on_event)
    result = run(spec, clock, hub=hub, pause=pause)
    measured = Measured(clock.training, clock.peak, result.validation_score or 0.0, clock.test)
    on_event(Log(message=TOLD + json.dumps(asdict(measured))))
    return result
