"""An answer over a connection that is kept open is not held back by the network stack.

With several workers on plain asyncio, uvicorn 0.54 sets TCP_NODELAY on no connection: each answer then waits 44 ms.
"""

import http.client
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from tests.flow.conftest import free_port, wait_for

SLOWEST_SECONDS = 0.005
ASKED = 200


def test_healthz_of_a_served_home_takes_less_than_five_milliseconds(home: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "app.cli", "serve", "--port", str(port)]
    process = subprocess.Popen(command, env=os.environ | {"PEFT_ATLAS_HOME": str(home)}, stdout=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{port}", process)
        assert median(_answers(port)) <= SLOWEST_SECONDS
    finally:
        process.terminate()
        assert process.wait(20) == 0


def _answers(port: int) -> list[float]:
    """Seconds of each of many requests over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    took = []
    for _ in range(ASKED):
        began = time.perf_counter()
        connection.request("GET", "/api/v1/healthz")
        answer = connection.getresponse()
        answer.read()
        took.append(time.perf_counter() - began)
        assert answer.status == 200
        assert not answer.will_close
    connection.close()
    return took
