"""Studies to export, and what of two comparisons has to be the same wherever they are made."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import Engine, delete, func, select
from sqlalchemy.orm import Session

from app.db.session import database_now, system_session
from app.db.tables import Base, Configuration, MeasurementRow, PredictionSet, Run, SeriesPointRow, Study
from app.schemas import Comparison
from app.services.callers import LOCAL
from app.services.chosen_rates import in_place_of
from app.services.exports import export_study
from app.services.halving import with_whole_budget
from tests.flow.finished_study import QUICKSTART, STARTED, insert

LOSSES = tuple(
    replace(
        row,
        accuracy=tuple(1 - value for value in row.accuracy),
        validation=tuple(1 - value for value in row.validation),
    )
    for row in QUICKSTART
)
"""The same study of a score that is better when lower."""


def finished(engine: Engine) -> int:
    """A study with a failed run; its times to the target are known, or known to be longer."""
    with system_session(engine) as session:
        return insert(session, team_id=1).id


def of_losses(engine: Engine) -> int:
    """A study of a language model, whose score is better when lower."""
    with system_session(engine) as session:
        study = insert(session, team_id=1, rows=LOSSES)
        study.task = study.task | {"kind": "causal_lm"}
        return study.id


def with_retries(engine: Engine) -> int:
    """A study whose failed run was tried again twice, the last time well, and whose tuning run was tried again."""
    with system_session(engine) as session:
        study = insert(session, team_id=1)
        failed = session.scalars(select(Run).where(Run.study_id == study.id, Run.status == "failed")).one()
        again = _tried_again(session, failed, "failed", "out of memory")
        last = _tried_again(session, again, "succeeded", None)
        _measure_like(session, last, of_seed=0)
        tuning = session.scalars(select(Run).where(Run.study_id == study.id, Run.purpose == "tune")).first()
        assert tuning is not None
        _tried_again(session, tuning, "succeeded", None).validation_score = 0.5
        return study.id


def trained_together(engine: Engine) -> int:
    """A study of whose LoRA runs only the probe says how long a step takes."""
    made = finished(engine)
    share_steps(engine, made, 0.07)
    return made


def share_steps(engine: Engine, study: int, step_seconds: float | None) -> None:
    """LoRA's reporting runs took their steps with others; step_seconds: what its probe says of one, if it says it."""
    with system_session(engine) as session:
        of_lora = (Run.study_id == study, Run.configuration.has(method="lora"))
        for run in session.scalars(select(Run).where(*of_lora)):
            run.updated_at = database_now(session)
            if run.purpose == "report":
                run.train_seconds, run.environment = None, (run.environment or {}) | {"trained_together": 4}
                clock = (SeriesPointRow.run_id == run.id, SeriesPointRow.key == "train_seconds")
                session.execute(delete(SeriesPointRow).where(*clock))
            elif run.purpose == "probe":
                speed = session.get_one(MeasurementRow, (run.id, "training_speed"))
                speed.detail = {"median_step_seconds": step_seconds}


def halved(engine: Engine, *, chosen: float = 1e-3, whole_scores: tuple[float, float] = (0.94, 0.93)) -> int:
    """A study whose LoRA row tried five learning rates in a first rung of 38 steps and 1e-3 and 2e-3 of them whole; the
    first rung's best score is better than any with the whole budget."""
    lora = next(row for row in QUICKSTART if row.method == "lora")
    first = replace(lora, learning_rates=(2e-4, 5e-4, 1e-3, 2e-3, 5e-3), validation=(0.70, 0.72, 0.96, 0.97, 0.71))
    with system_session(engine) as session:
        study = insert(session, team_id=1, rows=tuple(first if row is lora else row for row in QUICKSTART))
        study.document = study.document | {"tuning": "halving"}
        row = session.scalars(select(Configuration).filter_by(study_id=study.id, method="lora")).one()
        tuning = select(Run).where(Run.configuration_id == row.id, Run.purpose == "tune")
        whole_rates = dict(zip((1e-3, 2e-3), whole_scores, strict=True))
        for run in session.scalars(tuning).all():
            run.rung_steps = 38
            if run.learning_rate in whole_rates:
                whole = with_whole_budget(run, STARTED)
                whole.status, whole.environment = "succeeded", {"torch": "2.14.0"}
                whole.validation_score = whole_rates[run.learning_rate]
                session.add(whole)
        row.learning_rate = chosen
        return study.id


def interrupted(engine: Engine) -> int:
    """A study of which one run waits, one runs, and a row has not chosen its learning rate."""
    with system_session(engine) as session:
        study = insert(session, team_id=1)
        row = session.scalars(select(Configuration).where(Configuration.method == "lora")).one()
        row.learning_rate = None
        tuning, *_, probe = session.scalars(select(Run).where(Run.configuration_id == row.id).order_by(Run.id))
        tuning.status, tuning.validation_score = "running", None
        probe.status, probe.ended_at = "queued", None
        return study.id


def _tried_again(session: Session, run: Run, status: str, reason: str | None) -> Run:
    again = in_place_of(run, run.learning_rate, STARTED)
    again.status, again.reason, again.environment, again.attempt = status, reason, {"torch": "2.14.0"}, 2
    again.validation_score, again.train_seconds = 0.88, 12.5
    session.add(again)
    session.flush()
    return again


def _measure_like(session: Session, run: Run, *, of_seed: int) -> None:
    """Give a run what the row's reporting run of another seed measured."""
    like = session.scalars(
        select(Run).where(Run.configuration_id == run.configuration_id, Run.purpose == "report", Run.seed == of_seed)
    ).one()
    for kind in (MeasurementRow, PredictionSet, SeriesPointRow):
        for row in session.scalars(select(kind).where(kind.run_id == like.id)).all():
            values = {column.name: getattr(row, column.name) for column in kind.__table__.columns}
            session.add(kind(**values | {"run_id": run.id}))


def told(engine: Engine, comparison: Comparison) -> Any:
    """A comparison without ids and sources: rows and runs by their place, everything else as it is."""
    with system_session(engine) as session:
        runs = session.scalars(select(Run.id).where(Run.study_id == comparison.study).order_by(Run.id)).all()
        assert session.get(Study, comparison.study) is not None
    places = {
        "rows": {row.id: place for place, row in enumerate(comparison.configurations)},
        "runs": {run: place for place, run in enumerate(runs)},
    }
    return _without_ids(comparison.model_dump(mode="json", exclude={"study"}), places, comparison.study)


PROBES = re.compile(r"probes (\d+(?:, \d+)*)")
NAMED_BY_ID = {"configuration": "rows", "id": "rows", "reference": "rows", "run_id": "runs"}


def _without_ids(value: Any, places: dict[str, dict[int, int]], study: int) -> Any:
    if isinstance(value, list):
        return [_without_ids(part, places, study) for part in value]
    if not isinstance(value, dict):
        return value
    found: dict[str, Any] = {}
    for name, part in value.items():
        if name.endswith("run_ids") or name == "split_off":
            found[name] = [places["runs"][run] for run in part]
        elif name in NAMED_BY_ID and isinstance(part, int) and not isinstance(part, bool):
            found[name] = places[NAMED_BY_ID[name]][part]
        elif name == "formula" and part is not None:
            named = part.replace(f"(study {study})", "(study)")
            found[name] = PROBES.sub(lambda ids: _placed(ids, places["runs"]), named)
        elif name != "source":
            found[name] = _without_ids(part, places, study)
    return found


def _placed(ids: re.Match[str], places: dict[int, int]) -> str:
    return "probes " + ", ".join(str(places[int(run)]) for run in ids.group(1).split(", "))


def archive(engine: Engine, study: int) -> bytes:
    return export_study(engine, LOCAL, study, "json").encode()


def counts(engine: Engine) -> dict[str, int]:
    """The rows of every table."""
    with system_session(engine) as session:
        tables = Base.metadata.sorted_tables
        return {table.name: session.scalar(select(func.count()).select_from(table)) or 0 for table in tables}


@contextmanager
def nothing_changes(engine: Engine) -> Iterator[None]:
    before = counts(engine)
    yield
    assert counts(engine) == before
