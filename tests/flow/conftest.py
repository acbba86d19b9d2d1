"""The product as a person runs it: `peft-atlas up` in a home of its own, and a page in a real browser."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI

from peft_core import assets

Start = Callable[..., AbstractContextManager[str]]
Serve = Callable[[FastAPI], AbstractContextManager[str]]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(home: Path, *, python_path: Path | None = None, key: bool = False) -> Iterator[str]:
    """`peft-atlas up` until the block ends; its address. key: whether it asks for the home's first-visit key."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PEFT_ATLAS_")}
    environment["PEFT_ATLAS_HOME"] = str(home)
    if python_path is not None:
        environment["PYTHONPATH"] = str(python_path)
    options = ["--no-browser", "--no-quickstart", "--key" if key else "--no-key"]
    command = [sys.executable, "-m", "app.cli", "up", "--port", str(port), *options]
    process = subprocess.Popen(command, env=environment, cwd=python_path)
    try:
        wait_for(f"http://127.0.0.1:{port}", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        assert process.wait(20) == 0


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"{url}/api/v1/healthz", timeout=1).close()
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server never answered"
            time.sleep(0.1)
        else:
            return


@contextmanager
def serving(app: FastAPI, port: int = 0) -> Iterator[str]:
    """An application of this process at an address of its own, until the block ends."""
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", ws="websockets-sansio")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    while not server.started:
        thread.join(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
        app.state.engine.dispose()


@pytest.fixture
def start() -> Start:
    return running


@pytest.fixture(scope="session")
def serve() -> Serve:
    return serving


@pytest.fixture
def few_tweets(tmp_path: Path) -> Path:
    """A home whose datasets hold a hundred real tweets as few.csv."""
    (tmp_path / "datasets").mkdir()
    lines = assets.tasks()["tweets"].dataset.read_text(encoding="utf-8").splitlines()
    (tmp_path / "datasets" / "few.csv").write_text("\n".join(lines[:121]) + "\n", encoding="utf-8")
    return tmp_path
