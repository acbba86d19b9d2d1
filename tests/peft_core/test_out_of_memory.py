"""Memory that runs out is told from every other error, and the reason says what to change."""

from pathlib import Path

import pytest
import torch

from peft_core.out_of_memory import OUT_OF_MEMORY, is_out_of_memory, out_of_memory_reason
from peft_core.spec import Budget, RunSpec, TaskSpec


@pytest.fixture
def spec(tweets: TaskSpec, minilm: Path, tmp_path: Path) -> RunSpec:
    return RunSpec(
        run_id=1,
        purpose="report",
        base_model=minilm,
        base_model_sha256="",
        task=tweets,
        method="lora",
        seed=0,
        budget=Budget(steps=1, batch_size=256, max_length=512),
        metrics=(),
        folder=tmp_path,
    )


def cpu_allocation_error() -> RuntimeError:
    """What torch raises where the system does not give a petabyte."""
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50, dtype=torch.uint8)
    return caught.value


def test_every_way_in_which_memory_runs_out_is_known() -> None:
    assert is_out_of_memory(cpu_allocation_error())
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."))


def test_other_errors_are_something_else() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.ones(2) @ torch.ones(3)
    assert not is_out_of_memory(caught.value)
    assert not is_out_of_memory(RuntimeError("the memory of this is bad"))


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has", "another 20.00 GiB did not fit"),
        ("can't allocate memory: you tried to allocate 3221225472 bytes.", "another 3.00 GiB did not fit"),
        ("", "the next tensor did not fit"),
    ],
)
def test_the_reason_says_what_did_not_fit_and_what_to_change(spec: RunSpec, message: str, said: str) -> None:
    reason = out_of_memory_reason(MemoryError(message), spec)
    assert reason.startswith(OUT_OF_MEMORY)
    assert said in reason
    assert "batches of 256 items of up to 512 tokens" in reason
    assert "Use a smaller batch" in reason


def test_what_the_allocator_says_is_read(spec: RunSpec) -> None:
    assert "another 1048576.00 GiB" in out_of_memory_reason(cpu_allocation_error(), spec)


@pytest.mark.gpu
def test_a_device_that_is_full_is_known(spec: RunSpec) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50, dtype=torch.uint8, device="cuda")
    assert is_out_of_memory(caught.value)
    assert "GiB did not fit" in out_of_memory_reason(caught.value, spec)
