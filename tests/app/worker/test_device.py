"""What a worker knows of its device without torch."""

import psutil
import pytest

from app.worker import device
from app.worker.device import free_memory_bytes


def test_of_main_memory_what_the_system_can_give_is_free() -> None:
    free = free_memory_bytes("cpu")
    assert free is not None
    assert 0 < free <= psutil.virtual_memory().total


def test_a_container_s_limit_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "container_limit", lambda: 2**20)
    assert free_memory_bytes("cpu") == 2**20


def test_a_device_that_is_not_there_does_not_tell() -> None:
    assert free_memory_bytes("cuda:77") is None
