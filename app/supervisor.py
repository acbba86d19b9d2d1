"""`peft-atlas up`: web and worker as two processes, started, watched and stopped together."""

import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from types import FrameType

HASTY_SECONDS = 5.0
"""What ends sooner after its start has a lasting reason to."""
BREAK_SECONDS = 0.5
"""Before that is started again."""
STOP_SECONDS = 35.0
"""Longer than a worker takes to have its runs write their checkpoints."""
READY_SECONDS = 60.0


def address(host: str, port: int) -> str:
    """Where a browser of this machine finds the server."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{name}]' if ':' in name else name}:{port}"


class Supervisor:
    """Starts the web process and a worker; restarts one that died; stops both."""

    def __init__(self, host: str, port: int) -> None:
        self.url = address(host, port)
        web = [sys.executable, "-m", "app.web", "--host", host, "--port", str(port), "--with-parent"]
        worker = [sys.executable, "-m", "app.worker", "--with-parent"]
        self._commands = {"web": web, "worker": worker}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._started_at: dict[str, float] = {}
        self._stopping = threading.Event()
        self._something_ended = threading.Event()

    def run(self, when_ready: Callable[[str], None]) -> int:
        """Until SIGINT or SIGTERM; 0, or 1 where the web process never answered."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop_requested)
        try:
            for name in self._commands:
                self._start(name)
            if not self._wait_until_ready():
                return 0 if self._stopping.is_set() else 1
            when_ready(self.url)
            while not self._stopping.is_set():
                self._something_ended.wait()
                self._something_ended.clear()
                self._restart_dead()
            return 0
        finally:
            self._stop_all()

    def _stop_requested(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping.set()
        self._something_ended.set()

    def _start(self, name: str) -> None:
        # In a session of its own, Ctrl-C reaches only this process, which then stops its children in order.
        process = subprocess.Popen(self._commands[name], start_new_session=True)  # nosec B603  # our own commands
        self._processes[name], self._started_at[name] = process, time.monotonic()
        threading.Thread(target=self._tell_of_its_end, args=(process,), daemon=True).start()

    def _tell_of_its_end(self, process: subprocess.Popen[bytes]) -> None:
        process.wait()
        self._something_ended.set()

    def _wait_until_ready(self) -> bool:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and not self._stopping.is_set():
            if self._processes["web"].poll() is not None:
                return False
            if self._answers():
                return True
            time.sleep(0.1)
        return False

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/healthz", timeout=1) as answer:  # nosec B310  # our own http
                return bool(answer.status == 200)
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            return False

    def _restart_dead(self) -> None:
        for name, process in list(self._processes.items()):
            if process.poll() is not None:
                hasty = time.monotonic() - self._started_at[name] < HASTY_SECONDS
                if self._stopping.wait(BREAK_SECONDS if hasty else 0):
                    return
                print(f"The {name} process ended with code {process.returncode}; starting it again.", flush=True)
                self._start(name)

    def _stop_all(self) -> None:
        for process in self._processes.values():
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in self._processes.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
