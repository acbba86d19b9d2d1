"""How long training takes, from FLOPs and from how fast a device has been measured to be."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from peft_core.analysis.cost_model.flops import training_flops
from peft_core.analysis.cost_model.setting import Setting

PROBED_STEPS = 10
"""The first steps of a run, from which the seconds of the others are told."""


@dataclass(frozen=True)
class Calibration:
    """How fast a device trains. Measured, never assumed; `source` says on what."""

    flops_per_second: float
    step_seconds: float
    """What a step takes whatever its size is."""
    source: str


@dataclass(frozen=True)
class Batch:
    """One step's work: so many items, padded to so many tokens, of which so many are the items' own."""

    items: int
    length: int
    real_tokens: int


def step_flops(setting: Setting, batch: Batch) -> float:
    """FLOPs of a step of `setting` on this batch."""
    parts = min(setting.budget.accumulation, batch.items)
    budget = setting.budget.model_copy(update={"batch_size": batch.items, "accumulation": parts})
    return training_flops(replace(setting, budget=budget, length=batch.length))


def calibrate(measured: Sequence[tuple[float, float]], source: str) -> Calibration:
    """The speed that explains these (FLOPs, seconds) of steps best: seconds = a + FLOPs / speed, a >= 0, by least
    squares of the relative errors. Steps of one size give the speed alone."""
    weighted = [(flops / seconds, 1 / seconds) for flops, seconds in measured]
    ff = sum(f * f for f, _ in weighted)
    fo = sum(f * one for f, one in weighted)
    oo = sum(one * one for _, one in weighted)
    f, o = sum(f for f, _ in weighted), sum(one for _, one in weighted)
    determinant = ff * oo - fo * fo
    if determinant > 1e-9 * ff * oo:
        slope, start = (f * oo - o * fo) / determinant, (o * ff - f * fo) / determinant
        if slope > 0 and start >= 0:
            return Calibration(flops_per_second=1 / slope, step_seconds=start, source=source)
    return Calibration(flops_per_second=ff / f, step_seconds=0.0, source=source)


def seconds_of(setting: Setting, batches: Iterable[Batch], calibration: Calibration) -> float:
    """What steps on these batches take."""
    return sum(
        calibration.step_seconds + step_flops(setting, batch) / calibration.flops_per_second for batch in batches
    )


def seconds_of_the_rest(setting: Setting, batches: Sequence[Batch], first_seconds: Sequence[float]) -> float:
    """What the steps after the first ones take, told from the seconds of those: the second stage of an estimate.

    The very first step is left out, which also pays for what a process does once.
    """
    done = len(first_seconds)
    measured = [
        (step_flops(setting, batch), seconds) for batch, seconds in zip(batches[1:done], first_seconds[1:], strict=True)
    ]
    return seconds_of(setting, batches[done:], calibrate(measured, f"the run's own first {done} steps"))
