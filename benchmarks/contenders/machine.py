"""What else the machine did while something was measured on it."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil


@dataclass
class Beside:
    """others_cpu: cores that processes which are none of ours kept busy, on average."""

    others_cpu: float = 0.0
    load_average: float = 0.0


@contextmanager
def watched() -> Iterator[Beside]:
    """Filled in at the end."""
    beside, started, busy, own = Beside(), time.perf_counter(), _busy(), _own()
    yield beside
    others = (_busy() - busy) - (_own() - own)
    beside.others_cpu = max(0.0, others / (time.perf_counter() - started))
    beside.load_average = os.getloadavg()[0]


def _busy() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))


def _own() -> float:
    """Of this process, those it started and those that they have waited for."""
    seconds = 0.0
    this = psutil.Process()
    for process in (this, *this.children(recursive=True)):
        try:
            seconds += sum(process.cpu_times()[:4])
        except psutil.NoSuchProcess:
            continue
    return seconds
