"""The device a run trains on, and what of its clocks and counters the measurements read."""

import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

if TYPE_CHECKING:
    import torch

STATUS = Path("/proc/self/status")
MEMORY = Path("/proc/meminfo")
CPU = Path("/proc/cpuinfo")
CONTAINER = Path("/sys/fs/cgroup")
CLEAR_REFS = Path("/proc/self/clear_refs")


def pick_device() -> "torch.device":
    """The first CUDA device this process may see, else the CPU."""
    import torch

    return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")


def synchronize(device: "torch.device") -> None:
    """Wait until the device has done all it was given, so that a clock read now is true."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)


def resident_bytes() -> int | None:
    """Memory of this process now (VmRSS), or None where the system does not tell."""
    return _file_bytes(STATUS, "VmRSS")


def reset_peak(device: "torch.device") -> bool:
    """Start a new peak; False where the system does not allow it, and then no peak may be reported."""
    import torch

    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return True
    try:
        CLEAR_REFS.write_text("5")
    except OSError:
        return False
    return True


def peak_bytes(device: "torch.device") -> int | None:
    """The peak since `reset_peak`: allocated bytes on CUDA, resident bytes of the process (VmHWM) on the CPU."""
    import torch

    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else _file_bytes(STATUS, "VmHWM")


def peak_reserved_bytes(device: "torch.device") -> int | None:
    """What CUDA's allocator held at the peak, used or not; None on the CPU."""
    import torch

    return torch.cuda.max_memory_reserved(device) if device.type == "cuda" else None


def memory_bytes(device: "torch.device") -> int | None:
    """What a run may hold at most: all memory of a CUDA device; of the CPU what the system can still give, swap and the
    container's limit counted. None where the system does not tell."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    available, swap = _file_bytes(MEMORY, "MemAvailable"), _file_bytes(MEMORY, "SwapFree")
    if available is None:
        return None
    return min(available + (swap or 0), container_free())


def container_limit() -> int:
    """What the container that this process runs in may hold of main memory; sys.maxsize where there is no limit."""
    try:
        return int((CONTAINER / "memory.max").read_text())
    except (OSError, ValueError):
        # No such file outside of a container, and "max" in one without a limit.
        return sys.maxsize


def container_free() -> int:
    """What the container's limit leaves of main memory, in bytes; files that it would give up for it do not count as
    used. sys.maxsize where there is no limit."""
    limit = container_limit()
    if limit == sys.maxsize:
        return limit
    try:
        stat = dict(line.split() for line in (CONTAINER / "memory.stat").read_text().splitlines())
        used = int((CONTAINER / "memory.current").read_text()) - int(stat["inactive_file"])
    except (OSError, ValueError, KeyError):
        return limit
    return max(0, limit - used)


def load_average() -> float | None:
    """Processes that wanted to run over the last minute, or None where the system does not tell."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None


def environment(device: "torch.device") -> dict[str, JsonValue]:
    """What the numbers of a run depend on beyond its spec."""
    import torch

    seen: dict[str, JsonValue] = {
        "device": device.type,
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else _cpu_name(),
        "device_memory_bytes": _total_memory(device),
        "driver": _driver() if device.type == "cuda" else None,
        "bf16_instructions": _bf16_instructions(device),
        "cpu_count": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "platform": platform.platform(),
        "python": platform.python_version(),
    }
    return seen | {name: version(name) for name in ("torch", "transformers", "peft", "peft-atlas")}


def _total_memory(device: "torch.device") -> int | None:
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    total = _file_bytes(MEMORY, "MemTotal")
    return None if total is None else min(total, container_limit())


def _driver() -> str | None:
    """NVIDIA's driver with the CUDA that torch was built for, e.g. "575.57.08, CUDA 12.8"."""
    import pynvml
    import torch

    try:
        pynvml.nvmlInit()
        return f"{pynvml.nvmlSystemGetDriverVersion()}, CUDA {torch.version.cuda}"
    except pynvml.NVMLError:
        return None


def _bf16_instructions(device: "torch.device") -> bool:
    """Whether the device itself multiplies in bfloat16; elsewhere it is emulated, right and slow."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    flags = next((line for line in _lines(CPU) if line.startswith("flags")), "")
    return "amx_bf16" in flags or "avx512_bf16" in flags


def _lines(path: Path) -> list[str]:
    """Of one of the kernel's files; none where the system has no such file."""
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _cpu_name() -> str:
    named = (line.split(":", 1)[1].strip() for line in _lines(CPU) if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _file_bytes(path: Path, field: str) -> int | None:
    """A field of one of the kernel's files, which count in kB."""
    return next((int(line.split()[1]) * 1024 for line in _lines(path) if line.startswith(f"{field}:")), None)
