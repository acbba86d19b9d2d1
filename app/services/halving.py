"""Successive halving of a row's learning rates: all get a part of the budget, the better half then all of it.

Two rungs; who goes on is peft_core.compare.halving's. A first rung is a training of its own, in which the learning rate
falls to zero, for a rate that is still high says little of where it will end (Li, Yumer and Ramanan 2020). Whoever goes
on begins anew, so that what is chosen among is what a full grid would have measured.
"""

from collections.abc import Sequence
from datetime import datetime

from app.db.tables import Run
from app.schemas import LEAST_RATES_HALVED, Tuning
from peft_core.compare.halving import going_on, places, ranked
from peft_core.method import Method
from peft_core.spec import Budget


def halves(tuning: Tuning, method: Method, rates: int) -> bool:
    """Whether a row of so many learning rates has a first rung, if its budget is long enough to be parted: only where
    that is cheaper than the whole grid."""
    saves = rates * method.first_rung + going_on(rates) < rates
    return tuning == "halving" and rates >= LEAST_RATES_HALVED and saves


def rung_steps(tuning: Tuning, method: Method, rates: int, total_steps: int) -> int | None:
    """Optimizer steps of a row's first rung; None where all its learning rates get the whole budget at once."""
    steps = max(1, round(method.first_rung * total_steps))
    return steps if halves(tuning, method, rates) and steps < total_steps else None


def budget_of(run: Run, whole: Budget) -> Budget:
    """What a run of a study with this budget gets. A first rung is never stopped early: it is compared at its end."""
    if run.rung_steps is None:
        return whole
    return whole.model_copy(update={"epochs": None, "steps": run.rung_steps, "patience": None})


def next_rung(tuning: Sequence[Run], direction: float) -> list[Run]:
    """The runs of a first rung that has ended whose learning rate is to be tried with the whole budget now.

    tuning: the row's tuning runs, of a chain of retries the last one. direction: of the task; scores times this are
    better when higher. A rate that failed with the whole budget gives its place to the next; asked again, this names
    nobody twice.
    """
    first = {run.learning_rate or 0.0: run for run in tuning if run.rung_steps is not None}
    whole = {run.learning_rate: run for run in tuning if run.rung_steps is None}
    scores = {
        rate: direction * run.validation_score
        for rate, run in first.items()
        if run.status == "succeeded" and run.validation_score is not None
    }
    holding = [rate for rate in ranked(scores) if not _is_out(whole.get(rate))][: places(scores, len(first))]
    return [first[rate] for rate in holding if rate not in whole]


def _is_out(whole: Run | None) -> bool:
    """Whether a run with the whole budget ended without a score. One that was cancelled was not wanted, and keeps its
    place."""
    if whole is None:
        return False
    return whole.status == "failed" or (whole.status == "succeeded" and whole.validation_score is None)


def left_out(tuning: Sequence[Run]) -> set[float | None]:
    """The learning rates of a first rung that did not go on from it; none while that is not decided."""
    first = {run.learning_rate for run in tuning if run.rung_steps is not None}
    whole = {run.learning_rate for run in tuning if run.rung_steps is None}
    return first - whole if first & whole else set()


def with_whole_budget(run: Run, now: datetime) -> Run:
    """A new run of the learning rate of a first rung, where that stood in the queue."""
    return Run(
        team_id=run.team_id,
        study_id=run.study_id,
        configuration_id=run.configuration_id,
        purpose=run.purpose,
        seed=run.seed,
        learning_rate=run.learning_rate,
        position=run.position,
        created_at=now,
        updated_at=now,
    )
