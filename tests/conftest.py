"""What every test stands on: no model hub, a home of its own, and a browser that cannot be missing unnoticed."""

import contextlib
import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from sqlalchemy import Engine

    from app.settings import Settings
    from peft_core.hub_access import Hub
    from tests.hub_server import HubServer
    from tests.postgres import Postgres

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("PLAYWRIGHT_BROWSERS_PATH", "0")

REQUIRED = frozenset(os.environ.get("PEFT_ATLAS_TESTS_REQUIRE", "").replace(",", " ").split())
"""Markers whose tests may not be skipped; continuous integration sets them."""

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skip of a required kind of test is a failure."""
    report = yield
    required = REQUIRED & {marker.name for marker in item.iter_markers()}
    if report.skipped and required and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"Skipped, which PEFT_ATLAS_TESTS_REQUIRE={','.join(sorted(required))} forbids. {reason}"
    return report


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty PEFT_ATLAS_HOME; no other setting of the caller's environment reaches the test."""
    for name in [name for name in os.environ if name.startswith("PEFT_ATLAS_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("PEFT_ATLAS_HOME", str(folder))
    return folder


@pytest.fixture
def hub_server(monkeypatch: pytest.MonkeyPatch) -> "Iterator[HubServer]":
    """A model hub on loopback, and no other token than a test's own. Requests are allowed as in a process that was
    started without HF_HUB_OFFLINE."""
    from tests.hub_server import HubServer

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
    with HubServer().running() as running:
        yield running


@pytest.fixture
def hub(hub_server: "HubServer", tmp_path: Path) -> "Hub":
    """The same hub as a program reaches it, with an empty cache."""
    from peft_core.hub_access import Hub

    return Hub(endpoint=hub_server.url, cache=tmp_path / "cache")


@pytest.fixture(scope="session")
def postgres() -> "Iterator[Postgres]":
    """A real PostgreSQL server for the whole session; each test makes its own databases there."""
    from tests.postgres import NoPostgres, running_postgres

    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(running_postgres())
        except NoPostgres as missing:
            pytest.skip(str(missing))
        yield server


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
def settings(home: Path, database: str | None) -> "Settings":
    from app.settings import Settings

    return Settings(home=home, database_url=database)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database of the newest revision. A thousand tests begin with a copy, which takes a hundredth of what
    migrating takes."""
    from app.db.migrate import migrate

    file = tmp_path_factory.mktemp("migrated") / "atlas.sqlite"
    migrate(f"sqlite:///{file}")
    return file


@pytest.fixture
def engine(settings: "Settings", migrated: Path) -> "Iterator[Engine]":
    from app.db.migrate import is_current, migrate
    from app.db.session import make_engine

    file = settings.home_folder / "atlas.sqlite"
    if settings.database_url is None and not file.exists():
        shutil.copy(migrated, file)
    engine = make_engine(settings.database)
    if not is_current(engine):
        migrate(settings.database)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The browser's executable: the system's, else the one Playwright downloaded. Skips where there is neither."""
    for name in CHROMIUM_NAMES:
        if found := shutil.which(name):
            return Path(found)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        downloaded = Path(playwright.chromium.executable_path)
    if not downloaded.is_file():
        pytest.skip("There is no Chromium: install it, or run `make test`, which tries to.")
    return downloaded


@pytest.fixture(scope="module")
def browser(chromium: Path) -> "Iterator[Browser]":
    """A running Chromium. It ends with the module, for while Playwright lives no other event loop can run."""
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        try:
            running = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_FLAGS))
        except Error as error:
            pytest.skip(f"{chromium} does not start: {error.message.splitlines()[0]}")
        yield running
        running.close()
