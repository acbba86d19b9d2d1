"""How long runs trained, where they trained together: steps of their own times what a step of their row takes alone.

The time of a step that several runs took together belongs to none of them; their row's probe has measured one of its
own. Where a row has such runs, all of its times are made so: never one seed by the clock and the next by the formula.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import and_, select
from sqlalchemy.orm import Session, aliased

from app.db.tables import Run, SeriesPointRow, Study

if TYPE_CHECKING:
    from app.services.evidence import StudyEvidence

TOGETHER = "trained_together"
"""In a run's environment: how many runs, this one among them, began to train together."""
SPEED, STEP_SECONDS = "training_speed", "median_step_seconds"
"""The probe's metric whose details say what a step takes."""


@dataclass(frozen=True)
class Validated:
    """A validation on the way. seconds: of training until then; None where steps were shared."""

    step: int
    seconds: float | None
    score: float


@dataclass(frozen=True)
class ProbedStep:
    """What a step of a row takes alone, in the mean of its probes."""

    seconds: float
    run_ids: Sequence[int]


def others_beside(run: Run) -> int:
    """How many other runs a run trained together with."""
    together = (run.environment or {}).get(TOGETHER)
    return max(0, together - 1) if isinstance(together, int) else 0


def read_validated(session: Session, study: Study) -> dict[int, list[Validated]]:
    """Reporting run -> its validations in order; without those that have no score."""
    score, seconds = aliased(SeriesPointRow), aliased(SeriesPointRow)
    same_place = and_(seconds.run_id == score.run_id, seconds.step == score.step, seconds.key == "train_seconds")
    wanted = (
        select(score.run_id, score.step, seconds.value, score.value)
        .outerjoin(seconds, same_place)
        .join(Run, Run.id == score.run_id)
        .where(Run.study_id == study.id, Run.purpose == "report", score.key == "validation_score")
        .order_by(score.run_id, score.step)
    )
    found: dict[int, list[Validated]] = {}
    for run_id, step, trained, scored in session.execute(wanted):
        if scored is not None:
            found.setdefault(run_id, []).append(Validated(step, trained, scored))
    return found


def probed_step(evidence: "StudyEvidence", configuration_id: int) -> ProbedStep | None:
    """None where no probe of the row says it."""
    probes = evidence.alike(configuration_id, SPEED).kept
    rows = [evidence.measured.get(run.id, {}).get(SPEED) for run in probes]
    known = {row.run_id: row.detail[STEP_SECONDS] for row in rows if row and row.detail.get(STEP_SECONDS)}
    return ProbedStep(sum(known.values()) / len(known), list(known)) if known else None


def shares_steps(evidence: "StudyEvidence", runs: Sequence[Run]) -> bool:
    """Whether some of these runs took steps together with others, so that the clock does not say how long they took."""
    return any(
        run.train_seconds is None
        and any(point.seconds is None and point.step for point in evidence.validated.get(run.id, []))
        for run in runs
    )


def timed_validations(evidence: "StudyEvidence", runs: Sequence[Run]) -> dict[int, list[tuple[float, float]]]:
    """Run of one row -> (training seconds so far, score) of each of its validations; without runs that have none."""
    validated = {run.id: evidence.validated[run.id] for run in runs if run.id in evidence.validated}
    if not shares_steps(evidence, runs):
        return {
            run_id: [(point.seconds, point.score) for point in points if point.seconds is not None]
            for run_id, points in validated.items()
        }
    step = probed_step(evidence, runs[0].configuration_id)
    if step is None:
        return {}
    return {
        run_id: [(point.step * step.seconds, point.score) for point in points] for run_id, points in validated.items()
    }


def seconds_trained(evidence: "StudyEvidence", runs: Sequence[Run]) -> dict[int, float]:
    """Run of one row -> how long all of its training took; without runs of which that is not known."""
    if not shares_steps(evidence, runs):
        return {run.id: run.train_seconds for run in runs if run.train_seconds is not None}
    # A run ends with a validation.
    return {run_id: points[-1][0] for run_id, points in timed_validations(evidence, runs).items()}


def formula_of_time(evidence: "StudyEvidence", runs: Sequence[Run]) -> str | None:
    """What `timed_validations` makes times of, where the clock does not say them."""
    step = probed_step(evidence, runs[0].configuration_id) if shares_steps(evidence, runs) else None
    if step is None:
        return None
    probes = ", ".join(str(run_id) for run_id in step.run_ids)
    return f"steps_times_probed_step(step_seconds {step.seconds!r}, probes {probes})"
