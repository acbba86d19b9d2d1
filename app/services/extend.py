"""Adding to a study: methods, seeds, learning rates. Only what it lacks is queued; a finished run never changes."""

import hashlib
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session

from app.db.session import database_now, team_session, write_lock
from app.db.tables import Configuration, IdempotencyKey, Run, Study
from app.errors import Conflict, Invalid
from app.language import tr
from app.schemas import MOST_LEARNING_RATES, MOST_ROWS, Added, MethodEntry, Reused, StudyDocument, StudyExtension
from app.services import quotas
from app.services.base_models import find_base_model, read_shape, weights_sha256
from app.services.callers import Caller
from app.services.chosen_rates import choose_learning_rate
from app.services.disk import bytes_kept, check_room
from app.services.halving import left_out
from app.services.imports.elsewhere import rows_of_elsewhere
from app.services.studies import (
    TUNING_SEED,
    WantedRun,
    chosen_seeds,
    queue_rows,
    queue_runs,
    read_study,
)
from app.services.study_plan import PlannedConfiguration, plan
from app.settings import Settings
from peft_core.dataset_files import content_sha256
from peft_core.method import Method, build_method, distinct_labels
from peft_core.model_shape import ModelShape
from peft_core.spec import TaskSpec

T = TypeVar("T")


def extend_study(
    engine: Engine,
    settings: Settings,
    caller: Caller,
    study_id: int,
    extension: StudyExtension,
    key: str | None = None,
) -> Added:
    """Queue what the study lacks of an extension, in one transaction, and write it into the study's document.

    Further learning rates open a row's choice again: its waiting runs wait for it. The same key with the same
    extension answers what it did the first time. Raises Invalid naming the first wrong field, Conflict where the base
    model or the data are no longer those of the study, DiskFull; nothing is written then.
    """
    if not (extension.methods or extension.learning_rates or extension.seeds is not None):
        raise Invalid(tr("Say what to add: methods, seeds or learning_rates."))
    digest = hashlib.sha256(f"extend {study_id} {extension.model_dump_json()}".encode()).hexdigest()
    with team_session(engine, caller.team_id) as session:
        study = read_study(session, study_id)
        if study.origin is not None:
            raise Conflict(
                tr(
                    "This study's results were imported and nothing of it runs here. Import further results, or"
                    " make a study of your own."
                )
            )
        told = _told_before(session, key, digest)
    if told is not None:
        return told
    shape = _unchanged_base(settings, study)
    planned = _planned(study, extension.methods, shape)
    with team_session(engine, caller.team_id) as session:
        write_lock(session)
        growing = _hold(session, study_id)
        # Asked once more: the same request may have come in while this one was checked.
        told = _told_before(session, key, digest)
        if told is not None:
            return told
        growing.try_rates(extension.learning_rates)
        growing.run_seeds(extension.seeds)
        growing.add_methods(extension.methods, planned)
        check_room(settings.store_folder, growing.keeping, shape, seeds=1)
        added = growing.added()
        quotas.check_queue(session, caller.team_id)
        quotas.check_disk(session, caller.team_id, bytes_kept(growing.keeping, shape, seeds=1))
        if key is not None:
            body = added.model_dump(mode="json")
            made = IdempotencyKey(key=key, request_sha256=digest, status=200, body=body, created_at=growing.now)
            session.add(made)
        return added


def _told_before(session: Session, key: str | None, digest: str) -> Added | None:
    """What this key was answered; raises Conflict where it came with another request."""
    known = session.scalar(select(IdempotencyKey).where(IdempotencyKey.key == key)) if key is not None else None
    if known is None:
        return None
    if known.request_sha256 != digest:
        raise Conflict(tr("This Idempotency-Key came with another document before. Use a new key."))
    return Added.model_validate(known.body)


def _unchanged_base(settings: Settings, study: Study) -> ModelShape:
    """The shape of the study's base model; raises Conflict where new runs would not compare with those it has."""
    base = find_base_model(settings, study.document["base_model"])
    # A hub's is pinned by its commit.
    if base.snapshot is None and weights_sha256(base) != study.base_model_sha256:
        raise Conflict(tr("The base model's files have changed since the study was made. Make a new study of them."))
    task = TaskSpec.model_validate(study.task)
    if content_sha256(task.dataset) != task.dataset_sha256:
        raise Conflict(tr("The dataset has changed since the study was made. Make a new study of it."))
    return read_shape(base)


def _planned(study: Study, entries: list[MethodEntry], shape: ModelShape) -> list[PlannedConfiguration]:
    document = StudyDocument.model_validate(study.document)
    asked = document.model_copy(update={"methods": entries, "references": []})
    return plan(asked, shape, TaskSpec.model_validate(study.task))


def _hold(session: Session, study_id: int) -> "_Growing":
    """The study and its rows, locked: nothing of it is claimed, chosen or added at the same time."""
    session.execute(select(Study.id).where(Study.id == study_id).with_for_update(key_share=True))
    study = read_study(session, study_id)
    of_study = select(Configuration).where(Configuration.study_id == study_id).order_by(Configuration.position)
    elsewhere = rows_of_elsewhere(session, study_id)
    rows = [row for row in session.scalars(of_study.with_for_update(key_share=True)) if row.id not in elsewhere]
    last = session.scalar(select(func.max(Run.position)).where(Run.study_id == study_id))
    return _Growing(session, study, rows, -1 if last is None else last, database_now(session))


@dataclass
class _Growing:
    """A study that is being extended, and what has come to it so far."""

    session: Session
    study: Study
    rows: list[Configuration]
    last_position: int
    now: datetime
    queued: list[Run] = field(default_factory=list)
    new_rows: list[Configuration] = field(default_factory=list)
    reused: list[Reused] = field(default_factory=list)
    keeping: list[Method] = field(default_factory=list)
    """The method of each run that may come to keep files in the store."""

    # -- learning rates -----------------------------------------------------------------------------------------------

    def try_rates(self, rates: Mapping[int, Sequence[float]]) -> None:
        """Queue tuning runs for the rates that a row has not tried."""
        rows = {row.id: row for row in self.rows}
        for row_id, wanted in rates.items():
            if row_id not in rows:
                raise Invalid(
                    tr(
                        "Study {study} has no configuration {row_id}. It has {rows}.",
                        study=self.study.id,
                        row_id=row_id,
                        rows=", ".join(map(str, rows)),
                    ),
                    field=f"learning_rates.{row_id}",
                )
            self._try_rates(rows[row_id], wanted)

    def _try_rates(self, row: Configuration, wanted: Sequence[float]) -> None:
        _check_tunable(row, wanted)
        known, new = _parted(wanted, set(row.learning_rates) - self._left_out(row))
        if known:
            sentence = tr("{row} has the learning rates {rates} already.", row=row.label, rates=_listed(known))
            self.reused.append(Reused(what="learning_rates", configuration=row.id, sentence=sentence))
        if not new:
            return
        row.learning_rates = sorted({*row.learning_rates, *new})
        if len(row.learning_rates) > MOST_LEARNING_RATES:
            raise Invalid(
                tr(
                    "At most {most_learning_rates} learning rates are tried for one row; {row} would have"
                    " {learning_rates}.",
                    most_learning_rates=MOST_LEARNING_RATES,
                    row=row.label,
                    learning_rates=len(row.learning_rates),
                ),
                field=f"learning_rates.{row.id}",
            )
        self._open_choice(row)
        self._queue(row, [WantedRun("tune", TUNING_SEED, rate) for rate in sorted(new)])
        self._rewrite_rows()

    def _left_out(self, row: Configuration) -> set[float | None]:
        """What halving did not try with the whole budget may be asked for."""
        tuning = select(Run).where(Run.configuration_id == row.id, Run.purpose == "tune")
        return left_out(self.session.scalars(tuning).all())

    def _open_choice(self, row: Configuration) -> None:
        if row.learning_rate is not None:
            # Another rate may be chosen now, and every seed be run once more.
            self._keep(row, len(self.study.document["seeds"]))
        row.learning_rate = None
        waiting = (Run.configuration_id == row.id, Run.purpose != "tune", Run.status == "queued")
        self.session.execute(update(Run).where(*waiting).values(learning_rate=None, updated_at=self.now))

    # -- seeds --------------------------------------------------------------------------------------------------------

    def run_seeds(self, seeds: int | list[int] | None) -> None:
        """Queue a reporting run for every seed that a row lacks."""
        if seeds is None:
            return
        asked = chosen_seeds(seeds)
        of_study: list[int] = self.study.document["seeds"]
        self.study.document = self.study.document | {"seeds": chosen_seeds([*of_study, *_parted(asked, of_study)[1]])}
        reported = self._reported_seeds()
        missing = {row.id: _parted(asked, reported[row.id])[1] for row in self.rows}
        for row in self.rows:
            self._queue(row, [WantedRun("report", seed, row.learning_rate) for seed in missing[row.id]])
            self._keep(row, len(missing[row.id]))
            if missing[row.id] and row.learning_rate is None:
                # Where no tuning run is left to choose a rate, these would wait for ever.
                choose_learning_rate(self.session, row.id)
        everywhere = [seed for seed in asked if not any(seed in lacking for lacking in missing.values())]
        if everywhere:
            sentence = tr("Every row has the seeds {seeds} already.", seeds=_listed(everywhere))
            self.reused.append(Reused(what="seeds", sentence=sentence))

    def _reported_seeds(self) -> dict[int, set[int]]:
        found: dict[int, set[int]] = {row.id: set() for row in self.rows}
        reports = select(Run.configuration_id, Run.seed).where(Run.configuration_id.in_(found), Run.purpose == "report")
        for row_id, seed in self.session.execute(reports.distinct()):
            found[row_id].add(seed)
        return found

    # -- methods ------------------------------------------------------------------------------------------------------

    def add_methods(self, entries: Sequence[MethodEntry], planned: Sequence[PlannedConfiguration]) -> None:
        """Queue a new row for each method that the study does not have with the same hyper-parameters."""
        new: list[PlannedConfiguration] = []
        for place, (entry, asked) in enumerate(zip(entries, planned, strict=True)):
            if any(asked.method == other.method for other in new):
                raise Invalid(
                    tr(
                        "{method} is listed twice. Change a hyper-parameter or remove one.", method=asked.method.label()
                    ),
                    field=f"methods.{place}",
                )
            known = self._row_of(asked)
            if known is None:
                new.append(asked)
            else:
                sentence = _is_there(known, entry.learning_rates or [])
                self.reused.append(Reused(what="method", configuration=known.id, sentence=sentence))
        if new:
            self._add_rows(new)

    def _row_of(self, asked: PlannedConfiguration) -> Configuration | None:
        """The row with the same method and hyper-parameters; of several the one with the same learning rates."""
        same = (asked.name, asked.method.model_dump(mode="json"))
        found = [row for row in self.rows if (row.method, row.hyperparameters) == same]
        return max(found, key=lambda row: tuple(row.learning_rates) == asked.learning_rates, default=None)

    def _add_rows(self, planned: Sequence[PlannedConfiguration]) -> None:
        if len(self.rows) + len(planned) > MOST_ROWS:
            raise Invalid(
                tr(
                    "A study has at most {most_rows} rows; this one has {rows} already.",
                    most_rows=MOST_ROWS,
                    rows=len(self.rows),
                ),
                field="methods",
            )
        methods = [*map(_method_of, self.rows), *(row.method for row in planned)]
        labels = distinct_labels(methods)
        # A row that has a namesake now is told apart from it too.
        for row, label in zip(self.rows, labels, strict=False):
            row.label = label
        seeds = self.study.document["seeds"]
        queued = queue_rows(
            self.session,
            self.study,
            planned,
            seeds,
            self.now,
            labels=labels[len(self.rows) :],
            place=self._last_place() + 1,
            position=self.last_position + 1,
        )
        for row, runs in queued:
            self.rows.append(row)
            self.new_rows.append(row)
            self._note(runs)
            self._keep(row, len(seeds))
        self._rewrite_rows()

    def _last_place(self) -> int:
        of_study = select(func.max(Configuration.position)).where(Configuration.study_id == self.study.id)
        return self.session.scalar(of_study) or 0

    # -- what has come to it ------------------------------------------------------------------------------------------

    def added(self) -> Added:
        """The answer, with the ids that the database has given."""
        self.session.flush()
        return Added(
            configurations=[row.id for row in self.new_rows],
            run_ids=[run.id for run in self.queued],
            reused=self.reused,
        )

    def _queue(self, row: Configuration, wanted: Sequence[WantedRun]) -> None:
        self._note(queue_runs(self.session, row, wanted, self.now, position=self.last_position + 1))

    def _note(self, runs: Sequence[Run]) -> None:
        self.queued += runs
        self.last_position += len(runs)

    def _keep(self, row: Configuration, reports: int) -> None:
        method = _method_of(row)
        self.keeping += [method] * (min(reports, 1) if method.stores_whole_model else reports)

    def _rewrite_rows(self) -> None:
        """Name every row with its learning rates, so that the document makes this very study again."""
        if len(self.rows) > MOST_ROWS:
            raise Invalid(
                tr("A study of more than {most_rows} rows cannot be extended. Make a new one.", most_rows=MOST_ROWS)
            )
        entries = [
            MethodEntry(
                method=row.method, hyperparameters=row.hyperparameters, learning_rates=row.learning_rates or None
            )
            for row in self.rows
        ]
        methods = [entry.model_dump(mode="json") for entry in entries]
        self.study.document = self.study.document | {"methods": methods, "references": []}


def _method_of(row: Configuration) -> Method:
    return build_method(row.method, row.hyperparameters)


def _check_tunable(row: Configuration, wanted: Sequence[float]) -> None:
    where = f"learning_rates.{row.id}"
    if not row.learning_rates:
        raise Invalid(tr("{row} trains nothing and takes no learning rate.", row=row.label), field=where)
    if len(row.learning_rates) == 1:
        raise Invalid(
            tr(
                "{row} runs at one fixed learning rate, {learning_rates}, which nothing chose. To try"
                " others, make a new study that names several for it.",
                row=row.label,
                learning_rates=row.learning_rates[0],
            ),
            field=where,
        )
    if len(set(wanted)) < len(wanted):
        raise Invalid(tr("Each learning rate may be named once."), field=where)


def _is_there(row: Configuration, rates: Sequence[float]) -> str:
    """That a method is reused, and which of the learning rates named for it are not tried by that."""
    untried = _parted(rates, row.learning_rates)[1]
    if not untried:
        return tr("{row} is in the study already.", row=row.label)
    if len(row.learning_rates) == 1:
        return tr(
            "{row} is in the study already and stays at its fixed learning rate {rate}: {rates} not added.",
            row=row.label,
            rate=row.learning_rates[0],
            rates=_listed(untried),
        )
    return tr(
        "{row} is in the study already. The learning rates {rates} were not added: name them under learning_rates for"
        " configuration {configuration}.",
        row=row.label,
        rates=_listed(untried),
        configuration=row.id,
    )


def _parted(asked: Iterable[T], known: Container[T]) -> tuple[list[T], list[T]]:
    """Those of what is asked for that are known, and those that are new."""
    listed = list(asked)
    return [one for one in listed if one in known], [one for one in listed if one not in known]


def _listed(numbers: Iterable[float]) -> str:
    return ", ".join(map(str, numbers))
