"""optuna-dashboard: it shows studies of Optuna's storage, of which trials are what comes nearest to runs."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.clients import Request
from benchmarks.serving.products.peers import fill, version_of
from benchmarks.serving.products.product import Missing, Process, free_port, running


class OptunaDashboard:
    """Filled and running."""

    headers: dict[str, str] = {}

    def __init__(self, name: str, url: str, process: Process, trials: int) -> None:
        self.name, self.url, self.process = name, url, process
        self.search_note = f"{name}: the whole study, with {trials:,} trials, for it has no search"

    def search(self) -> Request:
        return Request("GET", "/api/studies/1?after=0")

    def series(self, points: int) -> Request:
        raise Missing("curves come with the whole study alone")

    def creations(self, count: int) -> list[Request]:
        raise Missing("its API takes no trials: Optuna's own storage does")

    def creation(self, runs: int) -> Request:
        raise Missing("its API takes no trials: Optuna's own storage does")

    def point_batches(self, count: int) -> tuple[list[Request], int]:
        raise Missing("its API takes no values: Optuna's own storage does")

    def single_points(self, count: int) -> list[Request]:
        raise Missing("its API takes no values: Optuna's own storage does")


@dataclass(frozen=True)
class Filled:
    """Its database, and how it is started on it."""

    programs: Path
    folder: Path
    name: str
    trials: int

    @contextmanager
    def serving(self) -> Iterator[OptunaDashboard]:
        """Until the block ends."""
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        command = [str(self.programs / "optuna-dashboard"), "--host", "127.0.0.1", "--port", str(port)]
        command.append(database(self.folder))
        with running(command, url=url, first="/api/studies", environment={}, log=self.folder / "log") as process:
            yield OptunaDashboard(self.name, url, process, self.trials)

    @contextmanager
    def started(self) -> Iterator[Process]:
        """The same, for how long it takes."""
        with self.serving() as product:
            yield product.process


def filled(programs: Path, runs: int) -> Filled:
    """Its database with so many trials, in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="peft-atlas-optuna-"))
    fill(programs, "fill_optuna.py", database(folder), str(runs))
    return Filled(programs, folder, f"optuna-dashboard {version_of(programs, 'optuna-dashboard')}", runs)


def database(folder: Path) -> str:
    """Its address."""
    return f"sqlite:///{folder / 'optuna.db'}"
