"""Reading an uploaded dataset in a process of its own, which may use so much memory and time and write nothing.

`python -m app.services.dataset_reading` is that process: a JSON request on its standard input, a JSON answer on its
standard output. What people upload is parsed nowhere else in the web service. It is told nothing of the environment,
in which tokens may stand, and imports no torch.
"""

import json
import resource
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.errors import Invalid, Unavailable
from peft_core.errors import InvalidDataset

ADDRESS_SPACE_BYTES = 1_500 * 2**20
"""What the interpreter, numpy and pyarrow reserve is 700 MiB of it."""
CPU_SECONDS = 20
WALL_SECONDS = 40
_READING = threading.BoundedSemaphore(2)
"""Files that are read at the same time."""
_IN_LINE = threading.BoundedSemaphore(8)
"""Those, and the requests that wait for them: each holds one of the threads that serve everybody."""

Answer = dict[str, Any]


def read_apart(request: dict[str, Any], *, field: str) -> Answer:
    """What the reading process answers. Raises Invalid, about `field`, for what it refuses and where it is stopped, and
    Unavailable where too many files are being read."""
    with _turn():
        answer = _read(request, field)
    if "refused" in answer:
        raise Invalid(answer["refused"], field=field)
    return answer


@contextmanager
def _turn() -> Iterator[None]:
    if not _IN_LINE.acquire(blocking=False):
        raise Unavailable("Other files are being read just now. Nothing was changed; send this one again in a minute.")
    try:
        with _READING:
            yield
    finally:
        _IN_LINE.release()


def _read(request: dict[str, Any], field: str) -> Answer:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    try:
        done = subprocess.run(  # nosec B603  # our own module; what was uploaded is only its input
            [sys.executable, "-B", "-m", "app.services.dataset_reading"],
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=WALL_SECONDS,
            env=threads | {"ARROW_DEFAULT_MEMORY_POOL": "system"},
            cwd=Path(__file__).parents[2],
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Invalid(_too_much(), field=field) from None
    if done.returncode != 0:
        raise Invalid(_too_much(), field=field)
    answer: Answer = json.loads(done.stdout)
    return answer


def _too_much() -> str:
    return (
        f"Reading this file took more than {CPU_SECONDS} seconds or {ADDRESS_SPACE_BYTES // 2**20} MiB and was"
        " stopped. Give a smaller or plainer file."
    )


def _limit_this_process() -> None:
    for limit, most in (
        (resource.RLIMIT_AS, ADDRESS_SPACE_BYTES),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))


def _look(request: dict[str, Any]) -> Answer:
    from peft_core.dataset_look import look

    seen = look(Path(request["file"]), most_rows=request["most_rows"])
    columns = []
    for column in seen.columns:
        shortest, median, longest = column.length or (None, None, None)
        columns.append(
            {
                "name": column.name,
                "kind": column.kind,
                "filled": column.filled,
                "distinct": column.distinct,
                "counts": column.counts,
                "shortest": shortest,
                "median": median,
                "longest": longest,
            }
        )
    return {"rows": seen.rows, "columns": columns, "head": seen.head}


def _map(request: dict[str, Any]) -> Answer:
    """The file as a kind of task: how many items, of which classes, in which splits."""
    from peft_core.data import read_rows
    from peft_core.spec import Columns
    from peft_core.splits import default_splits, split_rows, without_duplicates
    from peft_core.task import task_kind

    kind, columns = task_kind(request["kind"]), Columns.model_validate(request["columns"])
    rows = read_rows(Path(request["file"]), kind=kind, columns=columns)
    unique = without_duplicates(rows)
    splits = default_splits(unique)
    kind.check_splits(split_rows(unique, splits, kind))
    classes = Counter(row.label for row in unique) if kind.labels(unique, columns) else Counter()
    return {
        "items": len(unique),
        "duplicates_removed": len(rows) - len(unique),
        "labels": dict(classes.most_common()),
        "splits": splits.model_dump(),
    }


READINGS: dict[str, Callable[[dict[str, Any]], Answer]] = {"look": _look, "map": _map}


def main() -> None:
    """Answer the one request, under limits that nothing after them can raise."""
    request = json.loads(sys.stdin.buffer.read())
    reading = READINGS[request["reading"]]
    _limit_this_process()
    try:
        answer = reading(request)
    except InvalidDataset as error:
        answer = {"refused": str(error)}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
