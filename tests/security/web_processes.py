"""Real web processes on one home, with people in its database, and what an attacker does to them."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import httpx
from sqlalchemy import Engine

from app.db.migrate import migrate
from app.db.session import make_engine, system_session
from app.services.accounts import users
from app.services.accounts.passwords import hashed
from app.services.callers import Role
from app.settings import Settings
from tests.flow.conftest import free_port, wait_for

PASSWORD = "three old wooden boats"
API = "/api/v1"


@contextmanager
def home_with(home: Path, people: dict[str, Role]) -> Iterator[Engine]:
    """The home's database with these people in its first team; the first of them operates the installation."""
    settings = Settings(home=home)
    migrate(settings.database)
    engine = make_engine(settings.database)
    kept = hashed(PASSWORD)
    with system_session(engine) as session:
        for place, (name, role) in enumerate(people.items()):
            user = users.new_user(session, name, operator=place == 0)
            user.password_hash = kept
            users.join(session, user.id, 1, role)
    yield engine
    engine.dispose()


@contextmanager
def web_processes(home: Path, count: int = 1, **environment: str) -> Iterator[list[str]]:
    """As many web processes on the home; their addresses. They end with the block. What they log lies beside the home,
    and a proxy on this machine may tell them where browsers come from."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PEFT_ATLAS_")}
    told = inherited | {"PEFT_ATLAS_HOME": str(home), "PEFT_ATLAS_TRUSTED_PROXIES": "127.0.0.1"} | environment
    with ExitStack() as stack:
        log = stack.enter_context(home.with_suffix(".log").open("ab"))
        started = [_start(stack, told, log) for _ in range(count)]
        for url, process in started:
            wait_for(url, process)
        yield [url for url, _ in started]


def _start(stack: ExitStack, environment: dict[str, str], log: IO[bytes]) -> tuple[str, subprocess.Popen[bytes]]:
    port = free_port()
    command = [sys.executable, "-m", "app.web", "--port", str(port)]
    process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    stack.callback(process.wait, 20)
    stack.callback(process.terminate)
    return f"http://127.0.0.1:{port}", process


def browser_at(url: str, *, address: str = "127.0.0.1") -> httpx.Client:
    """A browser that comes from an address, as a proxy on this machine tells it."""
    return httpx.Client(base_url=url, headers={"origin": url, "x-forwarded-for": address}, timeout=30)


def log_in(client: httpx.Client, name: str, password: str = PASSWORD) -> httpx.Response:
    """Try to."""
    return client.post(f"{API}/auth/login", json={"name": name, "password": password})


def logged_in(url: str, name: str, password: str = PASSWORD, *, address: str = "127.0.0.1") -> httpx.Client:
    """A browser that somebody has logged in with."""
    client = browser_at(url, address=address)
    answer = log_in(client, name, password)
    if answer.status_code != 200:
        client.close()
        raise AssertionError(answer.text)
    return client


def seconds_until(came_true: Callable[[], bool], since: float, within: float = 5) -> float:
    """How long it took; fails after `within`."""
    while not came_true():
        assert time.monotonic() - since < within, "it did not happen"
        time.sleep(0.02)
    return time.monotonic() - since
