"""A group's real process: what each of its runs is told, asked and done to, and that the others do not notice."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.worker.executors.executor import Outcome, Share
from app.worker.executors.group import LocalGroups, Member
from app.worker.executors.local import LocalExecutor
from peft_core.spec import Budget, Event, Log, Point, RunSpec, Splits, TaskSpec

FUNCTIONS = "tests.app.worker.group_functions"
TASK = TaskSpec(
    name="t",
    kind="classification",
    dataset=Path("d.csv"),
    dataset_sha256="0" * 64,
    text="text",
    label="label",
    labels=("a", "b"),
    splits=Splits(train=8, validation=4, test=4),
)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., list[Member]]]:
    LocalExecutor()  # It has the processes forked from one that has everything imported.
    started: list[Member] = []

    def start(function: str, runs: int = 3) -> list[Member]:
        specs = [spec(tmp_path, number) for number in range(1, runs + 1)]
        started.extend(LocalGroups(f"{FUNCTIONS}:{function}").start(specs, Share(1)))
        return list(started)

    yield start
    for member in started:
        member.kill()


def spec(folder: Path, run_id: int) -> RunSpec:
    return RunSpec(
        run_id=run_id,
        purpose="report",
        base_model=Path("m"),
        base_model_sha256="0" * 64,
        task=TASK,
        method="lora",
        learning_rate=1e-3,
        seed=run_id,
        budget=Budget(steps=2),
        precision="fp32",
        metrics=(),
        folder=folder / str(run_id) / "1",
    )


def ends(members: Sequence[Member], seconds: float = 20) -> tuple[list[list[Event]], list[Outcome]]:
    """All that each of them tells, and how it ends."""
    events: list[list[Event]] = [[] for _ in members]
    outcomes: list[Outcome | None] = [None for _ in members]
    deadline = time.monotonic() + seconds
    while any(outcome is None for outcome in outcomes):
        assert time.monotonic() < deadline, "waited in vain"
        for place, member in enumerate(members):
            if outcomes[place] is None:
                told, outcomes[place] = member.poll()
                events[place] += told
        time.sleep(0.02)
    return events, [outcome for outcome in outcomes if outcome is not None]


def steps(member: Member) -> int:
    told, outcome = member.poll()
    assert outcome is None
    return sum(isinstance(event, Point) for event in told)


def until_it_steps(member: Member) -> None:
    deadline = time.monotonic() + 20
    while not steps(member):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_each_run_gets_its_own_words_and_its_own_end(start: Callable[..., list[Member]]) -> None:
    members = start("succeed")
    events, outcomes = ends(members)
    assert events == [[Log(message=f"hello from {number}")] for number in (1, 2, 3)]
    assert all(outcome.result is not None for outcome in outcomes)
    assert members[0].poll() == ([], outcomes[0])
    assert not members[0].group.process.is_alive()


def test_what_a_run_says_of_itself_ends_it_and_anything_else_has_it_tried_alone(
    start: Callable[..., list[Member]],
) -> None:
    _, (done, not_finite, memory, broken) = ends(start("end_in_every_way", 4))
    assert done.result is not None
    assert not_finite.reason == "The loss was nan at step 3. Lower the learning rate."
    assert not not_finite.parted
    assert (memory.parted, broken.parted) == (True, True)
    assert (memory.crowded, broken.crowded) == (True, False)
    assert "Out of memory" in (memory.reason or "")
    assert "KeyError" in (broken.details or "")


@pytest.mark.parametrize(
    ("function", "word"),
    [("be_killed", "SIGKILL"), ("break_down", "KeyError"), ("end_without_a_word", "said nothing")],
)
def test_where_the_process_breaks_who_has_ended_has_ended_and_the_others_are_tried_alone(
    start: Callable[..., list[Member]], function: str, word: str
) -> None:
    _, (done, *others) = ends(start(function))
    assert done.result is not None
    assert [other.parted for other in others] == [True, True]
    assert all(word in (other.reason or "") and "tried again alone" in (other.reason or "") for other in others)


def test_one_whose_folder_is_gone_before_it_began_costs_the_others_nothing(
    start: Callable[..., list[Member]], tmp_path: Path
) -> None:
    """Cancelled while another run's checkpoint, which is large, is copied."""
    earlier = tmp_path / "1" / "0" / "checkpoint" / "step-000000001"
    earlier.mkdir(parents=True)
    with (earlier / "tensors.safetensors").open("wb") as file:
        file.truncate(300_000_000)
    members = start("succeed")
    shutil.rmtree(tmp_path / "2")
    _, (done, gone, also_done) = ends(members)
    assert done.result is not None
    assert also_done.result is not None
    assert gone.parted
    assert "FileNotFoundError" in (gone.reason or "")


def test_one_is_stopped_and_the_others_go_on(start: Callable[..., list[Member]]) -> None:
    first, second, third = start("step_until_asked")
    until_it_steps(first)
    second.stop()
    asked = time.monotonic()
    _, (outcome,) = ends([second])
    assert time.monotonic() - asked < 1
    assert (outcome.result, outcome.paused, outcome.parted) == (None, False, False)
    until_it_steps(first)
    until_it_steps(third)


def test_one_that_does_not_listen_is_gone_all_the_same_and_costs_the_others_nothing(
    start: Callable[..., list[Member]],
) -> None:
    first, second, third = start("listen_to_nobody")
    second.stop()
    asked = time.monotonic()
    _, (outcome,) = ends([second])
    assert 2 <= time.monotonic() - asked < 3
    assert outcome.result is None
    assert second.poll() == ([], outcome)
    _, outcomes = ends([first, third])
    assert all(found.result is not None for found in outcomes)


def test_all_are_paused(start: Callable[..., list[Member]]) -> None:
    members = start("step_until_asked")
    until_it_steps(members[0])
    for member in members:
        member.pause()
    _, outcomes = ends(members, 3)
    assert all(outcome.paused for outcome in outcomes)


def test_killing_one_ends_no_other_and_killing_the_last_ends_the_process(start: Callable[..., list[Member]]) -> None:
    first, second, third = start("listen_to_nobody")
    first.kill()
    second.kill()
    assert third.poll()[1] is None
    third.kill()
    assert not third.group.process.is_alive()


def test_a_process_that_is_killed_from_outside_parts_its_runs(start: Callable[..., list[Member]]) -> None:
    members = start("listen_to_nobody")
    assert members[0].group.process.pid is not None
    os.kill(members[0].group.process.pid, signal.SIGKILL)
    _, outcomes = ends(members, 5)
    assert all(outcome.parted and outcome.crowded for outcome in outcomes)


def test_where_the_fork_server_is_killed_all_are_lost_and_nobody_works_on(start: Callable[..., list[Member]]) -> None:
    members = start("step_until_asked")
    until_it_steps(members[0])
    server: Any = forkserver._forkserver
    os.kill(server._forkserver_pid, signal.SIGKILL)
    _, outcomes = ends(members, 5)
    assert all(outcome.lost and "forked from" in (outcome.reason or "") for outcome in outcomes)
    process = members[0].group.process
    deadline = time.monotonic() + 5
    while psutil.pid_exists(process.pid or 0) and psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.02)
