"""What a worker knows of its device without torch."""

from pathlib import Path

import psutil
import pytest

from app.worker.device import free_memory_bytes
from peft_core import device


def test_of_main_memory_what_the_system_can_give_is_free() -> None:
    free = free_memory_bytes("cpu")
    assert free is not None
    assert 0 < free <= psutil.virtual_memory().total


def test_of_a_container_s_limit_what_it_uses_is_not_free(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(device, "CONTAINER", tmp_path)
    (tmp_path / "memory.max").write_text("9000000\n")
    assert free_memory_bytes("cpu") == 9_000_000
    (tmp_path / "memory.current").write_text("5000000\n")
    (tmp_path / "memory.stat").write_text("anon 3500000\ninactive_file 1500000\nactive_file 0\n")
    assert free_memory_bytes("cpu") == 5_500_000
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory_bytes("cpu") != 5_500_000


def test_a_device_that_is_not_there_does_not_tell() -> None:
    assert free_memory_bytes("cuda:77") is None
