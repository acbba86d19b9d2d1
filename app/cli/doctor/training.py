"""What trains: torch and the libraries beside it, looked at in a process of their own, and the CUDA device."""

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

from app.cli.doctor.finding import Finding, ok, problem, warning
from app.settings import Settings

LIBRARIES = ("torch", "transformers", "peft", "safetensors")
INSTALL = "Run `make setup`, or `pip install 'peft-atlas[worker]'` with the Python above."
LOOK_SECONDS = 180
"""The first import of torch from a cold disk takes long."""
LOOK = """
import json, torch, transformers, peft, safetensors
cuda = torch.cuda.is_available()
devices = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())] if cuda else []
try:
    import pynvml
    pynvml.nvmlInit()
    driver = pynvml.nvmlSystemGetDriverVersion()
except Exception:
    driver = None
print(json.dumps({"built_for": torch.version.cuda, "devices": devices, "driver": driver}))
"""
"""pynvml raises errors of its own kind, and may itself be missing."""
LOOKING = [sys.executable, "-W", "ignore", "-c", LOOK]


def check(settings: Settings) -> Iterator[Finding]:
    """Whether a worker can train here, and on what. A machine that only serves pages needs none of it."""
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing:
        detail = f"{', '.join(missing)} not installed: pages can be served, but no worker can train here"
        yield warning("torch", detail, INSTALL)
    else:
        yield from _looked_at()
    if settings.executor == "ray" and find_spec("ray") is None:
        advice = "Run `pip install 'peft-atlas[ray]'`, or unset PEFT_ATLAS_EXECUTOR."
        yield problem("ray", "PEFT_ATLAS_EXECUTOR is ray, which is not installed", advice)


def _looked_at() -> Iterator[Finding]:
    versions = ", ".join(f"{name} {_version(name)}" for name in LIBRARIES)
    try:
        looked = subprocess.run(  # nosec B603  # our own interpreter, and nothing that anybody typed
            LOOKING, check=False, capture_output=True, text=True, timeout=LOOK_SECONDS
        )
    except subprocess.TimeoutExpired:
        detail = f"{versions}: importing them took more than {LOOK_SECONDS} seconds"
        yield problem("torch", detail, "Is the disk very slow, or the device hung? Try `python -c 'import torch'`.")
        return
    if looked.returncode != 0:
        reason = (looked.stderr.strip().splitlines() or [f"it ended with code {looked.returncode}"])[-1]
        yield problem("torch", f"{versions}: cannot be imported: {reason}", f"Install them again. {INSTALL}")
        return
    yield ok("torch", versions)
    yield cuda(json.loads(looked.stdout.splitlines()[-1]))


def cuda(seen: dict[str, Any]) -> Finding:
    built_for, driver, devices = seen["built_for"], seen["driver"], seen["devices"]
    if devices:
        return ok("cuda", f"{', '.join(devices)}; driver {driver}, torch built for CUDA {built_for}")
    if driver is None:
        return ok("cuda", "no NVIDIA driver answers: runs go to the CPU")
    if built_for is None:
        advice = "Install a CUDA build of torch (pytorch.org, Get started), then start the worker again."
        return warning("cuda", f"driver {driver} is there, but torch is a build for the CPU", advice)
    advice = f"Install an NVIDIA driver that supports CUDA {built_for}; `nvidia-smi` shows what this one supports."
    return problem("cuda", f"torch is built for CUDA {built_for} and cannot use driver {driver}", advice)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "of unknown version"
