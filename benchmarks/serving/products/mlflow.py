"""MLflow's tracking server as its own command starts it, without accounts, for it has none unless they are added."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count as counting
from pathlib import Path

from benchmarks.serving.clients import MADE, Request, connect, send
from benchmarks.serving.filling import LONG_STEPS
from benchmarks.serving.products.atlas import ONE_CALL
from benchmarks.serving.products.peers import fill, version_of
from benchmarks.serving.products.product import Missing, Process, free_port, running

API = "/api/2.0/mlflow"
LONG_RUN = "0123456789abcdef0123456789abcdef"
EXPERIMENT = "1"
NOW = 1_772_442_000_000
BATCH = 1_000
"""What a request of its API may carry."""


class MLflow:
    """Filled and running."""

    headers: dict[str, str] = {}

    def __init__(self, name: str, url: str, process: Process) -> None:
        self.name, self.url, self.process = name, url, process
        self._steps = counting(1)

    def search(self) -> Request:
        asked = {
            "experiment_ids": [EXPERIMENT],
            "filter": "params.method = 'lora' and attributes.status = 'FINISHED'",
            "order_by": ["metrics.task_performance DESC"],
            "max_results": 100,
        }
        return Request("POST", f"{API}/runs/search", json.dumps(asked).encode())

    def series(self, points: int) -> Request:
        if points >= LONG_STEPS:
            asked = f"run_id={LONG_RUN}&metric_key=long_loss&max_results={LONG_STEPS}"
            return Request("GET", f"{API}/metrics/get-history?{asked}")
        asked = f"run_ids={LONG_RUN}&metric_key=long_loss&max_results={points}"
        return Request("GET", f"/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval?{asked}")

    def creations(self, count: int) -> list[Request]:
        """A run takes three requests: made, given its values, finished."""
        values = [{"key": key, "value": value, "timestamp": NOW, "step": 0} for key, value in ONE_CALL.items()]
        params = [{"key": "method", "value": "lora"}, {"key": "seed", "value": "1"}]
        given = {"run_id": MADE.decode(), "metrics": values, "params": params}
        ended = {"run_id": MADE.decode(), "status": "FINISHED", "end_time": NOW + 1}
        then = (
            Request("POST", f"{API}/runs/log-batch", json.dumps(given).encode()),
            Request("POST", f"{API}/runs/update", json.dumps(ended).encode()),
        )
        begun = json.dumps({"experiment_id": EXPERIMENT, "start_time": NOW}).encode()
        made_at = ("run", "info", "run_id")
        return [Request("POST", f"{API}/runs/create", begun, "write", made_at, then) for _ in range(count)]

    def creation(self, runs: int) -> Request:
        raise Missing("a request creates one run")

    def point_batches(self, count: int) -> tuple[list[Request], int]:
        return [self._points(BATCH) for _ in range(count)], BATCH

    def single_points(self, count: int) -> list[Request]:
        run = self._new_run()
        return [
            Request("POST", f"{API}/runs/log-metric", json.dumps({"run_id": run} | self._point()).encode(), "write")
            for _ in range(count)
        ]

    def _points(self, points: int) -> Request:
        given = {"run_id": LONG_RUN, "metrics": [self._point() for _ in range(points)]}
        return Request("POST", f"{API}/runs/log-batch", json.dumps(given).encode(), "write")

    def _point(self) -> dict[str, object]:
        step = next(self._steps)
        return {"key": "train_loss_again", "value": 0.1234567, "timestamp": NOW + step, "step": step}

    def _new_run(self) -> str:
        connection = connect(self.url)
        status, body = send(connection, {}, self.creations(1)[0])
        connection.close()
        if status >= 400:
            raise RuntimeError(f"{status} {body[:300]!r}")
        made: str = json.loads(body)["run"]["info"]["run_id"]
        return made


@dataclass(frozen=True)
class Filled:
    """Its database, and how it is started on it."""

    programs: Path
    folder: Path
    name: str

    @contextmanager
    def serving(self) -> Iterator[MLflow]:
        """Until the block ends."""
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        command = [str(self.programs / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port)]
        command += ["--backend-store-uri", database(self.folder), "--default-artifact-root", str(self.folder / "files")]
        path = f"{self.programs}:/usr/bin:/bin"
        with running(command, url=url, first="/health", environment={"PATH": path}, log=self.folder / "log") as process:
            yield MLflow(self.name, url, process)

    @contextmanager
    def started(self) -> Iterator[Process]:
        """The same, for how long it takes."""
        with self.serving() as product:
            yield product.process


def filled(programs: Path, runs: int) -> Filled:
    """Its database with so many runs, in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="peft-atlas-mlflow-"))
    fill(programs, "fill_mlflow.py", database(folder), str(folder / "files"), str(runs), LONG_RUN, str(LONG_STEPS))
    return Filled(programs, folder, f"MLflow {version_of(programs, 'mlflow')}")


def database(folder: Path) -> str:
    """Its address."""
    return f"sqlite:///{folder / 'mlflow.db'}"
