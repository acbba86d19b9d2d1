"""What a load asks of a product: requests that mean the same for each."""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import psutil

from benchmarks.serving.clients import Request, connect, send
from tests.flow.conftest import free_port

END_SECONDS = 20.0
START_SECONDS = 90.0
NOT_INHERITED = ("PEFT_ATLAS_", "PYTHONDONTWRITEBYTECODE")
"""An installed product is compiled; a checkout is at its first start, which is not measured."""
__all__ = ["Missing", "Process", "Product", "free_port", "running"]


class Missing(Exception):
    """The product has nothing of this kind; says why."""


class Process:
    """A server that was started, and how long its first answer took."""

    def __init__(self, process: "subprocess.Popen[bytes]", first_answer_seconds: float) -> None:
        self._process = psutil.Process(process.pid)
        self.first_answer_seconds = first_answer_seconds

    @property
    def memory_bytes(self) -> int:
        """What it and its children hold: pages that several of them share count once (PSS)."""
        family = [self._process, *self._process.children(recursive=True)]
        return sum(int(process.memory_full_info().pss) for process in family)

    @property
    def cpu_seconds(self) -> float:
        family = [self._process, *self._process.children(recursive=True)]
        return sum(sum(process.cpu_times()[:2]) for process in family)


@contextmanager
def running(
    command: Sequence[str], *, url: str, first: str, environment: Mapping[str, str], log: Path
) -> Iterator[Process]:
    """A server until the block ends, once it answers `first`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}
    began = time.perf_counter()
    with log.open("ab") as sink:
        process = subprocess.Popen(command, env=inherited | dict(environment), stdout=sink, stderr=sink)
    try:
        _wait(process, url, first, began, log)
        yield Process(process, time.perf_counter() - began)
    finally:
        process.terminate()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: "subprocess.Popen[bytes]", url: str, first: str, began: float, log: Path) -> None:
    while True:
        try:
            status, _ = send(connect(url), {}, Request("GET", first))
            if status < 500:
                return
        except OSError:
            pass
        if process.poll() is not None or time.perf_counter() - began > START_SECONDS:
            raise RuntimeError(f"{url} never answered: {log.read_text(errors='replace')[-1000:]}")
        time.sleep(0.01)


class Product(Protocol):
    """One product, filled and running. Whatever it has no equal of raises Missing."""

    name: str
    url: str
    headers: dict[str, str]
    process: Process

    def search(self) -> Request:
        """The best 100 runs of a method by their score."""

    def series(self, points: int) -> Request:
        """A curve of 5,000 points, whole or thinned to so many."""

    def creations(self, count: int) -> list[Request]:
        """New runs, each with its values."""

    def point_batches(self, count: int) -> tuple[list[Request], int]:
        """Values of a curve, as many as a request may carry, and how many that are."""

    def single_points(self, count: int) -> list[Request]:
        """Values of a curve, one in each request."""
