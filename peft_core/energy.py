"""Reading how much energy a device has used, where the machine tells."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

RAPL = Path("/sys/class/powercap")


def energy_joules(device: "torch.device") -> float | None:
    """Energy used since some fixed moment: NVML's counter of a GPU, RAPL's of all CPU packages; None: not told."""
    return _gpu_joules(device) if device.type == "cuda" else _cpu_joules()


def _gpu_joules(device: "torch.device") -> float | None:
    import torch

    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        # By its name, for a process may see fewer devices than NVML does.
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
        return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1e3
    except pynvml.NVMLError:
        return None


def _cpu_joules() -> float | None:
    """The sum over packages; their counters are in microjoules and readable by root alone on many systems."""
    try:
        readings = [int(path.read_text()) for path in RAPL.glob("intel-rapl:[0-9]*/energy_uj") if _is_package(path)]
    except (OSError, ValueError):
        return None
    return sum(readings) / 1e6 if readings else None


def _is_package(path: Path) -> bool:
    return path.parent.name.count(":") == 1
