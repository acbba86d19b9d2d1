"""What starting the web process costs: no torch, little memory, a quick first answer, styles on any first page."""

import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests.flow.conftest import free_port, wait_for


def test_importing_the_web_app_imports_no_torch() -> None:
    heavy = ("torch", "transformers", "peft", "scipy.stats")
    program = f"import sys, app.main, app.ui.shell; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.slow
def test_the_web_process_starts_quickly_and_idles_small(home: Path) -> None:
    port = free_port()
    environment = os.environ | {"PEFT_ATLAS_HOME": str(home)}
    command = [sys.executable, "-m", "app.web", "--port", str(port)]
    subprocess.run([sys.executable, "-m", "app.cli", "migrate"], env=environment, check=True, capture_output=True)
    started = time.monotonic()
    process = subprocess.Popen(command, env=environment)
    try:
        wait_for(f"http://127.0.0.1:{port}", process)
        seconds = time.monotonic() - started
        for path in ("/", "/api/v1/methods", "/api/v1/studies"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30).close()
        memory_bytes = psutil.Process(process.pid).memory_info().rss
    finally:
        process.terminate()
        process.wait(10)
    assert seconds <= 3
    assert memory_bytes <= 250e6
