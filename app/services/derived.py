"""What no run measures by itself: figures that a study works out of several of its runs."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from app.db.tables import Configuration
from app.language import tr
from app.services.shared_steps import shares_steps, timed_validations
from peft_core.compare.time_to_target import TrainedFor, target_score, time_to_target
from peft_core.compare.tuning_ease import tuning_ease, with_tuning_ease
from peft_core.task import sign

if TYPE_CHECKING:
    from app.services.evidence import StudyEvidence

TIME_TO_TARGET = "time_to_target"
SIMPLICITY = "simplicity"


def ease_of(evidence: "StudyEvidence", configuration_id: int) -> float | None:
    """The row's tuning ease in decades; None where a learning rate of its grid has no score with the whole budget, or
    there are too few."""
    runs = evidence.tuning(configuration_id)
    tried = {run.learning_rate for run in [*runs, *evidence.first_rung(configuration_id)]}
    scores = {run.learning_rate: run.validation_score for run in runs if run.status == "succeeded"}
    known = {rate: sign(evidence.task) * score for rate, score in scores.items() if rate and score is not None}
    return tuning_ease(known) if len(known) == len(tried) else None


def target(evidence: "StudyEvidence") -> float | None:
    """The validation score (its sign turned where lower is better) that keeps 95 % of full fine-tuning's gain.

    None where full fine-tuning does not clearly gain anything.
    """
    scale, floor = evidence.full_scale, evidence.untuned_validation
    if scale is None or not scale.defined or evidence.full is None or floor is None:
        return None
    runs = [run for run in evidence.runs(evidence.full.id, "report") if run.status == "succeeded"]
    scores = [run.validation_score for run in runs if run.validation_score is not None]
    direction = sign(evidence.task)
    if not scores or direction * sum(scores) / len(scores) <= direction * floor:
        return None
    return target_score(direction * floor, direction * sum(scores) / len(scores))


def trained_for(evidence: "StudyEvidence", configuration_id: int) -> dict[int, TrainedFor]:
    """Run id -> how long each reporting run trained for the target; empty where that is not known of all of them."""
    runs = [run for run in evidence.runs(configuration_id, "report") if run.status == "succeeded"]
    timed = timed_validations(evidence, runs)
    if evidence.target is None or any(not timed.get(run.id) for run in runs):
        return {}
    direction = sign(evidence.task)
    return {
        run.id: time_to_target([(seconds, direction * score) for seconds, score in timed[run.id]], evidence.target)
        for run in runs
    }


def unreached(evidence: "StudyEvidence", configuration_id: int) -> dict[int, float]:
    """Run id -> training seconds, where some run ended below the target: their mean is less than the time it takes."""
    found = trained_for(evidence, configuration_id)
    if all(run.reached for run in found.values()):
        return {}
    return {run_id: run.seconds for run_id, run in found.items()}


def why_no_time(evidence: "StudyEvidence", row: Configuration) -> str | None:
    """Why a row whose reporting runs have ended has no time to the target; None while they have not."""
    runs = evidence.runs(row.id, "report")
    if any(run.status in ("queued", "running") for run in runs) or all(run.status != "succeeded" for run in runs):
        return None
    if not row.learning_rates:
        return tr("this method trains nothing")
    if evidence.target is None:
        return tr("no target: full fine-tuning's gain over the untuned row is not measured, or not clear of noise")
    if unreached(evidence, row.id):
        return tr("not reached: a run ended below the target")
    if shares_steps(evidence, [run for run in runs if run.status == "succeeded"]):
        return tr("its runs trained together with others, and no probe says what a step takes alone")
    return tr("these runs did not record when they were validated")


def _times(evidence: "StudyEvidence", configuration_id: int) -> dict[int, float]:
    """All or none: the seeds that were fast enough alone would flatter the row."""
    found = trained_for(evidence, configuration_id)
    return {run_id: run.seconds for run_id, run in found.items()} if not unreached(evidence, configuration_id) else {}


def _simplicity(evidence: "StudyEvidence", configuration_id: int) -> dict[int, float]:
    ease = ease_of(evidence, configuration_id)
    measured = evidence.measured_values(configuration_id, SIMPLICITY)
    return {run_id: with_tuning_ease(value, ease) for run_id, value in measured.items()}


DERIVED: Mapping[str, "Callable[[StudyEvidence, int], dict[int, float]]"] = {
    TIME_TO_TARGET: _times,
    SIMPLICITY: _simplicity,
}
"""Metric -> its value in each run of a row."""
