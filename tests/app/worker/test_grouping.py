"""Which runs train together: those that share passes, in their free slots' shares, as many as fit."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from app.worker.grouping import Room, beside
from peft_core import assets
from peft_core.spec import Budget, Purpose, RunSpec, TaskSpec
from tests.app.worker.test_group import TASK

PLENTY = 2**40


@pytest.fixture(scope="module")
def base() -> Path:
    return assets.base_models()["minilm"].folder


def spec(base: Path, run_id: int, method: str = "lora", purpose: Purpose = "report", seed: int = 0) -> RunSpec:
    task: TaskSpec = TASK
    return RunSpec(
        run_id=run_id,
        purpose=purpose,
        base_model=base,
        base_model_sha256="0" * 64,
        task=task,
        method=method,
        learning_rate=1e-3,
        seed=seed,
        budget=Budget(steps=2, batch_size=8, max_length=64),
        precision="fp32",
        metrics=(),
        folder=Path("f"),
    )


def ids(specs: Sequence[RunSpec]) -> list[int]:
    return [found.run_id for found in specs]


def test_runs_of_the_same_seed_come_first(base: Path) -> None:
    waiting = [spec(base, 2, seed=1), spec(base, 3, "ia3"), spec(base, 4, "ia3", seed=1)]
    assert ids(beside(spec(base, 1), waiting, Room(1, PLENTY))) == [3, 2, 4]


def test_full_fine_tuning_trains_alone_and_nobody_waits_for_it(base: Path) -> None:
    assert beside(spec(base, 1, "full"), [spec(base, 2)], Room(1, PLENTY)) == []
    assert ids(beside(spec(base, 1), [spec(base, 2, "full"), spec(base, 3)], Room(1, PLENTY))) == [3]


@pytest.mark.parametrize(("slots", "beside_it"), [(1, 5), (2, 2), (3, 1), (4, 1), (6, 0), (9, 0)])
def test_a_group_leaves_every_free_slot_its_share(base: Path, slots: int, beside_it: int) -> None:
    waiting = [spec(base, number) for number in range(2, 7)]
    assert len(beside(spec(base, 1), waiting, Room(slots, PLENTY))) == beside_it


def test_no_more_than_fit_the_memory_or_the_setting_allows(base: Path) -> None:
    waiting = [spec(base, number) for number in range(2, 12)]
    found = [len(beside(spec(base, 1), waiting, Room(1, gib * 2**28))) for gib in range(40)]
    assert found[0] == 0
    assert found == sorted(found)
    assert found[-1] == 10
    assert len(beside(spec(base, 1), waiting, Room(1, None))) == 10
    assert len(beside(spec(base, 1), waiting, Room(1, PLENTY, most=3))) == 2
    assert beside(spec(base, 1), waiting, Room(1, PLENTY, most=1)) == []
