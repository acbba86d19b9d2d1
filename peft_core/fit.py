"""The training phase of a run: steps, validations on the way, early stopping, checkpoints."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from peft_core.checkpoint import (
    CheckpointNotWritten,
    load_checkpoint,
    load_trained_tensors,
    save_checkpoint,
    trained_tensors,
)
from peft_core.data import Item, training_batches
from peft_core.device import peak_bytes
from peft_core.errors import RunPaused
from peft_core.held_base import frozen_base_in_bf16
from peft_core.run_state import RunInProgress
from peft_core.spec import Log, OnEvent, Pause, Point, Progress, Resumed, RunSpec
from peft_core.task import sign
from peft_core.training import Plan, Step, Training

if TYPE_CHECKING:
    from torch import Tensor

PROBE_STEPS = 40
"""A cost probe trains this long whatever the study's budget: speed and memory do not depend on it."""


@dataclass
class Course:
    """The validations of a run so far, and (to convergence) the weights of the best."""

    sign: float
    """Of the task: scores times this are better when higher."""
    patience: int | None
    scores: list[tuple[int, float]] = field(default_factory=list)
    best_weights: "dict[str, Tensor]" = field(default_factory=dict)

    def best(self) -> int:
        """Where in `scores` the best one stands; the first of equal ones."""
        return max(range(len(self.scores)), key=lambda place: (self.sign * self.scores[place][1], -place))

    @property
    def over(self) -> bool:
        """Whether `patience` validations have passed since the best one."""
        if self.patience is None or not self.scores:
            return False
        return len(self.scores) - 1 - self.best() >= self.patience


def seconds_of(steps: Iterable[Step]) -> float | None:
    """What these steps took; None where some were taken together with other runs'."""
    each = [step.seconds for step in steps]
    own = [seconds for seconds in each if seconds is not None]
    return sum(own) if len(own) == len(each) else None


def never() -> bool:
    """A Pause that is never asked for."""
    return False


class Fit:
    """The training phase of one run, a step at a time, whoever takes the steps.

    Goes on from a checkpoint in the run's folder where there is one; a probe is never resumed, so that it is never
    paused either.
    """

    def __init__(self, state: RunInProgress, plan: Plan, on_event: OnEvent, pause: Pause) -> None:
        self.state, self.training = state, Training(state.model, state.loop, plan)
        self._on_event, self._pause = on_event, pause
        self._course = Course(sign(state.loop.task), state.spec.budget.patience)
        _resume(state, self.training, self._course, on_event)
        self._batches = islice(run_batches(state.spec, state.train_items), self.training.done, None)
        self._validated_at = _validation_steps(state, plan.total_steps)
        self._saved_at = time.monotonic()

    def next_batch(self) -> list[Item] | None:
        """What the next step learns from; None where the training phase is over."""
        return None if self._course.over else next(self._batches, None)

    def took(self, step: Step) -> None:
        """A step was taken: tell it, validate and save where that is due. Raises RunPaused at a checkpoint once `pause`
        says so."""
        state, training, spec = self.state, self.training, self.state.spec
        _tell(state, step, training.plan.total_steps, self._on_event)
        if training.done in self._validated_at:
            _validate(state, training, self._course, self._on_event)
        if self._course.over:
            return
        paused = spec.purpose != "probe" and self._pause()
        if paused or _checkpoint_due(spec, training.done, time.monotonic() - self._saved_at):
            _save(state, training, self._course, self._on_event)
            self._saved_at = time.monotonic()
        if paused:
            raise RunPaused(training.done)

    def conclude(self) -> float | None:
        """The validation score of the weights that the run ends with, which are in place; None for probes."""
        self.state.model.eval()
        return _conclude(self.training, self._course, self._on_event)


def fit(state: RunInProgress, plan: Plan, on_event: OnEvent, pause: Pause = never) -> float | None:
    """Train `state.model` alone and fill `state.steps`; the validation score of the weights it ends with, None for
    probes. Raises RunPaused at a checkpoint once `pause` says so."""
    fitting = Fit(state, plan, on_event, pause)
    with frozen_base_in_bf16(state.model, state.loop.method, state.loop.precision):
        while (items := fitting.next_batch()) is not None:
            fitting.took(fitting.training.step(items))
        return fitting.conclude()


def _validation_steps(state: RunInProgress, total_steps: int) -> frozenset[int]:
    """Probes measure cost alone; tuning runs that cannot stop early are only asked how they end."""
    if state.spec.purpose == "probe":
        return frozenset()
    if state.spec.purpose == "tune" and state.spec.budget.patience is None:
        return frozenset({total_steps})
    return state.spec.budget.evaluation_steps(total_steps)


def _tell(state: RunInProgress, step: Step, total_steps: int, on_event: OnEvent) -> None:
    state.steps.append(step)
    _tell_step(step, on_event)
    if step.seconds is not None:
        # Behind the step's own clock: reading it takes no time from what is measured.
        on_event(Point(key="peak_memory_bytes", step=step.step, value=peak_bytes(state.loop.device)))
    on_event(Progress(phase="training", step=step.step, total_steps=total_steps))


def _tell_step(step: Step, on_event: OnEvent) -> None:
    on_event(Point(key="train_loss", step=step.step, value=step.loss))
    on_event(Point(key="gradient_norm", step=step.step, value=step.gradient_norm))
    on_event(Point(key="learning_rate", step=step.step, value=step.learning_rate))
    if step.seconds is not None:
        on_event(Point(key="tokens_per_second", step=step.step, value=step.real_tokens / step.seconds))


def _validate(state: RunInProgress, training: Training, course: Course, on_event: OnEvent) -> None:
    """Score the validation split, and keep the weights where they are the best so far and may be wanted."""
    on_event(Progress(phase="evaluating", step=training.done, total_steps=training.plan.total_steps))
    score = state.validation_score()
    course.scores.append((training.done, score))
    _tell_validation(state, training.done, score, on_event)
    on_event(Log(message=f"step {training.done}: validation {state.loop.task.headline} {score:.4f}"))
    if course.patience is not None and course.best() == len(course.scores) - 1:
        course.best_weights = trained_tensors(training)


def _tell_validation(state: RunInProgress, step: int, score: float, on_event: OnEvent) -> None:
    """The score, and the training seconds it took to get there, from which a study works out the time to its target."""
    on_event(Point(key="validation_score", step=step, value=score))
    seconds = seconds_of(taken for taken in state.steps if taken.step <= step)
    if seconds is not None:
        on_event(Point(key="train_seconds", step=step, value=seconds))


def _conclude(training: Training, course: Course, on_event: OnEvent) -> float | None:
    """The score of the run's final weights: the last ones, or (to convergence) the best ones, which are put back."""
    if not course.scores:
        return None
    if course.patience is None:
        return course.scores[-1][1]
    step, score = course.scores[course.best()]
    load_trained_tensors(training, course.best_weights)
    stopped = "stopped early" if course.over else "ended at the full budget"
    on_event(Log(message=f"{stopped} at step {training.done}; the weights of step {step} are kept"))
    return score


def _resume(state: RunInProgress, training: Training, course: Course, on_event: OnEvent) -> None:
    found = load_checkpoint(state.checkpoint_folder, training)
    on_event(Resumed(step=training.done))
    if found is None:
        return
    saved, course.best_weights = found
    written: dict[str, Any] = dict(saved)
    state.steps = [Step(*step) for step in written["steps"]]
    course.scores = [(step, score) for step, score in written["scores"]]
    state.trained_together = written.get("trained_together", 0)
    # A worker that was lost may not have written down all that led to the checkpoint.
    for taken in state.steps:
        _tell_step(taken, on_event)
    for step, score in course.scores:
        _tell_validation(state, step, score, on_event)
    on_event(Log(message=f"resumed from the checkpoint of step {training.done}"))


def _checkpoint_due(spec: RunSpec, done: int, seconds_since: float) -> bool:
    by_time = spec.checkpoint_seconds is not None and seconds_since >= spec.checkpoint_seconds
    return by_time or (spec.checkpoint_steps is not None and done % spec.checkpoint_steps == 0)


def _save(state: RunInProgress, training: Training, course: Course, on_event: OnEvent) -> None:
    """A full disk costs the run its newest checkpoint and no more: the one before it stays."""
    steps: list[JsonValue] = [list(astuple(step)) for step in state.steps]
    scores: list[JsonValue] = [list(score) for score in course.scores]
    written: dict[str, JsonValue] = {"steps": steps, "scores": scores, "trained_together": state.trained_together}
    try:
        save_checkpoint(state.checkpoint_folder, training, written, course.best_weights)
    except CheckpointNotWritten as error:
        on_event(Log(message=str(error)))


def run_batches(spec: RunSpec, items: Sequence[Item]) -> Iterator[list[Item]]:
    """The run's batches; a probe begins with the longest one, so that its peak memory is the study's."""
    if spec.purpose != "probe":
        return training_batches(items, spec.budget, spec.seed)
    longest = sorted(items, key=lambda item: -len(item.tokens))[: spec.budget.batch_size]
    budget = spec.budget.model_copy(update={"epochs": None, "steps": PROBE_STEPS - 1})
    return chain([longest], training_batches(items, budget, spec.seed))
