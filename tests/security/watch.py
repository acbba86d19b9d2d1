"""What an attack costs the server while it goes on: memory, files, and other people's waiting."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.security.installation import MEGABYTE, Installation

MEMORY_LOOK_SECONDS = 0.02
OTHERS_LOOK_SECONDS = 0.05


@dataclass
class Cost:
    """Most memory beyond that of before, most bytes of files beyond those of before, and answers to somebody else."""

    memory_bytes: int = 0
    file_bytes: int = 0
    others_seconds: list[float] = field(default_factory=list)

    @property
    def others_p95(self) -> float:
        """Seconds that nineteen in twenty of somebody else's requests took at most."""
        return float(np.quantile(self.others_seconds, 0.95))

    def told(self) -> str:
        """For the test's output, beside the pass marks."""
        told = f"memory +{self.memory_bytes / MEGABYTE:.0f} MB, files +{self.file_bytes / MEGABYTE:.1f} MB"
        if not self.others_seconds:
            return told
        return f"{told}, others' p95 {1e3 * self.others_p95:.0f} ms of {len(self.others_seconds)}"


@contextmanager
def watching(installed: Installation, *folders: Path, others: bool = False) -> Iterator[Cost]:
    """Look at the server until the block ends; `others`: ask for studies all the while, as somebody else."""
    cost, ended = Cost(), threading.Event()
    memory, files = installed.memory_bytes(), _bytes_in(folders)

    def look() -> None:
        cost.memory_bytes = max(cost.memory_bytes, installed.memory_bytes() - memory)
        cost.file_bytes = max(cost.file_bytes, _bytes_in(folders) - files)

    def ask() -> None:
        began = time.monotonic()
        for path in ("/api/v1/healthz", "/api/v1/studies"):
            assert client.get(path).status_code == 200
        cost.others_seconds.append(time.monotonic() - began)

    with installed.client("viewer-others") as client:
        threads = [threading.Thread(target=_again, args=(look, MEMORY_LOOK_SECONDS, ended))]
        if others:
            threads.append(threading.Thread(target=_again, args=(ask, OTHERS_LOOK_SECONDS, ended)))
        for thread in threads:
            thread.start()
        try:
            yield cost
        finally:
            ended.set()
            for thread in threads:
                thread.join()
    look()


def _again(act: Callable[[], None], seconds: float, ended: threading.Event) -> None:
    while not ended.is_set():
        act()
        ended.wait(seconds)


def _bytes_in(folders: tuple[Path, ...]) -> int:
    total = 0
    for folder in folders:
        for file in folder.rglob("*"):
            try:
                total += file.stat().st_size if file.is_file() else 0
            except OSError:
                continue
    return total
