"""Small studies for the tests that need some, and what is left of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, select, update

from app.db.session import system_session
from app.db.tables import ArtifactRow, Attempt, Run, SeriesPointRow, Study
from app.schemas import MethodEntry, StudyDocument, TaskEntry
from app.services import runs, studies
from app.services.callers import LOCAL
from app.services.idempotency import Remember, nothing_to_remember
from app.services.store import object_path
from app.settings import Settings
from peft_core import assets
from peft_core.spec import Budget

SMALL = StudyDocument(
    name="Small",
    budget=Budget(steps=5, batch_size=4, max_length=32),
    seeds=1,
    grid_points=1,
    methods=[MethodEntry(method="lora")],
    references=[],
    metrics=["task_performance"],
)


def make_study(engine: Engine, settings: Settings, remember: Remember = nothing_to_remember, **changes: Any) -> int:
    """A study whose runs may all start at once: its precision is known."""
    made = studies.create_study(engine, settings, LOCAL, SMALL.model_copy(update=changes), remember)
    with system_session(engine) as session:
        session.execute(update(Study).where(Study.id == made).values(precision="fp32"))
    return made


def make_training(engine: Engine, settings: Settings, steps: int, **changes: Any) -> int:
    """Runs that train for real, on a hundred real tweets; the first one's id. Probes are cancelled."""
    folder = settings.home_folder / "datasets"
    folder.mkdir(exist_ok=True)
    lines = assets.tasks()["tweets"].dataset.read_text(encoding="utf-8").splitlines()
    (folder / "few.csv").write_text("\n".join(lines[:121]) + "\n", encoding="utf-8")
    few = {
        "task": TaskEntry(dataset="few.csv", text="text", label="label"),
        "budget": Budget(steps=steps, batch_size=4, max_length=32, evaluations=1),
    }
    study = make_study(engine, settings, **(few | changes))
    with system_session(engine) as session:
        probes = list(session.scalars(select(Run.id).where(Run.study_id == study, Run.purpose == "probe")))
        first = session.scalar(select(func.min(Run.id)).where(Run.study_id == study))
    for probe in probes:
        runs.request_cancel(engine, LOCAL, probe)
    assert first is not None
    return first


def read_run(engine: Engine, run_id: int) -> Run:
    with system_session(engine) as session:
        return session.get_one(Run, run_id)


def read_runs(engine: Engine) -> list[Run]:
    with system_session(engine) as session:
        return list(session.scalars(select(Run).order_by(Run.id)))


def read_attempts(engine: Engine, run_id: int | None = None) -> list[Attempt]:
    """The attempts at a run, or at all of them."""
    query = select(Attempt).order_by(Attempt.run_id, Attempt.attempt)
    with system_session(engine) as session:
        return list(session.scalars(query if run_id is None else query.where(Attempt.run_id == run_id)))


def steps_told(engine: Engine, run_id: int, key: str = "train_loss") -> int:
    """How many steps of a run are in the database."""
    with system_session(engine) as session:
        told = select(func.count()).where(SeriesPointRow.run_id == run_id, SeriesPointRow.key == key)
        return session.scalar(told) or 0


def all_ended(found: Sequence[Run]) -> bool:
    return all(run.status not in ("queued", "running") for run in found)


def files_missing(engine: Engine, store: Path) -> list[str]:
    """The registered files that the store does not have."""
    with system_session(engine) as session:
        hashes = session.scalars(select(ArtifactRow.sha256)).all()
    return [sha256 for sha256 in hashes if not object_path(store, sha256).is_file()]
