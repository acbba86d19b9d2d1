"""What a study has measured, read once from the database and asked many times."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import inf, log2, sqrt

import numpy as np
from pydantic import JsonValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.tables import Configuration, MeasurementRow, PredictionSet, Run, Study
from app.language import tr
from app.schemas import MetricCard, SourceKind, TuningPoint
from app.services.catalogue import metric_card
from app.services.comparability import (
    Alike,
    Conditions,
    conditions_of,
    differences_from,
    largest_alike,
    trained_unlike,
    usual_conditions,
)
from app.services.derived import DERIVED, target
from app.services.scores import score_of
from app.services.shared_steps import Validated, read_validated, seconds_trained
from peft_core.compare.normalise import QualityScale
from peft_core.compare.recommend import QUALITY, Candidate, Evidence
from peft_core.compare.statistics import Scores
from peft_core.metric import Metric, metrics
from peft_core.spec import Budget
from peft_core.task import Score, sign

TRAIN_SECONDS = "train_seconds"
EXACT_MATCH = "exact_match"
"""The metric whose details say how answers were decoded."""
STAND_IN, STAND_IN_TARGETS, STAND_IN_RANK = "lora", "all_linear", 16
"""The row nearest to this one is what costs refer to where full fine-tuning cannot be."""


@dataclass(frozen=True)
class StudyEvidence:
    """A study's configurations, the last run of every chain of retries, and what those measured."""

    study: Study
    configurations: Sequence[Configuration]
    all_runs: Sequence[Run]
    measured: dict[int, dict[str, MeasurementRow]]
    item_scores_of: dict[int, list[float]]
    """Run id -> its score on each test item."""
    validated: dict[int, list[Validated]]
    """Run id -> its validations on the way."""
    _alike: dict[tuple[int, bool], Alike] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def metric_keys(self) -> list[str]:
        """The study's metrics that the catalogue still has, in its order."""
        return [key for key in self.catalogue if key in self.study.document["metrics"]]

    @cached_property
    def catalogue(self) -> dict[str, type[Metric]]:
        """Every metric by key, looked up once: a study asks for them thousands of times."""
        return metrics()

    @cached_property
    def task(self) -> Score:
        """What the study is judged by."""
        return score_of(self.study)

    def card(self, metric: str) -> MetricCard:
        """A metric as this study measures it: its quality is the task's own score, with the task's direction."""
        return metric_card(self.catalogue[metric], self.task)

    @cached_property
    def full(self) -> Configuration | None:
        """Full fine-tuning's row."""
        return next((row for row in self.configurations if row.method == "full"), None)

    @cached_property
    def reference(self) -> Configuration | None:
        """The row that costs and quality refer to: full fine-tuning, or the LoRA row that stands in for it."""
        return self.full if self.why_not_full is None else self._stand_in or self.full

    @cached_property
    def reference_note(self) -> str | None:
        """What stands in for full fine-tuning, and why; None where nothing does."""
        if self.reference is None or self.reference is self.full or self.why_not_full is None:
            return None
        return tr(
            "{method} stands in for full fine-tuning as the reference: {why}.",
            method=tr(self.reference.label),
            why=self.why_not_full,
        )

    @cached_property
    def why_not_full(self) -> str | None:
        """Why full fine-tuning cannot be what others refer to; None where it can, or may yet come to."""
        if self.full is None:
            return tr("the study has no full fine-tuning")
        runs = self.runs(self.full.id, "report")
        if any(run.status in ("queued", "running") for run in runs):
            return None
        compared = self.alike(self.full.id, QUALITY).kept
        if not compared:
            return tr("full fine-tuning gave no result")
        unlike = trained_unlike(self.usual, [self.conditions[run.id] for run in compared])
        how = tr(", ").join(unlike)
        return tr("full fine-tuning does not compare ({how})", how=how) if unlike else None

    @cached_property
    def _stand_in(self) -> Configuration | None:
        """The LoRA row nearest to one of rank 16 on all linear layers, of those that have a result."""
        rows = [row for row in self.configurations if row.method == STAND_IN and self.values(row.id, QUALITY)]
        return min(rows, key=_distance_to_stand_in, default=None)

    @cached_property
    def untuned(self) -> Configuration | None:
        """The row that gains are measured from."""
        return next((row for row in self.configurations if row.method == "untuned"), None)

    @cached_property
    def finished(self) -> list[Run]:
        """Runs that ended well, but for those of a first rung: they chose who is tried, and compare with no other."""
        return [run for run in self.all_runs if run.status == "succeeded" and run.rung_steps is None]

    def runs(self, configuration_id: int, purpose: str) -> list[Run]:
        """The configuration's runs of one purpose, by learning rate and seed."""
        return self._runs.get((configuration_id, purpose), [])

    @cached_property
    def _runs(self) -> dict[tuple[int, str], list[Run]]:
        """The same of all at once: a comparison asks for each of them dozens of times."""
        found: dict[tuple[int, str], list[Run]] = {}
        for run in sorted(self.all_runs, key=lambda run: (run.learning_rate or 0.0, run.seed)):
            found.setdefault((run.configuration_id, run.purpose), []).append(run)
        return found

    def tuning(self, configuration_id: int) -> list[Run]:
        """The configuration's tuning runs with the whole budget, by learning rate: what its rate was chosen among."""
        return [run for run in self.runs(configuration_id, "tune") if run.rung_steps is None]

    def first_rung(self, configuration_id: int) -> list[Run]:
        """Its tuning runs with a part of the budget, which chose the rates that got all of it."""
        return [run for run in self.runs(configuration_id, "tune") if run.rung_steps is not None]

    def purpose_of(self, metric: str) -> str:
        """The runs that give a metric's cells."""
        return "probe" if "probe" in self.catalogue[metric].purposes else "report"

    def measuring(self, configuration_id: int, metric: str) -> list[Run]:
        """The runs that give a metric's cell."""
        reports = self.runs(configuration_id, "report")
        if self.purpose_of(metric) == "report":
            return reports
        return self.runs(configuration_id, "probe") + [run for run in reports if self._tells_costs(run)]

    def _tells_costs(self, run: Run) -> bool:
        """A run that was imported without a probe of its row beside it has all its results, costs among them."""
        alone = run.source == "imported" and run.configuration_id not in self._probed
        return run.purpose == "probe" or (alone and run.purpose == "report")

    @cached_property
    def _probed(self) -> set[int]:
        """The configurations that have a probe."""
        return {run.configuration_id for run in self.all_runs if run.purpose == "probe"}

    def alike(self, configuration_id: int, metric: str) -> Alike:
        """Of the runs of a cell that ended well, those that compare with each other."""
        costs = self.purpose_of(metric) == "probe"
        if (configuration_id, costs) not in self._alike:
            runs = [run for run in self.measuring(configuration_id, metric) if run.status == "succeeded"]
            self._alike[configuration_id, costs] = largest_alike(runs, self.conditions, costs=costs)
        return self._alike[configuration_id, costs]

    @cached_property
    def conditions(self) -> dict[int, Conditions]:
        """Run id -> how it was made, of the runs that ended well."""
        return {run.id: conditions_of(run, self._decoding(run.id)) for run in self.finished}

    def _decoding(self, run_id: int) -> JsonValue:
        written = self.measured.get(run_id, {}).get(EXACT_MATCH)
        return written.detail.get("decoding") if written is not None else None

    @cached_property
    def costing(self) -> list[Run]:
        """The runs that measured what training costs."""
        return [run for run in self.finished if self._tells_costs(run)]

    @cached_property
    def usual(self) -> Conditions:
        """How most of the study's runs were made."""
        quality, costs = ([self.conditions[run.id] for run in runs] for runs in (self.finished, self.costing))
        return usual_conditions(quality, costs)

    def flags(self, configuration_id: int, metric: str) -> list[str]:
        """What a reader of a cell must know: runs that were left out of it, and what sets it apart from others."""
        alike = self.alike(configuration_id, metric)
        kept = [self.conditions[run.id] for run in alike.kept]
        notes = [tr(str(row.detail["note"])) for row in self._measured_of(alike.kept, metric) if "note" in row.detail]
        costs = self.purpose_of(metric) == "probe"
        return [*alike.reasons, *differences_from(self.usual, kept, costs=costs), *dict.fromkeys(notes)]

    def source(self, run_ids: Sequence[int]) -> SourceKind:
        """Whether a worker of this installation measured the runs behind a number, or they were imported."""
        return "measured" if self._imported.isdisjoint(run_ids) else "imported"

    @cached_property
    def _imported(self) -> set[int]:
        return {run.id for run in self.all_runs if run.source == "imported"}

    def values(self, configuration_id: int, metric: str) -> dict[int, float]:
        """Run id -> value of the runs that ended well and have one, by seed; of runs made unlike, the most alike."""
        derive = DERIVED.get(metric)
        return derive(self, configuration_id) if derive else self.measured_values(configuration_id, metric)

    def measured_values(self, configuration_id: int, metric: str) -> dict[int, float]:
        """The same, as the runs measured it by themselves."""
        rows = self._measured_of(self.alike(configuration_id, metric).kept, metric)
        return {row.run_id: row.value for row in rows if row.value is not None}

    def _measured_of(self, runs: Sequence[Run], metric: str) -> list[MeasurementRow]:
        found = (self.measured.get(run.id, {}).get(metric) for run in runs)
        return [row for row in found if row is not None]

    def counted_items(self, configuration_id: int, metric: str) -> int | None:
        """Of how many test items a value is the share that was counted, where all its runs say the same number."""
        runs = self.alike(configuration_id, metric).kept
        counts = {self._counted(row) for row in self._measured_of(runs, metric) if row.value is not None}
        return counts.pop() if len(counts) == 1 else None

    def _counted(self, measured: MeasurementRow) -> int | None:
        said = measured.detail.get("counted_items")
        if said is not None:
            return int(said)
        scores = self.item_scores_of.get(measured.run_id) if measured.metric == QUALITY else None
        if scores is None or self.task.quantity != "fraction" or not set(scores) <= {0, 1}:
            return None
        return len(scores)

    def item_scores(self, configuration_id: int) -> dict[int, tuple[int, list[float]]]:
        """Seed -> (run id, scores by item) of the reporting runs that ended well."""
        runs = [run for run in self.alike(configuration_id, QUALITY).kept if run.id in self.item_scores_of]
        return {run.seed: (run.id, self.item_scores_of[run.id]) for run in runs}

    def learned(self, tuning: Sequence[TuningPoint]) -> bool | None:
        """Whether some learning rate beat the untuned answer by more than one standard error on validation.

        The spread of single items is taken from the untuned row's test items, which are of the same kind.
        """
        scores = [point.validation_score for point in tuning if point.validation_score is not None]
        floor, items = self.untuned_validation, self.untuned_items
        splits = self.study.task["splits"]
        if not tuning or not scores or floor is None or items is None or splits is None:
            return None
        error = float(np.std(items)) / sqrt(splits["validation"])
        return max(sign(self.task) * score for score in scores) > sign(self.task) * floor + error

    @cached_property
    def full_steps(self) -> int | None:
        """Optimizer steps of the whole budget; None where the number of training items is not known."""
        budget, splits = Budget.model_validate(self.study.document["budget"]), self.study.task["splits"]
        return budget.total_steps(splits["train"]) if splits else budget.steps

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
        keys = [key for key in self.metric_keys if self.catalogue[key].purposes]
        values = {key: tuple(self.values(row.id, key).values()) for key in keys}
        if QUALITY in values:
            values[QUALITY] = tuple(sign(self.task) * value for value in values[QUALITY])
        seconds = seconds_trained(self, self.alike(row.id, QUALITY).kept).values()
        values[TRAIN_SECONDS] = tuple(seconds) if seconds or row.learning_rates else (0.0,)
        found = self.item_scores(row.id)
        scores = [scores for _, scores in found.values()]
        return Candidate(
            key=row.id,
            values={key: found for key, found in values.items() if found},
            item_scores=_stacked(scores, sign(self.task)),
            unsuccessful=frozenset(key for key in keys if self._unsuccessful(row, key)),
            counted_items=None if scores else self.counted_items(row.id, QUALITY),
            seeds=tuple(found),
        )

    def _unsuccessful(self, row: Configuration, metric: str) -> bool:
        return all(run.status != "succeeded" for run in self.measuring(row.id, metric))

    @cached_property
    def as_evidence(self) -> Evidence:
        """The study as the recommendation sees it: untuned is a floor, not a candidate."""
        rows = [row for row in self.configurations if row is not self.untuned]
        return Evidence(
            candidates=[self.candidate(row) for row in rows if self.shown_to_learn(row)],
            unranked=[self.candidate(row) for row in rows if not self.shown_to_learn(row)],
            full=self.candidate(self.reference) if self.reference else None,
            untuned=self.candidate(self.untuned) if self.untuned else None,
            assumed_floor=self.assumed_floor,
        )

    @cached_property
    def assumed_floor(self) -> float | None:
        """The task's chance level, better when higher, where no untuned row says what there is to gain from."""
        chance = self.task.chance_level
        return None if self.untuned is not None or chance is None else sign(self.task) * chance

    def shown_to_learn(self, row: Configuration) -> bool:
        """False only for a tuned method whose whole grid stayed at the floor: it is never ranked."""
        points = [
            TuningPoint(
                learning_rate=run.learning_rate or 0.0,
                run_id=run.id,
                status=run.status,
                validation_score=run.validation_score,
            )
            for run in self.tuning(row.id)
        ]
        return self.learned(points) is not False

    @cached_property
    def quality_scale(self) -> QualityScale | None:
        """Where quality's score runs from and to, None until both reference rows are measured."""
        return self.as_evidence.quality_scale()

    @cached_property
    def full_scale(self) -> QualityScale | None:
        """The same up to full fine-tuning itself; None where another row stands in for it."""
        return self.quality_scale if self.reference is self.full else None


def _distance_to_stand_in(row: Configuration) -> tuple[bool, float]:
    rank = row.hyperparameters.get("rank")
    far = abs(log2(rank / STAND_IN_RANK)) if isinstance(rank, (int, float)) and rank > 0 else inf
    return row.hyperparameters.get("target_modules") != STAND_IN_TARGETS, far


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
    scores = select(PredictionSet.run_id, PredictionSet.scores).where(PredictionSet.run_id.in_(ids))
    return StudyEvidence(
        study=study,
        configurations=list(study.configurations),
        all_runs=runs,
        measured=measured,
        item_scores_of=dict(session.execute(scores).all()),
        validated=read_validated(session, study),
    )
