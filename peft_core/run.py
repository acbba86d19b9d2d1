"""One run from its spec to its result: load, attach, train, evaluate, save, measure."""

import hashlib
import math
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from peft_core.analysis.cost_model.refusal import check_memory
from peft_core.analysis.weight_change import write_spectrum
from peft_core.data import Item, Row, read_splits
from peft_core.deploy import write_run
from peft_core.device import environment, pick_device
from peft_core.errors import RunFailed
from peft_core.fit import PROBE_STEPS, fit, never, seconds_of
from peft_core.held_base import frozen_base_in_bf16
from peft_core.hub import on_this_machine
from peft_core.hub_access import Hub
from peft_core.method import LearningRate, Method, build_method, check_budget
from peft_core.metric import Metric, metric
from peft_core.model_shape import read_model_shape
from peft_core.out_of_memory import is_out_of_memory, out_of_memory_reason
from peft_core.precision import probe_precision
from peft_core.run_state import RunInProgress, load_base
from peft_core.spec import Artifact, Log, OnEvent, Pause, Point, Predictions, Progress, RunResult, RunSpec
from peft_core.task import Task, check_length, task_kind
from peft_core.training import Loop, Plan

if TYPE_CHECKING:
    import torch
    from torch import nn

HEAD_LEARNING_RATE = LearningRate(
    small=3e-2,
    encoder=1e-3,
    llm=1e-3,
    source="small: chosen on validation, MiniLM on tweets, 150 steps, one seed: at 1e-2 prompt tuning stays at the"
    " majority class, at 1e-1 others lose up to two points; large: head-only's",
)
"""Of the task head beside every method; head-only tunes its own."""


def run(spec: RunSpec, on_event: OnEvent, hub: Hub | None = None, pause: Pause = never) -> RunResult:
    """Do what `spec` says, telling `on_event` as it happens, and leave the adapter in `spec.folder`.

    `hub` is where a base model or dataset with a source comes from; None: as huggingface_hub is set up. `pause` is
    asked after every step of training. Raises PeftCoreError where the spec cannot be done, RunFailed where training
    broke down or memory ran out, RunPaused where it stopped at a checkpoint because `pause` said so.
    """
    hush_libraries()
    with memory_explained(spec):
        prepared = prepare(spec, on_event, hub or Hub())
        return conclude(prepared, train(prepared, on_event, pause), on_event)


@contextmanager
def memory_explained(spec: RunSpec) -> Iterator[None]:
    """Memory that runs out in here is a RunFailed that says what to change."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise RunFailed(out_of_memory_reason(error, spec)) from error


@dataclass(frozen=True)
class Inputs:
    """What a run learns from: its spec with the training split's facts, and every split, tokenised."""

    spec: RunSpec
    pad_token_id: int
    train: list[Item]
    validation: list[Item]
    test: list[Item]


@dataclass(frozen=True)
class Prepared:
    """A run that is ready to train."""

    state: RunInProgress
    recorders: list[Metric]
    total_steps: int
    environment: dict[str, JsonValue]

    @property
    def plan(self) -> Plan | None:
        """How it trains; None where nothing is trained."""
        spec, shape = self.state.spec, self.state.shape
        if spec.learning_rate is None:
            return None
        rate = HEAD_LEARNING_RATE.centre(
            non_embedding_parameters=shape.non_embedding_parameters, steps=self.total_steps, causal=shape.causal
        )
        return Plan(
            total_steps=self.total_steps,
            learning_rate=spec.learning_rate,
            head_learning_rate=rate,
            accumulation=spec.budget.accumulation,
            gradient_checkpointing=spec.budget.gradient_checkpointing,
        )


LoadBase = Callable[[RunSpec, type[Task], Method, "torch.device"], "nn.Module"]


def prepare(
    spec: RunSpec, on_event: OnEvent, hub: Hub, inputs: Inputs | None = None, load: LoadBase = load_base
) -> Prepared:
    """Load, attach and look at everything that is to be looked at before training.

    `inputs`: where they were read already, for another run of the same task, budget and base model. `load`: where the
    base model is there already; then whoever brought it has seen to the memory, too.
    """
    method = build_method(spec.method, spec.hyperparameters)
    recorders = [metric(key)() for key in spec.metrics if spec.purpose in metric(key).purposes]
    total_steps = _total_steps(spec, method)
    spec = on_this_machine(spec, hub, on_event)
    on_event(Progress(phase="loading", step=0, total_steps=total_steps))
    inputs = inputs or read_inputs(spec)
    spec = spec.model_copy(update={"task": inputs.spec.task})
    if load is load_base:
        check_memory(spec, [len(item.tokens) for item in inputs.train])
    for recorder in recorders:
        recorder.before_load(spec)
    state = _attach(spec, method, inputs, total_steps, on_event, load)
    seen = environment(state.loop.device) | {"precision": state.loop.precision}
    for recorder in recorders:
        recorder.after_load(state)
    for recorder in recorders:
        recorder.before_training(state)
    return Prepared(state, recorders, total_steps, seen)


def train(prepared: Prepared, on_event: OnEvent, pause: Pause) -> float | None:
    """Train alone; the validation score, None for probes."""
    plan = prepared.plan
    if plan is None:
        return _untrained_score(prepared.state, on_event)
    return fit(prepared.state, plan, on_event, pause)


def conclude(prepared: Prepared, validation_score: float | None, on_event: OnEvent) -> RunResult:
    """What comes behind training: save, test, measure."""
    state, spec, recorders = prepared.state, prepared.state.spec, prepared.recorders
    train_seconds = _tell_training(state, on_event)
    for recorder in recorders:
        recorder.after_training(state)
    state.loop.method.save(state.model, state.adapter_folder)
    write_run(spec)
    if spec.purpose == "report":
        _test(state, on_event)
    on_event(Progress(phase="measuring", step=prepared.total_steps, total_steps=prepared.total_steps))
    for recorder in recorders:
        on_event(recorder.measure(state))
    if spec.purpose == "report":
        write_spectrum(state)
    # Not before: what is left to measure may take longer than training did.
    shutil.rmtree(state.checkpoint_folder, ignore_errors=True)
    return RunResult(
        validation_score=validation_score,
        train_seconds=train_seconds,
        artifacts=artifacts_of(spec.folder),
        environment=prepared.environment | _company(state),
    )


def _company(state: RunInProgress) -> dict[str, JsonValue]:
    return {"trained_together": state.trained_together} if state.trained_together else {}


def hush_libraries() -> None:
    """No progress bars and load reports: a run speaks through its events."""
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    # The peft library asks transformers by a name that goes in its version 6.
    warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)


def _total_steps(spec: RunSpec, method: Method) -> int:
    if method.learning_rate is None:
        return 0
    return PROBE_STEPS if spec.purpose == "probe" else spec.budget.total_steps(spec.task.splits.train)


def read_inputs(spec: RunSpec) -> Inputs:
    """The task of a spec whose files are on this machine, tokenised and cut at the budget's length."""
    from transformers import AutoTokenizer

    kind = task_kind(spec.task.kind)
    rows = read_splits(spec.task, kind)
    tokenizer = AutoTokenizer.from_pretrained(str(spec.base_model), local_files_only=True, trust_remote_code=False)
    facts = kind.facts(rows.train, spec.task, tokenizer, spec.budget.max_length)
    task = spec.task.model_copy(update={"facts": facts})

    def items(split: Sequence[Row]) -> list[Item]:
        return kind.tokenise(split, task, tokenizer, spec.budget.max_length)

    return Inputs(
        spec.model_copy(update={"task": task}),
        tokenizer.pad_token_id or 0,
        items(rows.train),
        items(rows.validation),
        items(rows.test),
    )


def _attach(
    spec: RunSpec, method: Method, inputs: Inputs, total_steps: int, on_event: OnEvent, load: LoadBase
) -> RunInProgress:
    """The base model with the method in place. The seed is set again before each, so that methods paired by seed
    start from the same head whatever their own parameters draw."""
    import torch

    task, device, shape = task_kind(spec.task.kind), pick_device(), read_model_shape(spec.base_model)
    task.check(shape)
    check_length(shape, spec.budget.max_length)
    method.check(shape, task_kind=spec.task.kind, max_length=spec.budget.max_length)
    check_budget(method, spec.budget)
    torch.manual_seed(spec.seed)
    base = load(spec, task, method, device)
    precision = spec.precision
    if precision is None:
        chosen = probe_precision(base, task, inputs.train, spec.budget.batch_size, inputs.pad_token_id, device)
        on_event(chosen)
        precision = chosen.precision
    torch.manual_seed(spec.seed)
    model = method.attach(base, task_kind=spec.task.kind, total_steps=total_steps).to(device)
    method.before_training(model, inputs.train)
    loop = Loop(method, task, device, precision, inputs.pad_token_id)
    # Each its own list: a run puts its test items into an order.
    return RunInProgress(spec, shape, loop, model, inputs.train, inputs.validation, list(inputs.test))


def _tell_training(state: RunInProgress, on_event: OnEvent) -> float | None:
    """The seconds of all training steps; None where nothing was trained, or together with other runs."""
    if not state.steps:
        return None
    seconds = seconds_of(state.steps)
    how = "together with other runs" if seconds is None else f"in {seconds:.2f} s"
    on_event(Log(message=f"trained {len(state.steps)} steps {how}, last loss {state.steps[-1].loss:.4f}"))
    return seconds


def _untrained_score(state: RunInProgress, on_event: OnEvent) -> float | None:
    """What the base answers on the validation split before anything is learned."""
    if state.spec.purpose == "probe":
        return None
    score = state.validation_score()
    on_event(Point(key="validation_score", step=0, value=score))
    return score


def _test(state: RunInProgress, on_event: OnEvent) -> None:
    """Read the test split once, at the end, and keep what was answered to each item."""
    task, items = state.loop.task, sorted(state.test_items, key=lambda item: item.index)
    state.test_items = items
    with frozen_base_in_bf16(state.model, state.loop.method, state.loop.precision):
        state.test_answers = state.answers_to(items)
    state.test_scores = task.scores(items, state.test_answers)
    if not all(map(math.isfinite, state.test_scores)):
        raise RunFailed("The trained model answers with what is no number. Lower the learning rate.")
    on_event(
        Predictions(
            items=tuple(item.index for item in items),
            predicted=tuple(task.show(answer, state.spec.task) for answer in state.test_answers),
            scores=state.test_scores,
        )
    )


def artifacts_of(folder: Path) -> tuple[Artifact, ...]:
    """Every file in a folder, with its size and the hash of its content."""
    return tuple(
        Artifact(
            path=path.relative_to(folder).as_posix(),
            size_bytes=path.stat().st_size,
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    )
