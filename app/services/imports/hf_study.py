"""The study of one suite: finding it, making it, and writing experiments into it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.session import database_now
from app.db.tables import Configuration, MeasurementRow, Run, SeriesPointRow, Study
from app.schemas import MOST_ROWS, MethodEntry, StudyDocument, StudyOrigin
from app.services.imports.hf_methods import NamedMethod
from app.services.imports.hf_result import HfResult
from app.services.imports.hf_scores import (
    Suite,
    environment_of,
    measurements_of,
    points_of,
    suite_of_kind,
    validation_score,
)
from peft_core.spec import Budget

KIND = "hf-peft"
STATUSES = {"success": "succeeded", "canceled": "cancelled", "failed": "failed"}
LONGEST_REASON = 2_000
LARGEST_RATE = 10.0
T = TypeVar("T")


@dataclass(frozen=True)
class Latest:
    """The run that stands for an experiment now."""

    run_id: int
    sha256: str
    environment: dict[str, Any]
    config: dict[str, Any]


@dataclass
class SuiteStudy:
    """A study of imported results, open in a session."""

    session: Session
    study: Study
    suite: Suite
    rows: dict[str, Configuration] = field(default_factory=dict)
    """By experiment."""
    latest: dict[int, Latest] = field(default_factory=dict)
    """By configuration."""
    changed: bool = False

    @property
    def id(self) -> int:
        return self.study.id

    def take(self, result: HfResult, method: NamedMethod, file: str) -> bool:
        """Write an experiment; False where it is there with this very content."""
        row = self.rows.get(result.experiment)
        known = self.latest.get(row.id) if row is not None else None
        if known is not None and known.sha256 == result.sha256:
            return False
        row = self._row(result, method, row)
        run = self._run(result, row, known, file)
        self._add_measured(result, run)
        self.latest[row.id] = _latest(run.id, run.origin or {}, run.environment)
        self.changed = True
        return True

    def _row(self, result: HfResult, method: NamedMethod, row: Configuration | None) -> Configuration:
        rate = _rate(result)
        values = {
            "method": method.key,
            "family": method.family,
            "reference": method.family == "reference",
            "hyperparameters": method.hyperparameters,
            "learning_rates": [] if rate is None else [rate],
            "learning_rate": rate,
        }
        if row is None:
            place = max((known.position for known in self.rows.values()), default=-1) + 1
            row = Configuration(study_id=self.study.id, position=place, label=result.experiment, **values)
            self.session.add(row)
            self.rows[result.experiment] = row
        else:
            for name, value in values.items():
                setattr(row, name, value)
        self.session.flush()
        return row

    def _run(self, result: HfResult, row: Configuration, known: Latest | None, file: str) -> Run:
        now, config = database_now(self.session), result.config
        began, ended = _times(result)
        status = STATUSES[result.training.status]
        last = result.validations[-1].step if result.validations else None
        run = Run(
            study_id=self.study.id,
            configuration_id=row.id,
            purpose="report",
            seed=config.seed or 0,
            learning_rate=row.learning_rate,
            position=row.position,
            status=status,
            retry_of=known.run_id if known is not None else None,
            step=last or 0,
            total_steps=config.max_steps,
            reason=None if status == "succeeded" else _reason(result),
            validation_score=validation_score(result, self.suite),
            train_seconds=result.training.train_time,
            environment=environment_of(result),
            source="imported",
            origin={"kind": KIND, "file": file, "sha256": result.sha256, "document": result.document},
            created_at=now,
            started_at=began,
            ended_at=ended or now,
            updated_at=now,
        )
        self.session.add(run)
        self.session.flush()
        return run

    def _add_measured(self, result: HfResult, run: Run) -> None:
        self.session.add_all(
            MeasurementRow(run_id=run.id, metric=found.metric, value=found.value, detail=found.detail)
            for found in measurements_of(result, self.suite)
        )
        self.session.add_all(
            SeriesPointRow(run_id=run.id, key=point.key, step=point.step, value=point.value)
            for point in points_of(result, self.suite)
        )
        self.session.flush()

    def describe(self) -> None:
        """Have the study say what most of its experiments did, where something came to it."""
        if not self.changed:
            return
        configs = [known.config for known in self.latest.values()]
        said = self._origin(configs)
        self.study.origin = said.model_dump(mode="json")
        precision = _most({known.run_id: known.environment.get("precision") for known in self.latest.values()}.values())
        self.study.precision = precision if precision in ("fp32", "bf16") else None
        document = StudyDocument(
            name=self.study.name,
            base_model=said.base_model or "unknown",
            task=said.suite,
            budget=_budget(said),
            seeds=[0],
            methods=[_entry(row) for row in list(self.rows.values())[:MOST_ROWS]],
            references=[],
            priority=self.study.priority,
            metrics=list(self.suite.metrics),
        )
        self.study.document = document.model_dump(mode="json")

    def _origin(self, configs: list[dict[str, Any]]) -> StudyOrigin:
        found = {name: _most(config.get(name) for config in configs) for name in ("base_model", *NUMBERS)}
        suite = StudyOrigin.model_validate(self.study.origin).suite
        return StudyOrigin(suite=suite, test_items=self.suite.test_items, **found)


NUMBERS = ("steps", "batch_size", "max_length")


def find_study(session: Session, folder: str) -> SuiteStudy | None:
    """The team's study of a suite, whatever it is called by now."""
    for study in session.scalars(select(Study).where(Study.origin.is_not(None)).order_by(Study.id)):
        if study.origin and (study.origin.get("kind"), study.origin.get("suite")) == (KIND, folder):
            return _opened(session, study)
    return None


def _opened(session: Session, study: Study) -> SuiteStudy:
    found = SuiteStudy(session, study, suite_of_kind(study.task["kind"]))
    of_study = select(Configuration).where(Configuration.study_id == study.id).order_by(Configuration.position)
    rows = {row.id: row for row in session.scalars(of_study)}
    imported = select(Run.id, Run.configuration_id, Run.origin, Run.environment)
    imported = imported.where(Run.study_id == study.id, Run.source == "imported").order_by(Run.id)
    for run_id, configuration_id, origin, environment in session.execute(imported):
        if origin and origin.get("kind") == KIND:
            found.latest[configuration_id] = _latest(run_id, origin, environment)
            found.rows[rows[configuration_id].label] = rows[configuration_id]
    return found


def new_study(session: Session, user: str, folder: str, suite: Suite) -> SuiteStudy:
    """A study of a suite that has no experiment yet; `describe` says the rest of it when it has."""
    study = Study(
        name=folder,
        document={},
        base_model_path="",
        base_model_sha256="",
        task={
            "name": folder,
            "kind": suite.kind,
            "score": suite.score.model_dump(mode="json"),
            "splits": None,
            "test_items": suite.test_items,
        },
        origin=StudyOrigin(suite=folder).model_dump(mode="json"),
        created_at=database_now(session),
        created_by=user,
    )
    session.add(study)
    session.flush()
    return SuiteStudy(session, study, suite)


def _latest(run_id: int, origin: dict[str, Any], environment: dict[str, Any] | None) -> Latest:
    config = origin["document"]["run_info"].get("train_config") or {}
    named = {
        "base_model": config.get("model_id"),
        "steps": config.get("max_steps"),
        "batch_size": config.get("batch_size"),
        "max_length": config.get("max_seq_length", config.get("max_sequence_length")),
    }
    return Latest(run_id, origin["sha256"], environment or {}, named)


def _rate(result: HfResult) -> float | None:
    optimizer = result.config.optimizer_kwargs
    return optimizer.lr if optimizer is not None else None


def _reason(result: HfResult) -> str:
    told = (result.run.error_msg or "").strip()
    return told[:LONGEST_REASON] or f"{result.training.status} where it was run; its file gives no reason"


def _times(result: HfResult) -> tuple[datetime | None, datetime | None]:
    """When it began and ended, in UTC, as far as the file says so in a form that can be read."""
    try:
        began = datetime.fromisoformat(result.run.created_at or "")
        began = began.replace(tzinfo=UTC) if began.tzinfo is None else began.astimezone(UTC)
        seconds = result.run.total_time
        return began, None if seconds is None else began + timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        return None, None


def _most(values: Iterable[T | None]) -> T | None:
    """The most common of the values that are known, of equally common ones the first."""
    counted = Counter(value for value in values if value is not None)
    return counted.most_common(1)[0][0] if counted else None


def _budget(said: StudyOrigin) -> Budget:
    """The nearest budget that a study's document can say; `origin` has what was told."""
    return Budget(
        steps=min(max(said.steps or 1, 1), 10_000_000),
        batch_size=min(max(said.batch_size or 1, 1), 4_096),
        max_length=min(max(said.max_length or 64, 4), 131_072),
    )


def _entry(row: Configuration) -> MethodEntry:
    rates = [rate for rate in row.learning_rates if 0 < rate <= LARGEST_RATE]
    return MethodEntry(method=row.method, hyperparameters=row.hyperparameters, learning_rates=rates or None)
