"""What fits a device, and what would; and that only runs are refused that no device of that size can hold."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from peft_core.analysis.cost_model import refusal
from peft_core.analysis.cost_model.fits import verdict
from peft_core.analysis.cost_model.memory import Memory
from peft_core.analysis.cost_model.refusal import check_memory, refuse_what_cannot_fit
from peft_core.analysis.cost_model.setting import Setting
from peft_core.analysis.diagnosis import RAN_OUT
from peft_core.errors import RunFailed
from peft_core.spec import Budget, RunSpec, TaskSpec

MakeSetting = Callable[..., Setting]

LLAMA_3B: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 3072,
    "intermediate_size": 8192,
    "num_hidden_layers": 28,
    "num_attention_heads": 24,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 128_256,
    "tie_word_embeddings": True,
}
LONG = {"batch_size": 8, "max_length": 512}


def test_what_fits_is_told_with_both_numbers(setting: MakeSetting) -> None:
    found = verdict(setting("lora"), 2_000_000_000)
    assert found.fits
    assert re.fullmatch(r"This run needs about \d+ MB and the device has 2 GB\.", found.sentence)


def test_what_does_not_fit_is_told_with_what_would(setting: MakeSetting) -> None:
    asked = setting("lora", LLAMA_3B, task_kind="causal_lm", budget=LONG, device="cuda")
    found = verdict(asked, 24_000_000_000)
    assert not found.fits
    assert "gradient checkpointing" in found.sentence
    assert "accumulation" in found.sentence
    assert "texts cut at" in found.sentence
    # Each of them is true: asked again, the changed run does fit.
    parts = int(re.search(r"in (\d+) parts", found.sentence)[1])  # type: ignore[index]
    length = int(re.search(r"cut at (\d+) tokens", found.sentence)[1])  # type: ignore[index]
    for change in ({"gradient_checkpointing": True}, {"accumulation": parts}, {"max_length": length}):
        changed = setting("lora", LLAMA_3B, task_kind="causal_lm", budget=LONG | change, device="cuda")
        assert verdict(changed, 24_000_000_000).fits, change


def test_a_model_too_large_for_any_change_but_4_bits_is_told_so(setting: MakeSetting) -> None:
    asked = setting("full", LLAMA_3B, task_kind="causal_lm", budget=LONG, device="cuda")
    assert "QLoRA" in verdict(asked, 8_000_000_000).sentence
    nothing = verdict(asked, 1_000_000_000).sentence
    assert "Nothing would" in nothing
    assert "smaller base model" in nothing


def test_checkpointing_is_no_advice_where_the_method_cannot(setting: MakeSetting) -> None:
    asked = setting("prefix_tuning", LLAMA_3B, task_kind="causal_lm", budget=LONG, device="cuda")
    assert not asked.method.capabilities.gradient_checkpointing
    assert "gradient checkpointing (" not in verdict(asked, 24_000_000_000).sentence


def test_a_run_between_its_least_and_its_estimate_is_not_refused(setting: MakeSetting) -> None:
    asked = setting("lora", budget={"batch_size": 64, "max_length": 128})
    memory = Memory(asked)
    refuse_what_cannot_fit(asked, round((memory.least + memory.peak) / 2))
    refuse_what_cannot_fit(asked, round(memory.least) + 1)
    with pytest.raises(RunFailed, match="at the very least"):
        refuse_what_cannot_fit(asked, round(memory.least) - 1)


@pytest.fixture
def spec(minilm: Path, tweets: TaskSpec, tmp_path: Path) -> RunSpec:
    return RunSpec(
        run_id=1,
        purpose="tune",
        base_model=minilm,
        base_model_sha256="0" * 64,
        task=tweets,
        method="full",
        learning_rate=1e-4,
        seed=0,
        budget=Budget(steps=1, batch_size=8, max_length=64),
        metrics=(),
        folder=tmp_path / "run",
    )


def test_a_run_is_refused_before_its_base_is_loaded(spec: RunSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    # The machine of the test has what it has; a small one is said to be there.
    monkeypatch.setattr(refusal, "memory_bytes", lambda device: 400_000_000)
    with pytest.raises(RunFailed) as refused:
        check_memory(spec, [20, 25, 30])
    said = str(refused.value)
    assert RAN_OUT.search(said), "a diagnosis has to recognise it"
    assert "25 tokens" in said
    assert "What would fit" in said
    check_memory(spec.model_copy(update={"method": "lora"}), [20, 25, 30])
    check_memory(spec.model_copy(update={"method": "untuned", "learning_rate": None}), [20, 25, 30])


def test_nothing_is_refused_where_nothing_is_known(spec: RunSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusal, "memory_bytes", lambda device: None)
    check_memory(spec, [20])
