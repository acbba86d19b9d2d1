"""PEFT Atlas as it is shipped: `peft-atlas serve`, with accounts, two teams, and a member's API token."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count as counting
from pathlib import Path

from sqlalchemy import Engine

from app.db.migrate import migrate
from app.db.session import make_engine, system_session
from app.db.tables import Team
from app.services.accounts import sessions, tokens, users
from app.services.callers import Caller
from app.settings import Settings
from benchmarks.serving.clients import Request, connect, send
from benchmarks.serving.filling import Filled, fill
from benchmarks.serving.products.product import Process, free_port, running

API = "/api/v1"
PASSWORD = "three old wooden boats"
BATCH = 5_000
ONE_CALL = {
    "task_performance": 0.9,
    "trainable_parameters": 73_728,
    "storage_bytes": 893_200,
    "training_speed": 4_480.0,
    "inference_latency": 0.0039,
    "inference_latency_p95": 0.0051,
    "peak_memory": 188_700_000,
    "simplicity": 0.59,
}


class Atlas:
    """Filled and running."""

    name = "PEFT Atlas"

    def __init__(self, url: str, settled: "Settled", process: Process) -> None:
        self.url, self.settled, self.process = url, settled, process
        self.filled = settled.filled
        self.headers = {"authorization": f"Bearer {settled.token}"}
        self._seeds, self._steps = counting(1_000), counting(1)

    def search(self) -> Request:
        wanted = "status=succeeded&method=lora&metric=task_performance&order=highest&limit=100"
        return Request("GET", f"{API}/runs?{wanted}")

    def series(self, points: int) -> Request:
        return Request("GET", f"{API}/runs/{self.filled.long_run}/series?key=long_loss&max_points={points}")

    def pages(self) -> dict[str, list[Request]]:
        """What each page asks when it is opened."""
        study, run = self.filled.study, self.filled.long_run
        return {
            "Overview": [Request("GET", f"{API}/studies?limit=50")],
            "Queue": [Request("GET", f"{API}/runs?status=queued,running"), Request("GET", f"{API}/runs?order=newest")],
            "Study": [Request("GET", f"{API}/studies/{study}"), Request("GET", f"{API}/studies/{study}/comparison")],
            "Run": [Request("GET", f"{API}/runs/{run}"), Request("GET", f"{API}/runs/{run}/curves")],
        }

    def creations(self, count: int) -> list[Request]:
        return [self.creation(1) for _ in range(count)]

    def creation(self, runs: int) -> Request:
        """One call with so many runs and all their values."""
        row = self.filled.grown_row
        items = [{"configuration": row, "seed": next(self._seeds), "metrics": ONE_CALL} for _ in range(runs)]
        body = json.dumps({"items": items}).encode()
        return Request("POST", f"{API}/studies/{self.filled.grown_study}/runs", body, "write")

    def point_batches(self, count: int) -> tuple[list[Request], int]:
        run = self.new_run()
        return [self.points(run, BATCH) for _ in range(count)], BATCH

    def single_points(self, count: int) -> list[Request]:
        run = self.new_run()
        return [self.points(run, 1) for _ in range(count)]

    def new_run(self) -> int:
        """An imported run, to which points may be written."""
        connection = connect(self.url)
        status, body = send(connection, self.headers, self.creation(1))
        connection.close()
        assert status == 201, body
        made: int = json.loads(body)["items"][0]["id"]
        return made

    def points(self, run: int, count: int) -> Request:
        """So many values of a run's training loss, at steps that it has none of."""
        items = [{"key": "train_loss", "step": next(self._steps), "value": 0.1234567} for _ in range(count)]
        return Request("POST", f"{API}/runs/{run}/points", json.dumps({"items": items}).encode(), "write")


def start_command(port: int) -> list[str]:
    """The shipped configuration."""
    return [sys.executable, "-m", "app.cli", "serve", "--port", str(port)]


@contextmanager
def serving(home: Path, database: str | None) -> Iterator[tuple[str, Process]]:
    """The product on a home and a database, until the block ends."""
    environment = {"PEFT_ATLAS_HOME": str(home)} | ({"PEFT_ATLAS_DATABASE_URL": database} if database else {})
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with running(
        start_command(port), url=url, first=f"{API}/healthz", environment=environment, log=home / "serve.log"
    ) as process:
        yield url, process


@dataclass(frozen=True)
class Settled:
    """A home with people, teams and runs; a member's API token, and a session of theirs for a browser."""

    home: Path
    database: str
    filled: Filled
    token: str
    session: str


def settle(home: Path, database: str | None, runs: int) -> Settled:
    """All of it in an empty home, and on an empty database or SQLite in the home."""
    settings = Settings(home=home, database_url=database)
    migrate(settings.database)
    engine = make_engine(settings.database)
    token, session = _member(engine)
    filled = fill(engine, runs)
    engine.dispose()
    return Settled(home, settings.database, filled, token, session)


def _member(engine: Engine) -> tuple[str, str]:
    with system_session(engine) as session:
        session.add(Team(slug="another"))
    users.add_user(engine, "operator", PASSWORD, operator=True, role="admin")
    member = users.add_user(engine, "member", PASSWORD)
    users.add_user(engine, "stranger", PASSWORD, team="another", role="admin")
    caller = Caller(team_id=1, user="member", role="member", user_id=member)
    token = tokens.create_token(engine, caller, "benchmark", "write", None)[1]
    return token, sessions.begin_session(engine, member).token
