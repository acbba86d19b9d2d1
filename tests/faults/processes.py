"""The product's own processes, started for one test and ended by the process ids they were given."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
NO_VARIABLES: Mapping[str, str] = {}
END_SECONDS = 45.0
"""Longer than a worker takes to have its runs write their checkpoints."""

sqlite_now_postgres_when_slow = pytest.mark.parametrize(
    "database", ["sqlite", pytest.param("postgres", marks=[pytest.mark.postgres, pytest.mark.slow])], indirect=True
)
"""Both databases, of which `make test` waits for one."""


@dataclass
class Started:
    """A process of the product. `url`: where it answers, '' where it does not. `said`: its first word, if it talks."""

    process: "subprocess.Popen[bytes]"
    url: str = ""
    said: Any = None

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """As the system does when memory runs out: without a last word."""
        os.kill(self.pid, signal.SIGKILL)
        self.process.wait(END_SECONDS)

    def child(self, module: str) -> int:
        """The process id of the child that runs a module of the product."""
        found: list[int] = [child.pid for child in psutil.Process(self.pid).children() if module in child.cmdline()]
        assert len(found) == 1
        return found[0]


@contextmanager
def running(
    settings: Settings, *arguments: str, variables: Mapping[str, str] = NO_VARIABLES, talking: bool = False
) -> Iterator[Started]:
    """`python -m ARGUMENTS` on the home and database of `settings`, told to end at the end of the block.

    `talking`: the test speaks to it, and reads what it says.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PEFT_ATLAS_")}
    environment |= {
        "PEFT_ATLAS_HOME": str(settings.home_folder),
        "PEFT_ATLAS_STORE": str(settings.store_folder),
        "PEFT_ATLAS_DATABASE_URL": settings.database,
    }
    pipe = subprocess.PIPE if talking else None
    command = [sys.executable, "-m", *arguments]
    process = subprocess.Popen(command, env=environment | dict(variables), cwd=ROOT, stdin=pipe, stdout=pipe)
    try:
        yield Started(process)
    finally:
        end(process)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def end(process: "subprocess.Popen[bytes]") -> None:
    """Ask it to end, wake it if it was stopped, and insist where it does not listen."""
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


@contextmanager
def web(settings: Settings, port: int | None = None) -> Iterator[Started]:
    """A web process that answers."""
    port = port or free_port()
    with running(settings, "app.web", "--port", str(port)) as started:
        started.url = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(started.url) or not started.alive)
        assert started.alive, "the web process ended"
        yield started


@contextmanager
def up(settings: Settings, variables: Mapping[str, str] = NO_VARIABLES) -> Iterator[Started]:
    """`peft-atlas up`, whose web process answers."""
    port = free_port()
    command = ("app.cli", "up", "--port", str(port), "--no-browser", "--no-quickstart", "--no-key")
    with running(settings, *command, variables=variables) as started:
        started.url = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(started.url) or not started.alive)
        assert started.alive, "peft-atlas up ended"
        yield started


def answers(url: str) -> bool:
    """Whether a web process says that it is up."""
    try:
        with urllib.request.urlopen(f"{url}/api/v1/healthz", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], bool], seconds: float = 90) -> float:
    """Wait for it; the seconds that took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "waited in vain"
        time.sleep(0.02)
    return time.monotonic() - began
