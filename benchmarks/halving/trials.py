"""One training at one learning rate, with the whole budget or a first rung's; and what was measured before."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Literal, TextIO

from peft_core import assets
from peft_core.data import inspect_dataset
from peft_core.errors import RunFailed
from peft_core.fit import never
from peft_core.fused.group import Seat, run_together
from peft_core.method import LearningRate, method_class
from peft_core.model_shape import read_model_shape
from peft_core.run import run
from peft_core.spec import Budget, Event, Measurement, Point, Purpose, RunResult, RunSpec, TaskSpec
from peft_core.task import task_kind

TASKS = ("tweets", "movies")
METHODS = ("lora", "prompt_tuning", "prefix_tuning", "ia3", "head_only", "full")
STEPS = 150
RATES: Literal[3, 5] = 5
TUNING_SEEDS = (1_000_003, 1_000_004, 1_000_005)
REPORTING_SEEDS = (0, 1, 2)
TIMED_STEPS, TIMED_SEED = 24, 0
"""Of the training that is done alone, to be timed: the others share passes, whose time belongs to none of them."""


@dataclass(frozen=True)
class Trial:
    """One training. steps: of its budget, the whole one or a first rung's."""

    task: str
    method: str
    rate: float
    seed: int
    steps: int
    purpose: Purpose = "tune"


@dataclass(frozen=True)
class Outcome:
    """What came of it. validation: score by step; a training that broke down has none. seconds: of training, where it
    trained alone."""

    validation: Mapping[int, float]
    test: float | None
    seconds: float | None


Outcomes = dict[Trial, Outcome]


@cache
def task_of(name: str) -> TaskSpec:
    """The registered task, as a study reads it."""
    asset = assets.tasks()[name]
    kind = task_kind(asset.kind)
    found = inspect_dataset(asset.dataset, kind=kind, columns=asset.columns, splits=asset.splits)
    return TaskSpec(
        name=asset.name,
        kind=asset.kind,
        dataset=asset.dataset,
        dataset_sha256=found.sha256,
        **asset.columns.model_dump(),
        labels=found.labels,
        splits=found.splits,
    )


def trained(trials: Sequence[Trial]) -> list[Outcome]:
    """Train some of one task and seed, sharing passes where they can, in a process of the pool."""
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        under_way = [_UnderWay(_spec(trial, Path(folder) / str(place))) for place, trial in enumerate(trials)]
        if not shares(trials[0]):
            _train_alone(under_way[0])
            return [under_way[0].outcome]
        by_folder = {one.spec.folder: one for one in under_way}
        seats = [Seat(one.spec, one.told, never) for one in under_way]
        run_together(seats, lambda seat, result: by_folder[seat.spec.folder].ended(result))
    return [one.outcome for one in under_way]


class _UnderWay:
    """One training, and what it has told so far."""

    def __init__(self, spec: RunSpec) -> None:
        self.spec = spec
        self.outcome = Outcome({}, None, None)
        self._validation: dict[int, float] = {}
        self._test: float | None = None

    def told(self, event: Event) -> None:
        if isinstance(event, Point) and event.key == "validation_score" and event.value is not None:
            self._validation[event.step] = event.value
        if isinstance(event, Measurement) and event.metric == "task_performance":
            self._test = event.value

    def ended(self, result: RunResult | Exception) -> None:
        """A training that broke down is an outcome too; anything else is no result of an audit."""
        if isinstance(result, RunResult):
            self.outcome = Outcome(self._validation, self._test, result.train_seconds)
        elif not isinstance(result, RunFailed):
            raise result


def _train_alone(one: _UnderWay) -> None:
    try:
        one.ended(run(one.spec, one.told))
    except RunFailed as error:
        one.ended(error)


def _spec(trial: Trial, folder: Path) -> RunSpec:
    # A patience that cannot end anything: without one, a tuning run would only be asked how it ends.
    watched = {"evaluations": 4, "patience": 3} if trial.steps == STEPS else {"evaluations": 1}
    return RunSpec(
        run_id=0,
        purpose=trial.purpose,
        base_model=assets.base_models()["minilm"].folder,
        base_model_sha256="",
        task=task_of(trial.task),
        method=trial.method,
        learning_rate=trial.rate,
        seed=trial.seed,
        budget=Budget(steps=trial.steps, batch_size=8, max_length=64, **watched),
        precision="bf16",
        metrics=("task_performance",) if trial.purpose == "report" else (),
        folder=folder,
    )


@cache
def rates(method: str) -> tuple[float, ...]:
    """The method's own grid, as a study makes it."""
    shape = read_model_shape(assets.base_models()["minilm"].folder)
    chosen = method_class(method).learning_rate
    assert chosen is not None, f"{method} tunes no learning rate"
    centre = chosen.centre(non_embedding_parameters=shape.non_embedding_parameters, steps=STEPS, causal=shape.causal)
    return LearningRate.grid(centre, RATES)


def rung(method: str) -> int:
    """Steps of its first rung."""
    return round(method_class(method).first_rung * STEPS)


def shares(trial: Trial) -> bool:
    """Whether it shares passes with others."""
    return trial.steps != TIMED_STEPS and method_class(trial.method).fuses


def timing(task: str, method: str) -> Trial:
    """The training that says how long a step takes."""
    return Trial(task, method, rates(method)[RATES // 2], TIMED_SEED, TIMED_STEPS)


def read_outcomes(path: Path) -> Outcomes:
    """What earlier calls have measured."""
    found: Outcomes = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        said = json.loads(line)
        validation = {int(step): score for step, score in said["outcome"].pop("validation").items()}
        found[Trial(**said["trial"])] = Outcome(validation=validation, **said["outcome"])
    return found


def keep(file: TextIO, trial: Trial, outcome: Outcome) -> None:
    """As a line that `read_outcomes` reads."""
    file.write(json.dumps({"trial": asdict(trial), "outcome": asdict(outcome)}) + "\n")
    file.flush()
