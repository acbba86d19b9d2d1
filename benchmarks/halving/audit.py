"""What the full grid and halving choose from the same trainings."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from benchmarks.halving.trials import (
    METHODS,
    RATES,
    REPORTING_SEEDS,
    STEPS,
    TASKS,
    TUNING_SEEDS,
    Outcome,
    Outcomes,
    Trial,
    rates,
    rung,
    timing,
)
from peft_core.compare.halving import places, ranked


@dataclass(frozen=True)
class Choice:
    """What one way of tuning comes to at one seed."""

    rate: float
    validation: float
    steps: int


class Audit:
    """The trials of one task, method and tuning seed that are at hand."""

    def __init__(self, outcomes: Outcomes, task: str, method: str, seed: int) -> None:
        self.task, self.method, self.seed = task, method, seed
        self._whole = {rate: outcomes.get(Trial(task, method, rate, seed, STEPS)) for rate in rates(method)}
        self._first = {rate: outcomes.get(Trial(task, method, rate, seed, rung(method))) for rate in rates(method)}

    @property
    def complete(self) -> bool:
        """Whether every run has ended."""
        return None not in (*self._whole.values(), *self._first.values())

    def grid(self) -> Choice:
        """All rates with the whole budget."""
        return self._best(list(self._whole), steps=0)

    def halving(self, *, kept: int | None = None, cut_at: int | None = None) -> Choice:
        """A first rung, then those that go on. kept: so many instead of the better half. cut_at: the first rung is the
        whole budget's training, looked at after so many steps, instead of one of its own."""
        steps = cut_at or rung(self.method)
        found = {rate: _at(self._whole[rate] if cut_at else run, steps) for rate, run in self._first.items()}
        scores = {rate: score for rate, score in found.items() if score is not None}
        number = places(scores, RATES)
        if kept is not None and number < len(scores):
            number = kept
        return self._best(ranked(scores)[:number], steps=RATES * steps)

    def _best(self, tried: list[float], *, steps: int) -> Choice:
        """The best of the rates that had the whole budget, the smaller one at a tie; steps: spent before."""
        scores = {rate: score for rate in tried if (score := _at(self._whole[rate], STEPS)) is not None}
        best = max(scores, key=lambda rate: (scores[rate], -rate))
        return Choice(best, scores[best], steps + len(tried) * STEPS)


def _at(outcome: Outcome | None, step: int) -> float | None:
    return outcome.validation.get(step) if outcome is not None else None


def audits(outcomes: Outcomes) -> Iterator[Audit]:
    """Every task, method and tuning seed, whether its runs have ended or not; seed by seed."""
    for seed, task, method in product(TUNING_SEEDS, TASKS, METHODS):
        yield Audit(outcomes, task, method, seed)


def wanted(outcomes: Outcomes) -> Iterator[Trial]:
    """Every trial there is to make, as far as is known: the reporting runs follow from the tuning runs."""
    yield from (timing(task, method) for task, method in product(TASKS, METHODS))
    for audit in audits(outcomes):
        task, method = audit.task, audit.method
        for rate, steps in product(rates(method), (STEPS, rung(method))):
            yield Trial(task, method, rate, audit.seed, steps)
        if audit.complete:
            yield from reporting(audit)


def reporting(audit: Audit) -> list[Trial]:
    """The reporting runs of both choices, where they differ."""
    chosen = {audit.grid().rate, audit.halving().rate}
    if len(chosen) == 1:
        return []
    return [
        Trial(audit.task, audit.method, rate, seed, STEPS, "report")
        for rate, seed in product(sorted(chosen), REPORTING_SEEDS)
    ]
