"""What went wrong in a run: its rows as a record, and the finding with the source of every number."""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import numpy as np
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.db.session import team_session
from app.db.tables import Configuration, PredictionSet, Run, SeriesPointRow
from app.language import mark, tr
from app.schemas import DiagnosisView, Number, NumberQuantity, Part, Sentence
from app.services.callers import Caller
from app.services.numbers import sentence
from app.services.runs import read_run, source_of
from app.services.scores import score_of
from peft_core.analysis.diagnosis import CURVES, Curve, Fact, Reading, RunRecord, diagnose
from peft_core.method import methods
from peft_core.spec import Budget
from peft_core.task import Score


@dataclass(frozen=True)
class UntunedLevel:
    """What the study's untuned run scores on validation, and the standard error that so many items give a score."""

    run_id: int
    score: float
    noise: float


def read_diagnosis(engine: Engine, caller: Caller, run_id: int) -> DiagnosisView:
    """The run's symptom with evidence, causes and fixes; empty where none of the four was found."""
    with team_session(engine, caller.team_id) as session:
        run = read_run(session, run_id)
        untuned = _untuned_level(session, run)
        task = score_of(run.study)
        record = _record(session, run, untuned, task)
        return _view(run, record, untuned, task)


def diagnose_run(session: Session, run: Run) -> str | None:
    """The symptom of a run that has been read, None where none was found."""
    finding = diagnose(_record(session, run, _untuned_level(session, run), score_of(run.study)))
    return finding.symptom if finding else None


def _record(session: Session, run: Run, untuned: UntunedLevel | None, task: Score) -> RunRecord:
    budget = Budget.model_validate(run.study.document["budget"])
    return RunRecord(
        curves=_curves(session, run.id),
        ended=run.status == "succeeded",
        reason=run.reason if run.status == "failed" else None,
        batch_size=budget.batch_size,
        max_length=budget.max_length,
        score=run.validation_score,
        # A first rung ends before it has to have learned anything.
        untuned_score=untuned.score if untuned and run.rung_steps is None else None,
        score_noise=untuned.noise if untuned else 0.0,
        better=task.better,
        usual_rates=_usual_rates(run.configuration.method),
    )


def _usual_rates(method: str) -> tuple[float, float] | None:
    """The lowest and highest centre of the method's grids; None for a method that tunes nothing or has left the
    catalogue."""
    kind = methods().get(method)
    if kind is None or kind.learning_rate is None:
        return None
    rates = (kind.learning_rate.small, kind.learning_rate.encoder, kind.learning_rate.llm)
    return min(rates), max(rates)


def _curves(session: Session, run_id: int) -> dict[str, Curve]:
    rows = session.execute(
        select(SeriesPointRow.key, SeriesPointRow.step, SeriesPointRow.value)
        .where(SeriesPointRow.run_id == run_id, SeriesPointRow.key.in_(CURVES))
        .order_by(SeriesPointRow.step)
    )
    found: dict[str, list[tuple[int, float | None]]] = {key: [] for key in CURVES}
    for key, step, value in rows:
        found[key].append((step, value))
    return dict(found)


def _untuned_level(session: Session, run: Run) -> UntunedLevel | None:
    """Of the study's untuned row, None where it has none or none that has ended. The spread of single items is taken
    from its test items, which are of the same kind as those of validation."""
    wanted = (
        select(Run.id, Run.validation_score, PredictionSet.scores)
        .join(Configuration, Configuration.id == Run.configuration_id)
        .join(PredictionSet, PredictionSet.run_id == Run.id)
        .where(Run.study_id == run.study_id, Configuration.method == "untuned", Run.status == "succeeded")
        .order_by(Run.id)
    )
    found = session.execute(wanted).first()
    splits = run.study.task["splits"]
    if found is None or found.validation_score is None or splits is None:
        return None
    noise = float(np.std(found.scores)) / sqrt(splits["validation"])
    return UntunedLevel(found.id, found.validation_score, noise)


def _view(run: Run, record: RunRecord, untuned: UntunedLevel | None, task: Score) -> DiagnosisView:
    def number(reading: Reading) -> Part:
        if reading.steps:
            return Part(number=_on_a_curve(reading, run, task))
        source = untuned.run_id if untuned is not None and reading.of == "untuned" else run.id
        return Part(number=_figure(reading, run, source, task))

    finding = diagnose(record)
    return DiagnosisView(
        run_id=run.id,
        status=run.status,
        learned=record.learned,
        symptom=finding.symptom if finding else None,
        evidence=[_said(fact, number) for fact in finding.evidence] if finding else [],
        causes=[tr(cause) for cause in finding.advice.causes] if finding else [],
        fixes=[tr(fix) for fix in finding.advice.fixes] if finding else [],
        prevention=[tr(step) for step in finding.advice.prevention] if finding else [],
    )


def _said(fact: Fact, number: Callable[[Reading], Part]) -> Sentence:
    """A fact in the reader's language, its readings as numbers."""
    readings = dict(zip(PLACES, (piece for piece in fact if isinstance(piece, Reading)), strict=False))
    return sentence(message_of(fact), **{place: number(reading) for place, reading in readings.items()})


def message_of(fact: Fact) -> str:
    """The whole sentence, with {a}, {b} and {c} where its readings stand."""
    places = iter(PLACES)
    return "".join(piece if isinstance(piece, str) else f"{{{next(places)}}}" for piece in fact)


PLACES = "abc"
FACTS = (
    mark("Memory ran out with {a} items a step of up to {b} tokens each."),
    mark("Throughput fell from {a} real tokens a second to {b} before it ended."),
    mark("The loss was no number any more, which ended the run."),
    mark("The gradient was not finite any more; the training loss was {a} at last."),
    mark("Training loss rose from {a} to {b}, above that of a model that knows nothing."),
    mark("The gradient norm grew from {a} to {b}."),
    mark("Training loss went from {a} to {b} and no further."),
    mark("The gradient norm was {a} at the start and {b} at the end: no step moved the model far."),
    mark("Training took {a} optimizer steps in all."),
    mark("Training loss fell from {a} to {b}."),
    mark("It scores {a} on the validation split, the untuned model {b}."),
    mark("The learning rate was {a} at its highest; this method usually takes {b} to {c}."),
    mark("The learning rate was {a} at its highest."),
)
"""The sentences of peft_core's diagnosis, which knows no language, as the catalogue has them."""


def _on_a_curve(reading: Reading, run: Run, task: Score) -> Number:
    """A value of the run's series, or the median of several."""
    formats: dict[str, NumberQuantity] = {
        "learning_rate": "learning_rate",
        "tokens_per_second": "per_second",
        "validation_score": task.quantity,
    }
    return Number(
        value=reading.value,
        quantity=formats.get(reading.of, "series"),
        statistic="at_step" if len(reading.steps) == 1 else "median_of_steps",
        metric=reading.of,
        source=source_of(run),
        run_ids=[run.id],
        steps=list(reading.steps),
    )


def _figure(reading: Reading, run: Run, source: int, task: Score) -> Number:
    """A score of run `source`, or what a formula called as the reading says of the run or its method."""
    if reading.of in ("score", "untuned"):
        return Number(
            value=reading.value,
            quantity=task.quantity,
            statistic="value",
            metric="validation_score",
            source=source_of(run),
            run_ids=[source],
        )
    of_method = reading.of.endswith("usual_rate")
    subject = f"method {run.configuration.method}" if of_method else f"run {run.id}"
    return Number(
        value=reading.value,
        quantity="learning_rate" if of_method else "count",
        statistic="formula",
        formula=f"{reading.of}({subject})",
    )
