"""How fast the product answers, at several sizes and on both databases, with other products beside it.

    python -m benchmarks.serving --peers var/peers
    python -m benchmarks.serving --only L1,L2 --runs 10000 --database sqlite --minutes 1

Each part replaces its own figures in docs/benchmarks/serving.json and the tables of docs/benchmarks/serving.md, so that
it can be taken up again where it ended. Nothing is asserted about time. With everything: about 50 minutes, at most two
hours, for every part of a load has a limit of 15 seconds; L6 takes --minutes and L7 as much again and the time of
six short trainings, at one size.
"""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from benchmarks.serving.figures import Book, Figure, as_markdown
from benchmarks.serving.loads import creating, pages, points, search, series, starting, watching
from benchmarks.serving.loads.target import Target
from benchmarks.serving.products import mlflow, optuna
from benchmarks.serving.products.atlas import Atlas, serving, settle
from benchmarks.serving.products.peers import install
from benchmarks.serving.products.product import Process, Product
from tests.postgres import SETTINGS, running_postgres

PAGE = Path("docs/benchmarks/serving.md")
FIGURES = PAGE.with_suffix(".json")
GENERATED = "<!-- What follows is written by benchmarks/serving. -->\n"
SIZES = (1_000, 10_000, 50_000)
WATCHED_RUNS = 10_000
"""The size at which L6 and L7 are measured."""
LOADS = ("L1", "L2", "L3", "L4", "L5", "L6", "L7", "L8", "L9", "pages")
SAFE = dict(SETTINGS) | {"fsync": "on"}
"""As a server is run whose data matter."""


def main() -> None:
    arguments = _arguments()
    wanted = set(arguments.only.split(","))
    book = Book.open(FIGURES)
    for database in arguments.database:
        for runs in arguments.runs:
            book.add(_measured(database, runs, wanted, arguments.minutes))
    if arguments.peers is not None:
        programs = install(arguments.peers)
        for peer in (mlflow, optuna):
            for runs in arguments.runs:
                book.add(_of_peer(peer.filled(programs, runs), runs, wanted))
    before = PAGE.read_text().partition(GENERATED)[0] if PAGE.exists() else "# Serving\n\n"
    PAGE.write_text(f"{before}{GENERATED}\n{as_markdown(book.figures)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--only", default=",".join(LOADS), help="loads, with commas between")
    parser.add_argument("--runs", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--database", nargs="+", choices=("sqlite", "postgres"), default=["sqlite", "postgres"])
    parser.add_argument("--minutes", type=float, default=5.0, help="of L6 and L7")
    parser.add_argument(
        "--peers", type=Path, help="a virtual environment with the other products; made if it is absent"
    )
    return parser.parse_args()


def _measured(database: str, runs: int, wanted: set[str], minutes: float) -> Iterator[Figure]:
    """All wanted figures of the product on one database at one size."""
    with _empty_database(database) as (home, url):
        settled = settle(home, url, runs)
        with serving(home, url) as (address, process):
            target = Target(Atlas(address, settled, process), database, runs)
            yield from _common(target, wanted)
            if "pages" in wanted:
                yield from pages.measure(target)
            if wanted & {"L6", "L7"} and runs == WATCHED_RUNS:
                yield from watching.measure(target, minutes, training="L7" in wanted)
        if "L9" in wanted:
            yield from starting.measure(target, partial(_started, home, url))


def _common(target: Target, wanted: set[str]) -> Iterator[Figure]:
    """What peers are asked for too; what writes comes last, for it makes the database grow."""
    if wanted & {"L1", "L2", "L8"}:
        yield from search.measure(target)
    for load, measure in (("L3", series.measure), ("L4", creating.measure), ("L5", points.measure)):
        if load in wanted:
            yield from measure(target)


def _of_peer(peer: "mlflow.Filled | optuna.Filled", runs: int, wanted: set[str]) -> Iterator[Figure]:
    with ExitStack() as stack:
        product: Product = stack.enter_context(peer.serving())
        target = Target(product, "sqlite", runs)
        yield from _common(target, wanted)
        stack.close()
        if "L9" in wanted:
            yield from starting.measure(target, peer.started)


@contextmanager
def _started(home: Path, url: str | None) -> Iterator[Process]:
    with serving(home, url) as (_, process):
        yield process


@contextmanager
def _empty_database(kind: str) -> Iterator[tuple[Path, str | None]]:
    """A home, and PostgreSQL's address where it is that."""
    with tempfile.TemporaryDirectory(prefix="peft-atlas-serving-") as folder, ExitStack() as stack:
        home = Path(folder) / "home"
        home.mkdir()
        if kind == "sqlite":
            yield home, None
        else:
            yield home, stack.enter_context(running_postgres(SAFE)).make_database(migrated=False)


if __name__ == "__main__":
    main()
