"""The web process told to stop: what is being answered is finished, websockets are closed, the exit code is 0."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin

from app.settings import Settings
from tests.faults.processes import answers, end, free_port, wait_until

SLOW_SECONDS = 1.5
SLOW_WEB = f"""
import time
import fastapi
import app.main
made = app.main.create_app
def create_app(settings=None):
    app = made(settings)
    @app.get("/api/v1/slow")
    def slow() -> str:
        time.sleep({SLOW_SECONDS})
        return "done"
    @app.get("/api/v1/endless")
    def endless() -> str:
        time.sleep(20)
        return "never"
    @app.get("/api/v1/seen")
    def seen(request: fastapi.Request) -> list[str]:
        return [request.url.scheme, request.client.host]
    app.router.routes[:0] = [app.router.routes.pop() for _ in range(3)]
    return app
app.main.create_app = create_app
from app.web import main
main()
"""
"""The real web process with three routes more: one is slow, one nobody would wait for, one says whom it sees."""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@contextmanager
def slow_web(settings: Settings, log: Path, **variables: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    port = free_port()
    environment = {"PEFT_ATLAS_HOME": str(settings.home_folder), "PATH": "", "HF_HUB_OFFLINE": "1", **variables}
    command = [sys.executable, "-c", SLOW_WEB, "--port", str(port)]
    with log.open("wb") as errors:
        process = subprocess.Popen(command, env=environment, stderr=errors, cwd=Path(__file__).resolve().parents[2])
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(url) or process.poll() is not None)
        yield process, url
    finally:
        end(process)


def asked(url: str, into: list[Any]) -> threading.Thread:
    def ask() -> None:
        try:
            into.append(httpx.get(url, timeout=30))
        except httpx.TransportError as error:
            into.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    return thread


def told(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_finishes_what_it_answers_closes_websockets_and_ends_well(
    settings: Settings, log: Path, number: signal.Signals
) -> None:
    found: list[Any] = []
    with slow_web(settings, log) as (process, url):
        with connect(f"{url.replace('http', 'ws')}/_live", origin=Origin(url), close_timeout=1) as websocket:
            asking = asked(f"{url}/api/v1/slow", found)
            time.sleep(0.3)
            process.send_signal(number)
            began = time.monotonic()
            with pytest.raises(ConnectionClosed) as closed:
                websocket.recv(timeout=5)
        assert process.wait(10) == 0
        seconds = time.monotonic() - began
        asking.join(10)
    print(f"ended {seconds:.2f} s after the signal")
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code in (1001, 1012)
    assert found[0].json() == "done"
    assert seconds < SLOW_SECONDS + 1
    lines = told(log)
    assert [line["event"] for line in lines if line["event"].startswith("web_")] == ["web_started", "web_stopped"]
    assert not [line for line in lines if line["level"] == "error"]


@pytest.mark.slow
def test_what_takes_too_long_is_not_waited_for(settings: Settings, log: Path) -> None:
    found: list[Any] = []
    with slow_web(settings, log, PEFT_ATLAS_STOP_SECONDS="1") as (process, url):
        asking = asked(f"{url}/api/v1/endless", found)
        time.sleep(0.3)
        process.terminate()
        began = time.monotonic()
        assert process.wait(10) == 0
        seconds = time.monotonic() - began
        asking.join(10)
    print(f"ended {seconds:.2f} s after the signal")
    assert seconds < 4


def test_it_is_not_ready_while_it_leaves_and_still_answers(settings: Settings, log: Path) -> None:
    with slow_web(settings, log, PEFT_ATLAS_LEAVE_SECONDS="1.5") as (process, url):
        assert httpx.get(f"{url}/api/v1/readyz").status_code == 200
        process.terminate()
        time.sleep(0.3)
        leaving = httpx.get(f"{url}/api/v1/readyz")
        assert leaving.status_code == 503
        assert "told to stop" in leaving.json()["detail"]
        assert httpx.get(f"{url}/api/v1/healthz").status_code == 200
        assert httpx.get(f"{url}/api/v1/studies").status_code == 200
        assert process.wait(10) == 0


def test_a_taken_port_ends_it_with_another_code(settings: Settings, log: Path) -> None:
    with slow_web(settings, log) as (_, url):
        port = url.rpartition(":")[2]
        second = subprocess.run(
            [sys.executable, "-m", "app.web", "--port", port],
            env={"PEFT_ATLAS_HOME": str(settings.home_folder), "PATH": "", "PEFT_ATLAS_LOG": "json"},
            cwd=Path(__file__).resolve().parents[2],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert second.returncode not in (0, None)
    assert all(json.loads(line) for line in second.stderr.splitlines())


def test_only_a_proxy_that_is_trusted_is_believed(settings: Settings, log: Path) -> None:
    forwarded = {"x-forwarded-for": "192.0.2.7", "x-forwarded-proto": "https"}
    with slow_web(settings, log) as (_, url):
        assert httpx.get(f"{url}/api/v1/seen", headers=forwarded).json() == ["http", "127.0.0.1"]
    with slow_web(settings, log, PEFT_ATLAS_TRUSTED_PROXIES="10.0.0.0/8,127.0.0.1") as (_, url):
        assert httpx.get(f"{url}/api/v1/seen", headers=forwarded).json() == ["https", "192.0.2.7"]
        twice = {"x-forwarded-for": "203.0.113.9, 192.0.2.7"}  # The first is what the client itself claimed.
        assert httpx.get(f"{url}/api/v1/seen", headers=twice).json() == ["http", "192.0.2.7"]
