"""What a study has measured, read once from the database and asked many times."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import sqrt

import numpy as np
from sqlalchemy import and_, select
from sqlalchemy.orm import Session, aliased

from app.db.tables import Configuration, MeasurementRow, PredictionSet, Run, SeriesPointRow, Study
from app.schemas import MetricCard, TuningPoint
from app.services.catalogue import metric_card
from app.services.derived import DERIVED, target
from peft_core.compare.normalise import QualityScale
from peft_core.compare.recommend import QUALITY, Candidate, Evidence
from peft_core.compare.statistics import Scores
from peft_core.metric import metrics
from peft_core.task import Task, sign, task_kind

TRAIN_SECONDS = "train_seconds"


@dataclass(frozen=True)
class StudyEvidence:
    """A study's configurations, the last run of every chain of retries, and what those measured."""

    study: Study
    configurations: Sequence[Configuration]
    all_runs: Sequence[Run]
    measured: dict[int, dict[str, MeasurementRow]]
    predictions: dict[int, PredictionSet]
    validations: dict[int, list[tuple[float, float]]]
    """Run id -> (training seconds so far, score) of each validation on the way."""

    @cached_property
    def metric_keys(self) -> list[str]:
        """The study's metrics that the catalogue still has, in its order."""
        return [key for key in metrics() if key in self.study.document["metrics"]]

    @cached_property
    def task(self) -> type[Task]:
        return task_kind(self.study.task["kind"])

    def card(self, metric: str) -> MetricCard:
        """A metric as this study measures it: its quality is the task's own score, with the task's direction."""
        return metric_card(metrics()[metric], self.task)

    @cached_property
    def full(self) -> Configuration | None:
        """The row that costs and quality refer to."""
        return next((row for row in self.configurations if row.method == "full"), None)

    @cached_property
    def untuned(self) -> Configuration | None:
        """The row that gains are measured from."""
        return next((row for row in self.configurations if row.method == "untuned"), None)

    @cached_property
    def finished(self) -> list[Run]:
        return [run for run in self.all_runs if run.status == "succeeded"]

    def runs(self, configuration_id: int, purpose: str) -> list[Run]:
        """The configuration's runs of one purpose, by learning rate and seed."""
        found = [run for run in self.all_runs if run.configuration_id == configuration_id and run.purpose == purpose]
        return sorted(found, key=lambda run: (run.learning_rate or 0.0, run.seed))

    def purpose_of(self, metric: str) -> str:
        """The runs that give a metric's cells."""
        return "probe" if "probe" in metrics()[metric].purposes else "report"

    def values(self, configuration_id: int, metric: str) -> dict[int, float]:
        """Run id -> value of the runs that ended well and have one, by seed."""
        derive = DERIVED.get(metric)
        return derive(self, configuration_id) if derive else self.measured_values(configuration_id, metric)

    def measured_values(self, configuration_id: int, metric: str) -> dict[int, float]:
        """The same, as the runs measured it by themselves."""
        runs = self.runs(configuration_id, self.purpose_of(metric))
        found = {run.id: self.measured.get(run.id, {}).get(metric) for run in runs if run.status == "succeeded"}
        return {run_id: row.value for run_id, row in found.items() if row is not None and row.value is not None}

    def item_scores(self, configuration_id: int) -> dict[int, tuple[int, list[float]]]:
        """Seed -> (run id, scores by item) of the reporting runs that ended well."""
        runs = [run for run in self.runs(configuration_id, "report") if run.id in self.predictions]
        return {run.seed: (run.id, self.predictions[run.id].scores) for run in runs if run.status == "succeeded"}

    def learned(self, tuning: Sequence[TuningPoint]) -> bool | None:
        """Whether some learning rate beat the untuned answer by more than one standard error on validation.

        The spread of single items is taken from the untuned row's test items, which are of the same kind.
        """
        scores = [point.validation_score for point in tuning if point.validation_score is not None]
        floor, items = self.untuned_validation, self.untuned_items
        if not tuning or not scores or floor is None or items is None:
            return None
        error = float(np.std(items)) / sqrt(self.study.task["splits"]["validation"])
        return max(sign(self.task) * score for score in scores) > sign(self.task) * floor + error

    @cached_property
    def untuned_items(self) -> list[float] | None:
        """The untuned row's score on each test item."""
        if self.untuned is None:
            return None
        return next((scores for _, scores in self.item_scores(self.untuned.id).values()), None)

    @cached_property
    def untuned_validation(self) -> float | None:
        """What answering the majority class scores on validation."""
        if self.untuned is None:
            return None
        scores = [run.validation_score for run in self.runs(self.untuned.id, "report")]
        return next((score for score in scores if score is not None), None)

    @cached_property
    def target(self) -> float | None:
        """The validation score that the time to target is taken to, better when higher; None where there is none."""
        return target(self)

    def candidate(self, row: Configuration) -> Candidate:
        """The configuration as the recommendation sees it: quality always better when higher."""
        keys = [key for key in self.metric_keys if metrics()[key].purposes]
        values = {key: tuple(self.values(row.id, key).values()) for key in keys}
        if QUALITY in values:
            values[QUALITY] = tuple(sign(self.task) * value for value in values[QUALITY])
        reports = self.runs(row.id, "report")
        seconds = [run.train_seconds for run in reports if run.train_seconds is not None]
        values[TRAIN_SECONDS] = tuple(seconds) if seconds or row.learning_rates else (0.0,)
        scores = [scores for _, scores in self.item_scores(row.id).values()]
        return Candidate(
            key=row.id,
            values={key: found for key, found in values.items() if found},
            item_scores=_stacked(scores, sign(self.task)),
            unsuccessful=frozenset(key for key in keys if self._unsuccessful(row, key)),
        )

    def _unsuccessful(self, row: Configuration, metric: str) -> bool:
        runs = self.runs(row.id, self.purpose_of(metric))
        return all(run.status != "succeeded" for run in runs)

    @cached_property
    def as_evidence(self) -> Evidence:
        """The study as the recommendation sees it: untuned is a floor, not a candidate."""
        rows = [row for row in self.configurations if row is not self.untuned]
        return Evidence(
            candidates=[self.candidate(row) for row in rows if self.shown_to_learn(row)],
            full=self.candidate(self.full) if self.full else None,
            untuned=self.candidate(self.untuned) if self.untuned else None,
        )

    def shown_to_learn(self, row: Configuration) -> bool:
        """False only for a tuned method whose whole grid stayed at the floor: it is never ranked."""
        points = [
            TuningPoint(
                learning_rate=run.learning_rate or 0.0,
                run_id=run.id,
                status=run.status,
                validation_score=run.validation_score,
            )
            for run in self.runs(row.id, "tune")
        ]
        return self.learned(points) is not False

    @cached_property
    def quality_scale(self) -> QualityScale | None:
        """Where quality's score runs from and to, None until both reference rows are measured."""
        return self.as_evidence.quality_scale()


def _stacked(scores: Sequence[list[float]], direction: float) -> Scores | None:
    if not scores or len({len(row) for row in scores}) != 1:
        return None
    return direction * np.asarray(scores, dtype=np.float64)


def read_evidence(session: Session, study: Study) -> StudyEvidence:
    """Everything measured in a study; of a chain of retries its last run."""
    runs = list(session.scalars(select(Run).where(Run.study_id == study.id).order_by(Run.id)))
    retried = {run.retry_of for run in runs}
    runs = [run for run in runs if run.id not in retried]
    ids = select(Run.id).where(Run.study_id == study.id)
    measured: dict[int, dict[str, MeasurementRow]] = {}
    for row in session.scalars(select(MeasurementRow).where(MeasurementRow.run_id.in_(ids))):
        measured.setdefault(row.run_id, {})[row.metric] = row
    predictions = session.scalars(select(PredictionSet).where(PredictionSet.run_id.in_(ids)))
    return StudyEvidence(
        study=study,
        configurations=list(study.configurations),
        all_runs=runs,
        measured=measured,
        predictions={row.run_id: row for row in predictions},
        validations=_read_validations(session, study),
    )


def _read_validations(session: Session, study: Study) -> dict[int, list[tuple[float, float]]]:
    score, seconds = aliased(SeriesPointRow), aliased(SeriesPointRow)
    same_place = and_(seconds.run_id == score.run_id, seconds.step == score.step, seconds.key == "train_seconds")
    wanted = (
        select(score.run_id, seconds.value, score.value)
        .join(seconds, same_place)
        .join(Run, Run.id == score.run_id)
        .where(Run.study_id == study.id, Run.purpose == "report", score.key == "validation_score")
        .order_by(score.run_id, score.step)
    )
    found: dict[int, list[tuple[float, float]]] = {}
    for run_id, trained, scored in session.execute(wanted):
        if trained is not None and scored is not None:
            found.setdefault(run_id, []).append((trained, scored))
    return found
