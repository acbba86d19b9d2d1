"""Storage counts every file, and apart from its bytes the numbers that are no task head's."""

from collections.abc import Callable
from pathlib import Path

import pytest

from peft_core.metrics.storage_bytes import StorageBytes
from tests.peft_core.metrics.conftest import TrainedRun


@pytest.mark.parametrize("method", ["lora", "head_only", "p_tuning"])
def test_the_files_and_what_they_hold(trained: TrainedRun, small_base: Callable[[str], Path], method: str) -> None:
    run = trained(method, small_base("bert"))
    found = StorageBytes().measure(run)
    files = list(run.adapter_folder.iterdir())
    assert found.value == sum(file.stat().st_size for file in files)
    stored = run.loop.method.stored_parameters(run.shape)
    assert found.detail == {"files": len(files), "stored_parameters": stored}
