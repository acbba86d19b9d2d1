"""One's own runs that were trained elsewhere: their results and curves, given over the API."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from pydantic import JsonValue
from sqlalchemy import Engine, and_, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from app.db.session import DatabaseClock, database_now, team_session, write_lock
from app.db.tables import Configuration, IdempotencyKey, MeasurementRow, PredictionSet, Run, SeriesPointRow, Study
from app.db.upserts import upsert
from app.errors import Conflict, Invalid
from app.language import tr
from app.schemas import MOST_ROWS, GivenPoints, Page, RunElsewhere, RunsElsewhere, RunView
from app.services.callers import Caller
from app.services.runs import listed_runs, run_view, source_of_run
from app.services.scores import score_of
from app.services.studies import read_study
from peft_core.compare.recommend import QUALITY
from peft_core.errors import InvalidHyperparameter, UnknownName
from peft_core.method import Method, build_method
from peft_core.metric import Metric, metrics

KIND = "elsewhere"
WORTH_A_SEED = ("queued", "running", "succeeded")
"""A run in one of these states has its seed; a failed or cancelled one leaves it free."""
NOT_BELOW_ZERO = frozenset({"fraction", "count", "bytes", "seconds", "per_second", "joules"})
ROUNDING = 1e-6
Measured = dict[str, tuple[float, dict[str, JsonValue]]]
"""The value of each metric, and what is to be known of it."""


def add_runs(
    engine: Engine, caller: Caller, study_id: int, given: RunsElsewhere, key: str | None = None
) -> Page[RunView]:
    """Take all runs of a batch into a study, or none; the same key with the same batch answers what it did the first
    time.

    A run of a method with hyper-parameters gets a row of its own beside those that this installation trains; one that
    names a configuration joins it. Raises Invalid naming the first wrong field, Conflict where a seed is there already.
    """
    digest = hashlib.sha256(f"runs {study_id} {given.model_dump_json()}".encode()).hexdigest()
    try:
        return Page[RunView](items=_add_once(engine, caller, study_id, given, key, digest))
    except IntegrityError:
        # The same key came in for another study while this was written.
        raise Conflict(tr("This Idempotency-Key is in use for another document. Use a new key.")) from None


def _add_once(
    engine: Engine, caller: Caller, study_id: int, given: RunsElsewhere, key: str | None, digest: str
) -> list[RunView]:
    """The batch's runs, or those that its key made before."""
    with team_session(engine, caller.team_id) as session:
        write_lock(session)
        # Of two batches at once, the second sees the seeds of the first.
        study = read_study(session, study_id, held=True)
        told = _made_before(session, key, digest)
        if told is not None:
            return listed_runs(session, told)
        now = database_now(session)
        made = _Adding(session, study, now).add(given.items)
        if key is not None:
            answer = {"run_ids": [run.id for run in made]}
            session.add(IdempotencyKey(key=key, request_sha256=digest, status=201, body=answer, created_at=now))
        return [run_view(run, now) for run in made]


def _made_before(session: Session, key: str | None, digest: str) -> list[int] | None:
    known = session.scalar(select(IdempotencyKey).where(IdempotencyKey.key == key)) if key is not None else None
    if known is None:
        return None
    if known.request_sha256 != digest:
        raise Conflict(tr("This Idempotency-Key came with another document before. Use a new key."))
    made: list[int] = known.body["run_ids"]
    return made


@dataclass
class _Adding:
    """A study that runs are added to, with its rows."""

    session: Session
    study: Study
    now: datetime
    rows: list[Configuration] = field(default_factory=list)
    """Its rows, or where every run names one, those that are named."""
    seeds: set[tuple[int, int]] = field(default_factory=set)
    """(configuration, seed) of the reporting runs that there are of the seeds asked for."""
    last_position: int = -1

    def add(self, items: Sequence[RunElsewhere]) -> list[Run]:
        """Every run with its measurements, in order."""
        self._read(items)
        made = [self._check(f"items.{place}", item) for place, item in enumerate(items)]
        self.session.add_all(run for run, _ in made)
        self.session.flush()
        measured = [
            {"team_id": run.team_id, "run_id": run.id, "metric": metric, "value": value, "detail": detail}
            for run, values in made
            for metric, (value, detail) in values.items()
        ]
        self.session.execute(insert(MeasurementRow.__table__), measured)  # type: ignore[arg-type]
        for (run, _), item in zip(made, items, strict=True):
            if item.item_scores is not None:
                self.session.add(_predictions(run, item.item_scores))
        return [run for run, _ in made]

    def _read(self, items: Sequence[RunElsewhere]) -> None:
        of_study = Configuration.study_id == self.study.id
        named = {item.configuration for item in items}
        if None not in named:
            of_study &= Configuration.id.in_(named)
        taken = and_(
            Run.configuration_id == Configuration.id,
            Run.seed.in_({item.seed for item in items}),
            Run.purpose == "report",
            Run.status.in_(WORTH_A_SEED),
        )
        last = select(func.max(Run.position)).where(Run.study_id == self.study.id).scalar_subquery()
        rows: dict[int, Configuration] = {}
        found = select(Configuration, Run.seed, last).outerjoin(Run, taken).where(of_study)
        for row, seed, last_position in self.session.execute(found.order_by(Configuration.position)):
            rows[row.id] = row
            self.last_position = -1 if last_position is None else last_position
            if seed is not None:
                self.seeds.add((row.id, seed))
        self.rows = list(rows.values())

    def _check(self, where: str, item: RunElsewhere) -> tuple[Run, Measured]:
        """A run that may be added, with its values."""
        row = self._row(where, item)
        if (row.id, item.seed) in self.seeds:
            raise Conflict(
                tr(
                    "{row} has a run of seed {seed} already. Leave it out, or cancel the one that waits.",
                    row=row.label,
                    seed=item.seed,
                ),
                field=f"{where}.seed",
            )
        measured = self._measured(where, item)
        self.seeds.add((row.id, item.seed))
        return self._run(row, item), measured

    @cached_property
    def _metrics(self) -> dict[str, type[Metric]]:
        return metrics(self.study.task["kind"])

    @cached_property
    def _own_rows(self) -> set[int]:
        return rows_of_elsewhere(self.session, self.study.id)

    # -- the row ------------------------------------------------------------------------------------------------------

    def _row(self, where: str, item: RunElsewhere) -> Configuration:
        if (item.configuration is None) == (item.method is None):
            raise Invalid(tr("Name either a configuration of the study or a method."), field=where)
        if item.configuration is None:
            return self._row_of_method(where, item)
        row = next((row for row in self.rows if row.id == item.configuration), None)
        if row is None:
            raise Invalid(
                tr(
                    "Study {study} has no configuration {configuration}.",
                    study=self.study.id,
                    configuration=item.configuration,
                ),
                field=f"{where}.configuration",
            )
        if None not in (item.learning_rate, row.learning_rate) and item.learning_rate != row.learning_rate:
            raise Invalid(
                tr(
                    "{row} is trained at {learning_rate}. Name the method instead of the configuration: a run at"
                    " another learning rate is not averaged with it.",
                    row=row.label,
                    learning_rate=row.learning_rate,
                ),
                field=f"{where}.learning_rate",
            )
        if item.hyperparameters:
            raise Invalid(tr("A configuration has its hyper-parameters already."), field=f"{where}.hyperparameters")
        return row

    def _row_of_method(self, where: str, item: RunElsewhere) -> Configuration:
        method = _built(where, item)
        rates = [] if item.learning_rate is None else [item.learning_rate]
        wanted = (item.method, method.model_dump(mode="json"), rates)
        for row in self.rows:
            if row.id in self._own_rows and (row.method, row.hyperparameters, row.learning_rates) == wanted:
                return row
        if len(self.rows) >= MOST_ROWS and self.study.origin is None:
            raise Invalid(tr("A study has at most {most_rows} rows.", most_rows=MOST_ROWS), field=where)
        row = Configuration(
            study_id=self.study.id,
            position=max((row.position for row in self.rows), default=-1) + 1,
            method=item.method,
            label=self._fresh_label(method.label()),
            family=method.family,
            reference=method.family == "reference",
            hyperparameters=wanted[1],
            learning_rates=rates,
            learning_rate=item.learning_rate,
        )
        self.session.add(row)
        self.session.flush()
        self.rows.append(row)
        self._own_rows.add(row.id)
        return row

    def _fresh_label(self, label: str) -> str:
        taken = {row.label for row in self.rows}
        names = [f"{label} (imported)", *(f"{label} (imported {place})" for place in range(2, len(taken) + 3))]
        return next(name for name in names if name not in taken)

    # -- the run ------------------------------------------------------------------------------------------------------

    def _run(self, row: Configuration, item: RunElsewhere) -> Run:
        self.last_position += 1
        began = item.started_at
        if began is not None:
            began = began.replace(tzinfo=UTC) if began.tzinfo is None else began.astimezone(UTC)
        origin: dict[str, Any] = {"kind": KIND, "own_row": item.method is not None}
        run = Run(
            study_id=self.study.id,
            configuration_id=row.id,
            purpose="report",
            seed=item.seed,
            learning_rate=item.learning_rate if item.learning_rate is not None else row.learning_rate,
            position=self.last_position,
            status="succeeded",
            train_seconds=item.train_seconds,
            environment=item.environment,
            source="imported",
            origin=origin,
            created_at=self.now,
            started_at=began,
            ended_at=self.now,
            updated_at=self.now,
        )
        # They are read already: to show the run, none is asked for again.
        set_committed_value(run, "study", self.study)
        set_committed_value(run, "configuration", row)
        return run

    def _measured(self, where: str, item: RunElsewhere) -> Measured:
        """Each metric's value with what is to be known of it; raises Invalid for one that cannot be."""
        values: Measured = {}
        for metric, value in item.metrics.items():
            self._check_metric(f"{where}.metrics.{metric[:100]}", metric, value)
            values[metric] = (value, {"how": "given, not measured here"})
        if item.item_scores is not None:
            values[QUALITY] = self._from_items(where, item, item.item_scores)
        if not values:
            raise Invalid(tr("Give the run at least one metric, or its item scores."), field=f"{where}.metrics")
        return values

    def _check_metric(self, where: str, metric: str, value: float) -> None:
        known = self._metrics
        if metric not in known:
            raise Invalid(
                tr(
                    "There is no metric named {metric!r} for this study. Choose among: {known}.",
                    metric=metric[:100],
                    known=", ".join(known),
                ),
                field=where,
            )
        if not known[metric].purposes:
            raise Invalid(
                tr("{metric} is worked out from other results, not given.", metric=tr(known[metric].title)), field=where
            )
        quantity = score_of(self.study).quantity if metric == QUALITY else known[metric].quantity
        if value < 0 and quantity in NOT_BELOW_ZERO:
            raise Invalid(tr("{metric} cannot be below 0.", metric=tr(known[metric].title)), field=where)
        if value > 1 and quantity == "fraction":
            raise Invalid(
                tr("{metric} is a fraction between 0 and 1, not a percentage.", metric=tr(known[metric].title)),
                field=where,
            )

    def _from_items(self, where: str, item: RunElsewhere, scores: list[float]) -> tuple[float, dict[str, JsonValue]]:
        splits = self.study.task["splits"]
        if splits is not None and len(scores) != splits["test"]:
            raise Invalid(
                tr(
                    "The study's test split has {test} items, here are {scores} scores.",
                    test=splits["test"],
                    scores=len(scores),
                ),
                field=f"{where}.item_scores",
            )
        mean = sum(scores) / len(scores)
        self._check_metric(f"{where}.item_scores", QUALITY, mean)
        given = item.metrics.get(QUALITY)
        if given is not None and abs(given - mean) > ROUNDING * max(1.0, abs(mean)):
            raise Invalid(
                tr("The item scores have the mean {mean:.6g}, not {given:.6g}.", mean=mean, given=given),
                field=f"{where}.metrics.{QUALITY}",
            )
        return mean, {"how": "mean of the item scores given", "items": len(scores)}


def _predictions(run: Run, scores: Sequence[float]) -> PredictionSet:
    return PredictionSet(
        run_id=run.id, items=list(range(len(scores))), predicted=[""] * len(scores), scores=list(scores)
    )


def rows_of_elsewhere(session: Session, study_id: int) -> set[int]:
    """The configurations of a study that are there for runs from elsewhere alone: nothing of them is trained here."""
    imported = select(Run.configuration_id, Run.origin).where(Run.study_id == study_id, Run.source == "imported")
    return {row_id for row_id, origin in session.execute(imported) if origin and origin.get("own_row")}


def _built(where: str, item: RunElsewhere) -> Method:
    try:
        return build_method(str(item.method), item.hyperparameters)
    except UnknownName as error:
        raise Invalid(str(error), field=f"{where}.method") from None
    except InvalidHyperparameter as error:
        raise Invalid(str(error), field=f"{where}.hyperparameters.{error.field}") from None


def add_points(engine: Engine, caller: Caller, run_id: int, given: GivenPoints) -> int:
    """Write values of an imported run's series, those given again in place of the old; returns how many.

    Raises Conflict for a run that was measured here: its series are its worker's.
    """
    with team_session(engine, caller.team_id) as session:
        write_lock(session)
        if source_of_run(session, run_id) != "imported":
            raise Conflict(
                tr("Run {run_id} is measured here, and its curves are written by its worker alone.", run_id=run_id)
            )
        points = {(point.key, point.step): point.value for point in given.items}
        owner = {"run_id": run_id, "team_id": caller.team_id}
        # In one order, so that two batches at once wait for each other and do not lock each other out.
        rows = [owner | {"key": key, "step": step, "value": points[key, step]} for key, step in sorted(points)]
        upsert(session, SeriesPointRow, rows)
        # No run is loaded here that would have to be told of it.
        changed = update(Run).where(Run.id == run_id).values(updated_at=DatabaseClock())
        session.execute(changed, execution_options={"synchronize_session": False})
        return len(rows)
