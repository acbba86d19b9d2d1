"""What a study's numbers were made with: base model, data, software and devices, as its runs wrote them down."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, select

from app.db.session import team_session
from app.db.tables import Configuration, Run
from app.services.callers import Caller
from app.services.studies import read_study
from peft_core.spec import TaskSpec


@dataclass(frozen=True)
class Conditions:
    """base_model_sha256: empty where no hash is known. source: where the base model can be had again."""

    base_model_sha256: str
    base_model_source: str | None
    task: TaskSpec
    origin: dict[str, Any] | None
    configurations: Sequence[Configuration]
    runs: Sequence[Run]

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
        source = study.base_model_source
        return Conditions(
            base_model_sha256=study.base_model_sha256,
            base_model_source=f"{source['repository']}@{source['commit']}" if source else None,
            task=TaskSpec.model_validate(study.task),
            origin=study.origin,
            configurations=list(study.configurations),
            runs=session.scalars(select(Run).where(Run.study_id == study_id).order_by(Run.id)).all(),
        )
