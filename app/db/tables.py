"""Every table of the product. Columns hold SI units and UTC times; missing is NULL."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

Id = BigInteger().with_variant(Integer, "sqlite")


class UtcDateTime(TypeDecorator[datetime]):
    """A time that is aware and UTC in Python whatever the database keeps."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone was about to be stored")
        return value.astimezone(UTC).replace(tzinfo=None) if dialect.name == "sqlite" else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        # A list of runs has hundreds of times: to read them naive and then give them a zone takes twice as long.
        return _read_sqlite_time if dialect.name == "sqlite" else super().result_processor(dialect, coltype)


def _read_sqlite_time(kept: str | None) -> datetime | None:
    return None if kept is None else datetime.fromisoformat(kept + "+00:00")


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Team(Base):
    """Who owns studies. `local` is the first; the others are made by operators."""

    __tablename__ = "teams"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    slug: Mapped[str] = mapped_column(String(100), unique=True)
    most_queued_runs: Mapped[int | None] = mapped_column(BigInteger)
    """How many of its runs may wait at a time; NULL: no limit."""
    most_disk_bytes: Mapped[int | None] = mapped_column(BigInteger)
    """How much its datasets and runs may keep on the disk; NULL: no limit."""


class Owned:
    """A row that belongs to a team; every query on it is scoped to the caller's team (db/session.py)."""

    team_id: Mapped[int] = mapped_column(Id, ForeignKey("teams.id"), index=True)


class Study(Owned, Base):
    __tablename__ = "studies"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    document: Mapped[dict[str, Any]] = mapped_column(JSON)
    base_model_path: Mapped[str] = mapped_column(Text)
    base_model_sha256: Mapped[str] = mapped_column(String(64))
    """Empty where the files were on a hub that does not say their hashes."""
    base_model_source: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """A HubSource; NULL for a folder of one's own."""
    task: Mapped[dict[str, Any]] = mapped_column(JSON)
    """A TaskSpec."""
    precision: Mapped[str | None] = mapped_column(String(8))
    """NULL until the study's first run has probed it; the same for all its runs."""
    precision_probe: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    priority: Mapped[int] = mapped_column(default=0)
    device: Mapped[str | None] = mapped_column(String(10))
    """The kind of device its runs need, cpu or cuda; NULL: whichever a worker has."""
    claimed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When a run of it was last claimed: of studies with equal priority, the one that has waited longest is next."""
    origin: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """Where its results were imported from; NULL where it was launched here."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(String(200))

    configurations: Mapped[list["Configuration"]] = relationship(
        back_populates="study", order_by="Configuration.position", cascade="all, delete-orphan"
    )
    runs: Mapped[list["Run"]] = relationship(back_populates="study", order_by="Run.id", cascade="all, delete-orphan")


class Configuration(Owned, Base):
    """A method with its hyper-parameters and learning-rate grid in one study."""

    __tablename__ = "configurations"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    study_id: Mapped[int] = mapped_column(Id, ForeignKey("studies.id", ondelete="CASCADE"), index=True)
    position: Mapped[int]
    method: Mapped[str] = mapped_column(String(100))
    label: Mapped[str] = mapped_column(String(200))
    family: Mapped[str] = mapped_column(String(40))
    reference: Mapped[bool]
    hyperparameters: Mapped[dict[str, Any]] = mapped_column(JSON)
    learning_rates: Mapped[list[float]] = mapped_column(JSON)
    learning_rate: Mapped[float | None]
    """Chosen on validation when its last tuning run ends."""

    study: Mapped[Study] = relationship(back_populates="configurations")


class Run(Owned, Base):
    """One training and measurement; also the queue of record. States: see services/run_queue.py."""

    __tablename__ = "runs"
    __table_args__ = (
        Index("ix_runs_queue", "status", "position"),
        Index("ix_runs_study_status", "study_id", "status"),
        Index("ix_runs_study_position", "study_id", "position"),
        Index("ix_runs_team_status", "team_id", "status", "id"),
        Index("ix_runs_configuration_seed", "configuration_id", "seed"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    study_id: Mapped[int] = mapped_column(Id, ForeignKey("studies.id", ondelete="CASCADE"))
    configuration_id: Mapped[int] = mapped_column(Id, ForeignKey("configurations.id", ondelete="CASCADE"))
    purpose: Mapped[str] = mapped_column(String(10))
    seed: Mapped[int] = mapped_column(BigInteger)
    learning_rate: Mapped[float | None]
    """NULL for report and probe runs until the configuration's learning rate is chosen."""
    rung_steps: Mapped[int | None]
    """Of a tuning run of the first rung (services/halving.py): the optimizer steps that it trains for; NULL: all."""
    position: Mapped[int]
    """Order within the study: what reaches the screen first is run first."""
    status: Mapped[str] = mapped_column(String(10), default="queued")
    attempt: Mapped[int] = mapped_column(default=0)
    lease_token: Mapped[str | None] = mapped_column(String(32))
    lease_expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    worker_id: Mapped[int | None] = mapped_column(Id, ForeignKey("workers.id"))
    retry_of: Mapped[int | None] = mapped_column(Id, ForeignKey("runs.id"))
    phase: Mapped[str | None] = mapped_column(String(20))
    step: Mapped[int] = mapped_column(Id, default=0)
    total_steps: Mapped[int | None] = mapped_column(Id)
    """Optimizer steps; bytes while downloading."""
    training_started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    training_started_step: Mapped[int] = mapped_column(default=0)
    """In this attempt: the step of the checkpoint that it went on from."""
    last_event_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reason: Mapped[str | None] = mapped_column(Text)
    spec: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    validation_score: Mapped[float | None]
    train_seconds: Mapped[float | None]
    environment: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    source: Mapped[str] = mapped_column(String(10), default="measured")
    """measured: by a worker of this installation; imported: taken over from elsewhere, as `origin` says."""
    origin: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """What an imported run was made from, with all it said that has no place of its own; NULL where it was measured."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    study: Mapped[Study] = relationship(back_populates="runs")
    configuration: Mapped[Configuration] = relationship()
    worker: Mapped["Worker | None"] = relationship()


class Attempt(Owned, Base):
    """One claim of a run by a worker."""

    __tablename__ = "attempts"

    run_id: Mapped[int] = mapped_column(Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    worker: Mapped[str] = mapped_column(String(200))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    resumed_from_step: Mapped[int | None]
    outcome: Mapped[str | None] = mapped_column(String(10))
    """succeeded, failed, cancelled, lost (its worker fell silent), returned (its worker stopped in order) or parted
    (from the runs that it trained with)."""
    reason: Mapped[str | None] = mapped_column(Text)


class MeasurementRow(Owned, Base):
    """One metric's value in one run."""

    __tablename__ = "measurements"
    __table_args__ = (Index("ix_measurements_value", "team_id", "metric", "value", "run_id"),)

    team_id: Mapped[int] = mapped_column(Id, ForeignKey("teams.id"))
    run_id: Mapped[int] = mapped_column(Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    metric: Mapped[str] = mapped_column(String(100), primary_key=True)
    value: Mapped[float | None] = mapped_column(Float)
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)


class SeriesPointRow(Owned, Base):
    """One value of a run's series; written again, it replaces itself."""

    __tablename__ = "series_points"

    team_id: Mapped[int] = mapped_column(Id, ForeignKey("teams.id"))
    """Points are found by their run alone, and far too many for one more index."""
    run_id: Mapped[int] = mapped_column(Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(100), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[float | None] = mapped_column(Float)


class LogLineRow(Owned, Base):
    __tablename__ = "log_lines"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    run_id: Mapped[int] = mapped_column(Id, ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    message: Mapped[str] = mapped_column(Text)


class PredictionSet(Owned, Base):
    """The test split item by item, in item order: evidence for paired differences."""

    __tablename__ = "prediction_sets"

    run_id: Mapped[int] = mapped_column(Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    items: Mapped[list[int]] = mapped_column(JSON)
    predicted: Mapped[list[str]] = mapped_column(JSON)
    scores: Mapped[list[float]] = mapped_column(JSON)


class ArtifactRow(Owned, Base):
    """A file in the store, addressed by its content."""

    __tablename__ = "artifacts"
    __table_args__ = (UniqueConstraint("run_id", "path"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    run_id: Mapped[int] = mapped_column(Id, ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    path: Mapped[str] = mapped_column(String(500))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))


class Job(Owned, Base):
    """Something short that somebody waits for and only a worker can do: an answer of a run's model, a merge.

    queued -> running -> succeeded | failed. Nobody waits past a time, so a job that is old is not begun any more.
    """

    __tablename__ = "jobs"
    __table_args__ = (Index("ix_jobs_queue", "status", "id"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    run_id: Mapped[int] = mapped_column(Id, ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    request: Mapped[dict[str, Any]] = mapped_column(JSON)
    status: Mapped[str] = mapped_column(String(10), default="queued")
    worker_id: Mapped[int | None] = mapped_column(Id, ForeignKey("workers.id"))
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    reason: Mapped[str | None] = mapped_column(Text)
    """Why it failed, with what to do."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class StudyComment(Owned, Base):
    """What somebody wrote about a study; once deleted, its text is gone and its place stays."""

    __tablename__ = "study_comments"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    study_id: Mapped[int] = mapped_column(Id, ForeignKey("studies.id", ondelete="CASCADE"), index=True)
    user: Mapped[str] = mapped_column(String(200))
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    edited_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class StudyTag(Owned, Base):
    """A word that a team finds its studies by."""

    __tablename__ = "study_tags"

    study_id: Mapped[int] = mapped_column(Id, ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True)
    tag: Mapped[str] = mapped_column(String(40), primary_key=True)


class StudyApproval(Owned, Base):
    """Somebody signed a study's results off, or took that back; the newest one holds, the others are its history."""

    __tablename__ = "study_approvals"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    study_id: Mapped[int] = mapped_column(Id, ForeignKey("studies.id", ondelete="CASCADE"), index=True)
    state: Mapped[str] = mapped_column(String(10))
    """approved or withdrawn."""
    user: Mapped[str] = mapped_column(String(200))
    note: Mapped[str] = mapped_column(Text)
    results_sha256: Mapped[str] = mapped_column(String(64))
    """Of the results that were there: what is measured later was not approved."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class CustomScenarioRow(Owned, Base):
    """Weights and limits that a team keeps under a name."""

    __tablename__ = "custom_scenarios"
    __table_args__ = (UniqueConstraint("team_id", "name"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    scenario: Mapped[str | None] = mapped_column(String(100))
    weights: Mapped[dict[str, float]] = mapped_column(JSON)
    constraints: Mapped[dict[str, float]] = mapped_column(JSON)
    quality_floor: Mapped[float]
    created_by: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class StudyTemplate(Owned, Base):
    """A study document that the team keeps to start from."""

    __tablename__ = "study_templates"
    __table_args__ = (UniqueConstraint("team_id", "name"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    document: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(String(200))


class Dataset(Owned, Base):
    """An uploaded file under the home's datasets. The same bytes under the same name are one row."""

    __tablename__ = "datasets"
    __table_args__ = (UniqueConstraint("team_id", "file"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    """As it was sent; shown, and never used as a path."""
    file: Mapped[str] = mapped_column(String(200))
    """Under the home's datasets: what a study names it by."""
    sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    rows: Mapped[int]
    columns: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    """A DatasetColumn each."""
    head: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    """The first rows."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(String(200))


class Worker(Base):
    """A process that claims runs on one device. Serves every team."""

    __tablename__ = "workers"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    device: Mapped[str] = mapped_column(String(100))
    device_info: Mapped[dict[str, Any]] = mapped_column(JSON)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    heartbeat_at: Mapped[datetime] = mapped_column(UtcDateTime)
    stopped_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    paused_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Since when it claims nothing more, because somebody asked; NULL while it claims."""


class IdempotencyKey(Owned, Base):
    """The answer already given to a write, so that sending it again does nothing twice."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (UniqueConstraint("team_id", "key"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    key: Mapped[str] = mapped_column(String(200))
    request_sha256: Mapped[str] = mapped_column(String(64))
    status: Mapped[int]
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
