"""One run from its spec to its result: load, attach, train, evaluate, save, measure."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from peft_core.data import Item, Row, SplitRows, read_splits, training_batches
from peft_core.device import environment, pick_device
from peft_core.method import Method, build_method
from peft_core.metric import metric
from peft_core.precision import probe_precision
from peft_core.run_state import RunInProgress, load_base
from peft_core.spec import Artifact, Log, OnEvent, Point, Predictions, Progress, RunResult, RunSpec
from peft_core.task import Task, task_kind
from peft_core.training import Loop, Step, answer_all, train

PROBE_STEPS = 40
"""A cost probe trains this long whatever the study's budget: speed and memory do not depend on it."""

HEAD_LEARNING_RATE = 1e-2
"""Of the task head beside every method; head-only tunes its own."""


def run(spec: RunSpec, on_event: OnEvent) -> RunResult:
    """Do what `spec` says, telling `on_event` as it happens, and leave the adapter in `spec.folder`.

    Raises PeftCoreError where the spec cannot be done, RunFailed where training broke down.
    """
    _hush_libraries()
    method = build_method(spec.method, spec.hyperparameters)
    recorders = [metric(key)() for key in spec.metrics if spec.purpose in metric(key).purposes]
    total_steps = _total_steps(spec, method)
    on_event(Progress(phase="loading", step=0, total_steps=total_steps))
    kind = task_kind(spec.task.kind)
    pad_token_id, items = _tokenise(spec, kind, read_splits(spec.task, kind))
    for recorder in recorders:
        recorder.before_load(spec)
    state = _attach(spec, method, items, pad_token_id, total_steps, on_event)
    seen = environment(state.loop.device) | {"precision": state.loop.precision}
    for recorder in recorders:
        recorder.before_training(state)
    train_seconds = _train(state, total_steps, on_event)
    for recorder in recorders:
        recorder.after_training(state)
    validation_score = _validate(state, items.validation, total_steps, on_event)
    method.save(state.model, state.adapter_folder)
    if spec.purpose == "report":
        _test(state, on_event)
    on_event(Progress(phase="measuring", step=total_steps, total_steps=total_steps))
    for recorder in recorders:
        on_event(recorder.measure(state))
    return RunResult(
        validation_score=validation_score,
        train_seconds=train_seconds,
        artifacts=_artifacts(spec.folder),
        environment=seen,
    )


def _hush_libraries() -> None:
    """No progress bars and load reports: a run speaks through its events."""
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class _Items:
    """The tokenised splits."""

    train: list[Item]
    validation: list[Item]
    test: list[Item]


def _total_steps(spec: RunSpec, method: Method) -> int:
    if method.learning_rate is None:
        return 0
    return PROBE_STEPS if spec.purpose == "probe" else spec.budget.total_steps(spec.task.splits.train)


def _tokenise(spec: RunSpec, kind: type[Task], rows: SplitRows) -> tuple[int, _Items]:
    """The padding token and every split, tokenised once and cut at the budget's length."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(spec.base_model), local_files_only=True, trust_remote_code=False)

    def items(split: Sequence[Row]) -> list[Item]:
        return kind.tokenise(split, spec.task, tokenizer, spec.budget.max_length)

    return tokenizer.pad_token_id or 0, _Items(items(rows.train), items(rows.validation), items(rows.test))


def _attach(
    spec: RunSpec, method: Method, items: _Items, pad_token_id: int, total_steps: int, on_event: OnEvent
) -> RunInProgress:
    """The base model with the method in place. The seed is set again before each, so that methods paired by seed
    start from the same head whatever their own parameters draw."""
    import torch

    task, device = task_kind(spec.task.kind), pick_device()
    torch.manual_seed(spec.seed)
    base = load_base(spec, task, method, device)
    precision = spec.precision
    if precision is None:
        chosen = probe_precision(base, task, items.train, spec.budget.batch_size, pad_token_id, device)
        on_event(chosen)
        precision = chosen.precision
    torch.manual_seed(spec.seed)
    model = method.attach(base, task_kind=spec.task.kind, total_steps=total_steps).to(device)
    loop = Loop(method, task, device, precision, pad_token_id)
    return RunInProgress(spec, loop, model, items.train, items.validation, items.test, spec.folder / "adapter")


def _train(state: RunInProgress, total_steps: int, on_event: OnEvent) -> float | None:
    """Seconds of the training phase, None where the method trains nothing."""
    spec = state.spec
    if spec.learning_rate is None:
        return None

    def record(step: Step) -> None:
        state.steps.append(step)
        on_event(Point(key="train_loss", step=step.step, value=step.loss))
        on_event(Point(key="gradient_norm", step=step.step, value=step.gradient_norm))
        on_event(Point(key="learning_rate", step=step.step, value=step.learning_rate))
        on_event(Point(key="tokens_per_second", step=step.step, value=step.real_tokens / step.seconds))
        on_event(Progress(phase="training", step=step.step, total_steps=total_steps))

    started = time.perf_counter()
    train(
        state.model,
        state.loop,
        _batches(state),
        total_steps=total_steps,
        learning_rate=spec.learning_rate,
        head_learning_rate=HEAD_LEARNING_RATE,
        after_step=record,
    )
    seconds = time.perf_counter() - started
    on_event(Log(message=f"trained {total_steps} steps in {seconds:.2f} s, last loss {state.steps[-1].loss:.4f}"))
    return seconds


def _batches(state: RunInProgress) -> Iterator[list[Item]]:
    """The run's batches; a probe begins with the longest one, so that its peak memory is the study's."""
    spec, items = state.spec, state.train_items
    if spec.purpose != "probe":
        return training_batches(items, spec.budget, spec.seed)
    longest = sorted(items, key=lambda item: -len(item.tokens))[: spec.budget.batch_size]
    budget = spec.budget.model_copy(update={"epochs": None, "steps": PROBE_STEPS - 1})
    return chain([longest], training_batches(items, budget, spec.seed))


def _validate(state: RunInProgress, items: list[Item], total_steps: int, on_event: OnEvent) -> float | None:
    """Mean score on the validation split: what a learning rate is chosen by. Probes measure cost alone."""
    if state.spec.purpose == "probe":
        return None
    on_event(Progress(phase="evaluating", step=total_steps, total_steps=total_steps))
    scores = state.loop.task.scores(items, _answers(state, items))
    score = sum(scores) / len(scores)
    on_event(Point(key="validation_score", step=total_steps, value=score))
    on_event(Log(message=f"validation {state.loop.task.headline} {score:.4f} on {len(items)} items"))
    return score


def _test(state: RunInProgress, on_event: OnEvent) -> None:
    """Read the test split once, at the end, and keep what was answered to each item."""
    task, items = state.loop.task, sorted(state.test_items, key=lambda item: item.index)
    state.test_items = items
    state.test_answers = _answers(state, items)
    state.test_scores = task.scores(items, state.test_answers)
    on_event(
        Predictions(
            items=tuple(item.index for item in items),
            predicted=tuple(task.show(answer, state.spec.task) for answer in state.test_answers),
            scores=state.test_scores,
        )
    )


def _answers(state: RunInProgress, items: list[Item]) -> list[Any]:
    """The answer to each item; a method that trains nothing answers what an untuned model can."""
    if state.loop.method.learning_rate is None:
        untuned = state.loop.task.untuned_answers(state.train_items, items)
        if untuned is not None:
            return untuned
    return answer_all(state.model, state.loop, items)


def _artifacts(folder: Path) -> tuple[Artifact, ...]:
    return tuple(
        Artifact(
            path=path.relative_to(folder).as_posix(),
            size_bytes=path.stat().st_size,
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    )
