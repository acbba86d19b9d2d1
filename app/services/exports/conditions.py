"""What a study's numbers were made with: base model, data, software and devices, as its runs wrote them down."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from sqlalchemy import Engine, select

from app.db.session import team_session
from app.db.tables import Configuration, Run
from app.services.callers import Caller
from app.services.studies import read_study


@dataclass(frozen=True)
class Conditions:
    """base_model_sha256: empty where no hash is known. source: where the base model can be had again. task: a TaskSpec
    as plain data, or what is known of the task of imported results."""

    base_model_sha256: str
    base_model_source: str | None
    task: dict[str, Any]
    origin: dict[str, Any] | None
    configurations: Sequence[Configuration]
    runs: Sequence[Run]

    @property
    def dataset(self) -> str | None:
        """The bare name of the dataset's file or folder."""
        return PurePath(self.task["dataset"]).name if "dataset" in self.task else None

    @property
    def dataset_source(self) -> str | None:
        """Where the dataset can be had again."""
        return _address(self.task.get("source"))

    def seen(self) -> dict[str, list[str]]:
        """What the runs that ended well say of their environment: every field with all values that occur."""
        found: dict[str, set[str]] = {}
        for run in self.runs:
            for name, value in (run.environment or {}).items():
                if run.status == "succeeded" and value is not None:
                    found.setdefault(name, set()).add(" ".join(str(value).split()))
        return {name: sorted(values) for name, values in found.items()}


def read_conditions(engine: Engine, caller: Caller, study_id: int) -> Conditions:
    """The study's rows and every run of it, by id; raises NotFound."""
    with team_session(engine, caller.team_id) as session:
        study = read_study(session, study_id)
        return Conditions(
            base_model_sha256=study.base_model_sha256,
            base_model_source=_address(study.base_model_source),
            task=study.task,
            origin=study.origin,
            configurations=list(study.configurations),
            runs=session.scalars(select(Run).where(Run.study_id == study_id).order_by(Run.id)).all(),
        )


def _address(source: dict[str, Any] | None) -> str | None:
    """A HubSource in one word."""
    return f"{source['repository']}@{source['commit']}" if source else None
