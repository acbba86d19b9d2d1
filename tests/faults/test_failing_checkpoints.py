"""F9: whichever fsync of a checkpoint fails, the run goes on, and what is on the disk loads."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.db.session import system_session
from app.services import run_queue
from app.settings import Settings
from peft_core.checkpoint import STATE, TENSORS
from peft_core.errors import RunPaused
from peft_core.run import run
from peft_core.spec import Budget, Event, Log, Progress, RunSpec
from tests.faults.documents import make_training

pytestmark = [pytest.mark.faults, pytest.mark.slow]

STEPS = 3
PAUSED_AT = 2


@pytest.fixture
def spec(engine: Engine, settings: Settings) -> RunSpec:
    """A real run that checkpoints after every step."""
    make_training(engine, settings, STEPS)
    with system_session(engine) as session:
        worker = run_queue.register_worker(session, "test:1", "cpu", {})
        claim = run_queue.claim_next_run(
            session, worker, store=settings.store_folder, lease_seconds=30, alone=True, checkpoint_seconds=0
        )
    assert claim is not None
    budget = Budget(steps=STEPS, batch_size=4, max_length=32, evaluations=1)
    return claim.spec.model_copy(update={"budget": budget, "metrics": ()})


@contextmanager
def failing_fsync(number: int, monkeypatch: pytest.MonkeyPatch) -> Iterator["count[int]"]:
    """The calls that were counted; the `number`-th says that the disk does not take it."""
    calls, synchronise = count(1), os.fsync

    def fail_once(descriptor: int) -> None:
        if next(calls) == number:
            raise OSError(5, "Input/output error")
        synchronise(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr("peft_core.checkpoint.os.fsync", fail_once)
        yield calls


def read_checkpoint(folder: Path) -> int:
    """The step of the newest one, which must be whole; 0 where there is none."""
    from safetensors.torch import load_file

    found = sorted((folder / "checkpoint").glob("step-*"))
    for checkpoint in found:
        assert load_file(checkpoint / TENSORS)
        assert f"step-{json.loads((checkpoint / STATE).read_text(encoding='utf-8'))['done']:09d}" == checkpoint.name
    return int(found[-1].name.removeprefix("step-")) if found else 0


def paused(spec: RunSpec, number: int, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int, list[str]]:
    """Train up to the pause with the `number`-th fsync failing: calls counted, the checkpoint left, and the log."""
    told: list[str] = []
    asked = iter([False] * (PAUSED_AT - 1) + [True])

    def tell(event: Event) -> None:
        if isinstance(event, Log):
            told.append(event.message)
        if isinstance(event, Progress):
            read_checkpoint(spec.folder)

    with failing_fsync(number, monkeypatch) as calls, pytest.raises(RunPaused):
        run(spec, tell, pause=lambda: next(asked))
    return next(calls) - 1, read_checkpoint(spec.folder), told


@pytest.mark.timeout(600)
def test_whichever_fsync_of_a_checkpoint_fails_the_run_goes_on_from_one_that_loads(
    spec: RunSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(spec.model_copy(update={"folder": tmp_path / "whole"}), lambda _: None)
    left: list[int] = []
    for number in count(1):
        cut = spec.model_copy(update={"folder": tmp_path / str(number)})
        calls, checkpoint, told = paused(cut, number, monkeypatch)
        if calls < number:
            break
        left.append(checkpoint)
        assert any("could not be written: [Errno 5] Input/output error" in line for line in told)
        assert checkpoint in (PAUSED_AT - 1, PAUSED_AT)
        resumed: list[Event] = []
        ended = run(cut, resumed.append)
        assert ended.validation_score == whole.validation_score
        assert {file.sha256 for file in ended.artifacts if file.path.endswith(".safetensors")} == {
            file.sha256 for file in whole.artifacts if file.path.endswith(".safetensors")
        }
    print(f"{len(left)} fsyncs failed, one at a time; gone on from step {left}")
    assert len(left) >= 4 * PAUSED_AT
