"""A whole study of ours, through the product: posted into a home of its own, done by one worker."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from learning_rates import tweets
from sqlalchemy import Engine, select

from app.db.migrate import migrate
from app.db.session import make_engine, system_session
from app.db.tables import Configuration, Run
from app.schemas import MethodEntry, StudyDocument, TaskEntry
from app.services import results, studies
from app.services.callers import LOCAL
from app.services.workers import list_workers
from app.settings import Settings
from peft_core import assets
from peft_core.spec import Budget

POLL_SECONDS = 0.5


@dataclass(frozen=True)
class StudyMeasured:
    """What a study took. `probe_seconds`: cost probes, each alone on the machine, which no other contender makes."""

    wall_seconds: float
    probe_seconds: float
    runs: int
    failed: int
    precision: str | None
    test: Mapping[str, tuple[float, ...]]
    """Accuracy of each reporting run, by method."""

    @property
    def quality_seconds(self) -> float:
        return self.wall_seconds - self.probe_seconds


def document(
    methods: Sequence[str],
    *,
    seeds: int = 5,
    epochs: int = 3,
    train_items: int = 400,
    base_model: str = "minilm",
    rates: Mapping[str, float] | None = None,
) -> StudyDocument:
    """`rates`: of methods that are not tuned; all others have three tuning runs."""
    asset, splits = assets.tasks()["tweets"], tweets().splits.model_copy(update={"train": train_items})
    columns = asset.columns.model_dump()
    entries = [MethodEntry(method=name, learning_rates=[rates[name]] if rates else None) for name in methods]
    return StudyDocument(
        name=f"{len(methods)} methods, {seeds} seeds, {train_items} rows, {base_model}",
        base_model=base_model,
        task=TaskEntry(dataset=str(asset.dataset), kind=asset.kind, splits=splits, **columns),
        budget=Budget(epochs=epochs),
        seeds=seeds,
        grid_points=3,
        methods=entries,
        references=[],
    )


class Product:
    """A home folder with a worker that looks for work in it."""

    def __init__(self, home: Path) -> None:
        folder = str(assets.tasks()["tweets"].dataset.parent)
        models = os.pathsep.join(str(asset.folder.parent) for asset in assets.base_models().values())
        os.environ |= {
            "PEFT_ATLAS_HOME": str(home),
            "PEFT_ATLAS_DATASET_ROOTS": folder,
            "PEFT_ATLAS_MODEL_ROOTS": models,
        }
        self._settings = Settings()
        migrate(self._settings.database)
        self._engine = make_engine(self._settings.database)
        self._log = (home / "worker.log").open("w", encoding="utf-8")
        self._worker = subprocess.Popen([sys.executable, "-m", "app.worker"], stdout=self._log, stderr=self._log)
        while not list_workers(self._engine, LOCAL):
            time.sleep(POLL_SECONDS)

    def measure(self, asked: StudyDocument) -> StudyMeasured:
        """Launch a study and wait for its end."""
        started = time.perf_counter()
        number = studies.create_study(self._engine, self._settings, LOCAL, asked)
        while (view := results.study_view(self._engine, LOCAL, number)).status in ("queued", "running"):
            if self._worker.poll() is not None:
                sys.exit(f"The worker has ended: see {self._log.name}")
            time.sleep(POLL_SECONDS)
        wall = time.perf_counter() - started
        runs = runs_of(self._engine, number)
        return StudyMeasured(
            wall_seconds=wall,
            probe_seconds=covered([(run.started_at, run.ended_at) for run, _ in runs if run.purpose == "probe"]),
            runs=len(runs),
            failed=view.counts.failed,
            precision=view.precision,
            test=reported(self._engine, number),
        )

    def close(self) -> None:
        self._worker.send_signal(signal.SIGTERM)
        self._worker.wait()
        self._log.close()
        self._engine.dispose()


def runs_of(engine: Engine, study: int) -> list[tuple[Run, str]]:
    """Every run of a study with its method."""
    with system_session(engine) as session:
        rows = select(Run, Configuration.method).join(Configuration).where(Configuration.study_id == study)
        return [(run, method) for run, method in session.execute(rows)]


def reported(engine: Engine, study: int) -> dict[str, tuple[float, ...]]:
    """The accuracy on the test split of every reporting run, by method."""
    comparison = results.comparison(engine, LOCAL, study)
    methods = {row.id: row.method for row in comparison.configurations}
    return {
        methods[cell.configuration]: tuple(cell.values)
        for cell in comparison.cells
        if cell.metric == "task_performance"
    }


def covered(spans: Sequence[tuple[datetime | None, datetime | None]]) -> float:
    """The seconds that lie in at least one of these spans."""
    seconds, until = 0.0, None
    for started, ended in sorted((start, end) for start, end in spans if start is not None and end is not None):
        begins = started if until is None else max(started, until)
        seconds += max(0.0, (ended - begins).total_seconds())
        until = ended if until is None else max(until, ended)
    return seconds
