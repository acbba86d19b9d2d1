"""A real application on a real database in an empty home."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from app.db.migrate import migrate
from app.db.session import make_engine
from app.main import create_app
from app.settings import Settings
from tests.postgres import Postgres


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """The URL of an empty database where a test asks for PostgreSQL (tests/databases.py), else None: SQLite at home."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield None
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = server.make_database()
    yield url
    server.drop_database(url)


@pytest.fixture
def settings(home: Path, database: str | None) -> Settings:
    return Settings(home=home, database_url=database)


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    migrate(settings.database)
    engine = make_engine(settings.database)
    yield engine
    engine.dispose()


@pytest.fixture
def web(settings: Settings) -> Iterator[FastAPI]:
    app = create_app(settings)
    yield app
    app.state.engine.dispose()


@pytest.fixture
async def api(web: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client that sees what a program on this machine sees."""
    transport = httpx.ASGITransport(app=web, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client
