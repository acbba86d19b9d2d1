"""healthz says that the process answers, whatever is broken; readyz says within five seconds that it cannot work."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, text

from app.settings import Settings
from tests.databases import on_both_databases
from tests.faults.processes import Started, wait_until, web
from tests.postgres import Postgres, running_postgres

pytestmark = pytest.mark.faults

TOLD_SECONDS = 5.0
RECOVERS_SECONDS = 10.0


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A server that the test may end."""
    with running_postgres() as server:
        yield server


def status_of(started: Started, name: str) -> tuple[int, float]:
    """What it answers, and after how many seconds."""
    began = time.monotonic()
    answer = httpx.get(f"{started.url}/api/v1/{name}", timeout=30)
    return answer.status_code, time.monotonic() - began


def assert_told(started: Started) -> None:
    """It says so in time, and that it lives at once."""
    began = time.monotonic()
    wait_until(lambda: status_of(started, "readyz")[0] == 503, TOLD_SECONDS)
    told_seconds = time.monotonic() - began
    status, alive_seconds = status_of(started, "healthz")
    print(f"readyz 503 after {told_seconds:.2f} s, healthz in {1000 * alive_seconds:.1f} ms")
    assert told_seconds <= TOLD_SECONDS
    assert status == 200
    assert alive_seconds < 0.5


@pytest.mark.postgres
def test_a_server_that_hangs_is_told_in_time_and_its_return_too(postgres: Postgres, home: Path) -> None:
    settings = Settings(home=home, database_url=postgres.make_database())
    with web(settings) as started:
        assert status_of(started, "readyz")[0] == 200
        with postgres.paused():
            for _ in range(2):
                assert_told(started)
        wait_until(lambda: status_of(started, "readyz")[0] == 200, RECOVERS_SECONDS)
    postgres.drop_database(settings.database)


@pytest.mark.postgres
def test_a_server_that_was_stopped_is_told_at_once(own_postgres: Postgres, home: Path) -> None:
    settings = Settings(home=home, database_url=own_postgres.make_database())
    with web(settings) as started:
        assert status_of(started, "readyz")[0] == 200
        own_postgres.process.send_signal(signal.SIGINT)
        own_postgres.process.wait(10)
        assert_told(started)


@on_both_databases
def test_a_database_of_another_revision_is_told(engine: Engine, settings: Settings) -> None:
    with web(settings) as started:
        assert status_of(started, "readyz")[0] == 200
        with engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '0004'"))
        assert_told(started)
        refusal = httpx.get(f"{started.url}/api/v1/readyz").json()
        assert "peft-atlas migrate" in refusal["detail"]
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM alembic_version"))
        assert_told(started)
