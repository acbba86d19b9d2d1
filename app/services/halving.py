"""Successive halving of a row's learning rates: all get a part of the budget, the better half then all of it.

Two rungs of the algorithm of Jamieson and Talwalkar (2016), which keeps the better half, rounded down: with the larger
half of five, and soft prompts' first rung, it would cost more than the grid. A first rung is a training of its own, in
which the learning rate falls to zero, for a rate that is still high says little of where it will end (Li, Yumer and
Ramanan 2020). Whoever goes on begins anew, so that what is chosen among is what a full grid would have measured.
"""

import math
from collections.abc import Sequence
from datetime import datetime

from app.db.tables import Run
from app.schemas import Tuning
from peft_core.method import Method
from peft_core.spec import Budget

LEAST_RATES = 3
"""Of fewer there is no half to leave out that would pay for a first rung."""


def halves(tuning: Tuning, rates: int) -> bool:
    """Whether a row of so many learning rates has a first rung, if its budget is long enough to be parted."""
    return tuning == "halving" and rates >= LEAST_RATES


def rung_steps(tuning: Tuning, method: Method, rates: int, total_steps: int) -> int | None:
    """Optimizer steps of a row's first rung; None where all its learning rates get the whole budget at once."""
    steps = max(1, round(method.first_rung * total_steps))
    return steps if halves(tuning, rates) and steps < total_steps else None


def going_on(rates: int) -> int:
    """How many of so many learning rates are tried with the whole budget."""
    return rates // 2


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
    first = [run for run in tuning if run.rung_steps is not None]
    whole = {run.learning_rate: run for run in tuning if run.rung_steps is None}
    ranked = _ranked(first, direction)
    # Where all score the same, nothing has learned yet: the first rung says nothing, and nobody is left out for it.
    told = len({run.validation_score for run in ranked}) > 1
    places = going_on(len(first)) if told else len(ranked)
    holding = [run for run in ranked if not _is_out(whole.get(run.learning_rate))][:places]
    return [run for run in holding if run.learning_rate not in whole]


def _ranked(first: Sequence[Run], direction: float) -> list[Run]:
    """Those that have a score, the best first. Of equal scores the rate nearer to the best one, for good rates lie
    side by side, then the smaller."""
    scored = [run for run in first if run.status == "succeeded" and run.validation_score is not None]
    if not scored:
        return []

    def score(run: Run) -> float:
        return -direction * (run.validation_score or 0.0)

    def rate(run: Run) -> float:
        return run.learning_rate or 0.0

    best = min(scored, key=lambda run: (score(run), rate(run)))
    return sorted(scored, key=lambda run: (score(run), abs(math.log(rate(run) / rate(best))), rate(run)))


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
