"""What a worker says of its device, gathered without torch."""

import os
import platform
import socket
from importlib.metadata import version
from pathlib import Path

import psutil
from pydantic import JsonValue

from app.worker.executors.local import visible_devices
from peft_core.device import container_free


def worker_name() -> str:
    """host:pid, which a person can find in a process list."""
    return f"{socket.gethostname()}:{os.getpid()}"


def describe_device(device: str, slots: int) -> dict[str, JsonValue]:
    """Name, cores, memory and versions: what results depend on and a person asks for first."""
    return {
        "device": device,
        "name": _cpu_name(),
        "cpu_count": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "slots": slots,
        "platform": platform.platform(),
        "python": platform.python_version(),
        "torch": version("torch"),
        "transformers": version("transformers"),
        "peft": version("peft"),
    }


def free_memory_bytes(device: str) -> int | None:
    """What the device can still give; None where it does not tell. Swap does not count: nothing trains there."""
    if device == "cpu":
        return min(int(psutil.virtual_memory().available), container_free())
    import pynvml

    name = visible_devices(device)
    try:
        pynvml.nvmlInit()
        of = pynvml.nvmlDeviceGetHandleByIndex if name.isdigit() else pynvml.nvmlDeviceGetHandleByUUID
        return int(pynvml.nvmlDeviceGetMemoryInfo(of(int(name) if name.isdigit() else name)).free)
    except pynvml.NVMLError:
        return None


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
