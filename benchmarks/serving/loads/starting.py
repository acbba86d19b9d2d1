"""L9: from the command to the first answer."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from statistics import median

from benchmarks.serving.figures import Figure
from benchmarks.serving.loads.target import Target, settle_down
from benchmarks.serving.products.product import Process

STARTS = 3
Start = Callable[[], AbstractContextManager[Process]]


def measure(target: Target, start: Start) -> Iterator[Figure]:
    """The median of three starts on the filled database, files in the system's cache."""
    took = []
    for _ in range(STARTS):
        settle_down()
        with start() as process:
            took.append(process.first_answer_seconds)
    yield target.figure("cold_start", round(median(took), 2), note="")
