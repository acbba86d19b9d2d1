"""Which runs may train together, and how many a machine's memory takes."""

from pathlib import Path
from typing import Any

import pytest

from peft_core.fused.choice import MOST_ROWS, fusable, most_together, worth_together
from peft_core.spec import Budget, RunSpec, TaskSpec


@pytest.fixture
def lora(minilm: Path, tweets: TaskSpec, tmp_path: Path) -> RunSpec:
    return RunSpec(
        run_id=1,
        purpose="tune",
        base_model=minilm,
        base_model_sha256="",
        task=tweets,
        method="lora",
        learning_rate=1e-3,
        seed=0,
        budget=Budget(steps=10, batch_size=8, max_length=64),
        precision="bf16",
        metrics=(),
        folder=tmp_path,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"purpose": "probe"},
        {"precision": None},
        {"method": "full"},
        {"method": "untuned", "learning_rate": None},
        {"method": "pissa"},
        {"method": "qlora"},
        {"budget": Budget(steps=10, batch_size=8, accumulation=2)},
        {"budget": Budget(steps=10, batch_size=8, gradient_checkpointing=True)},
    ],
)
def test_what_must_be_alone_is_not_fusable(lora: RunSpec, changes: dict[str, Any]) -> None:
    assert fusable(lora)
    assert not fusable(lora.model_copy(update=changes))


def test_runs_of_one_seed_come_first_and_what_is_not_fusable_not_at_all(lora: RunSpec) -> None:
    def spec(run_id: int, seed: int, method: str = "lora") -> RunSpec:
        return lora.model_copy(update={"run_id": run_id, "seed": seed, "method": method})

    chosen = worth_together([spec(1, 5), spec(2, 4), spec(3, 5, "full"), spec(4, 5), spec(5, 4)])
    assert [each.run_id for each in chosen] == [1, 4, 2, 5]


def test_a_run_adds_its_activations_until_a_pass_is_full_and_then_its_weights_alone(lora: RunSpec) -> None:
    full = MOST_ROWS // lora.budget.batch_size
    specs = [lora] * (4 * full)
    two, three, at_full, one_more, twice = (least_for(specs, n) for n in (2, 3, full, full + 1, 2 * full))
    assert one_more - at_full < (three - two) / 5
    # LoRA r16 on query and value of MiniLM, 147,456 numbers, and a head of 770: 16 bytes each, 1.2 times.
    assert (twice - one_more) / (full - 1) == pytest.approx(1.2 * 16 * 148_226, rel=0.02)


def least_for(specs: list[RunSpec], count: int) -> int:
    """The least memory that takes so many, by bisection."""
    low, high = 0, 2**36
    while high - low > 10_000:
        middle = (low + high) // 2
        low, high = (low, middle) if most_together(specs, middle) >= count else (middle, high)
    return high


def test_one_run_is_always_tried_and_unknown_memory_is_no_limit(lora: RunSpec) -> None:
    assert most_together([lora] * 5, 1) == 1
    assert most_together([lora] * 5, None) == 5
