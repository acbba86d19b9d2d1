"""What went wrong in a run, told from what it left: one of four symptoms with its evidence, or nothing.

Pure: curves and reference levels in, a finding out. A symptom is named only where it did harm: a run that beats the
untuned model in the end is not diagnosed, whatever its curves did on the way.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from peft_core.analysis._advice import MEMORIES, OUT_OF_MEMORY, SLOW, STALLED, TOO_LITTLE, UNSTABLE, Advice

Symptom = Literal["out_of_memory", "unstable_training", "slow_convergence", "poor_performance"]

Curve = Sequence[tuple[int, float | None]]
"""(optimizer step, value) in order; None where the value was not finite."""

CURVES = ("train_loss", "validation_score", "gradient_norm", "learning_rate", "tokens_per_second")
"""What is looked at."""

ENOUGH_STEPS = 20
"""A shorter training says nothing of convergence: its first tenth is warm-up, its last steps hardly move."""

WINDOW = 5
"""Steps whose median is looked at: the loss of one small batch jumps by a factor of two in healthy training."""

LOSS_FACTOR = 2.0
"""Training loss this many times that of the first batch: worse than knowing nothing, which no batch's luck explains."""

NORM_FACTOR = 30.0
"""Gradient norms that grew by this factor. In healthy runs they grow fivefold at most, at a learning rate 1,000 times
too high a hundredfold and more."""

RATE_FACTOR = 3.0
"""More than so many times the highest learning rate that a method usually takes is too high for a run that learned
nothing, be its curves as calm as those of a rate too low: units that saturate in the first steps have no gradient."""

LEARNED_BY_HEART = 0.5
"""Training loss at the end as a share of the first batch's, below which the training items were learned."""

THROUGHPUT_FACTOR = 0.5
"""Throughput before a run ran out of memory as a share of its usual one, below which it was swapping."""

RAN_OUT = re.compile(r"out of memory|memory runs out", re.IGNORECASE)
"""In the reason of a run that torch or the system ended for want of memory."""

NOT_FINITE = re.compile(r"^The (loss|gradient norm) was (nan|-?inf)")
"""In the reason of a run whose loss could not be computed any more."""


@dataclass(frozen=True)
class Reading:
    """A number of the run: a value of the curve `of` at the one of `steps`, or its median from the first to the last
    of two; without steps a figure of that name: of the run (score, batch_size, max_length, steps_taken), of the study's
    untuned run (untuned) or of the method (lowest_usual_rate, highest_usual_rate)."""

    of: str
    value: float
    steps: tuple[int, ...] = ()


ADVICE = (OUT_OF_MEMORY, UNSTABLE, SLOW, STALLED, TOO_LITTLE, MEMORIES)
"""All that is advised."""

Fact = tuple[str | Reading, ...]
"""A sentence of evidence, in pieces."""


@dataclass(frozen=True)
class RunRecord:
    """What a run has left so far, and the levels it is judged by.

    ended: it trained to its end. reason: why it failed. batch_size, max_length: of the budget. score, untuned_score: on
    the validation split, of the run's final weights and of the untuned model; None where not known. score_noise: the
    standard error that the number of validation items gives a score. better: the direction of the score. usual_rates:
    the lowest and the highest learning rate that the method takes on any size of model; None for one that is unknown.
    """

    curves: Mapping[str, Curve]
    ended: bool
    reason: str | None
    batch_size: int
    max_length: int
    score: float | None
    untuned_score: float | None
    score_noise: float
    better: Literal["higher", "lower"]
    usual_rates: tuple[float, float] | None

    def readings(self, key: str) -> list[Reading]:
        """The finite values of a curve."""
        return [Reading(key, value, (step,)) for step, value in self.curves.get(key, ()) if value is not None]

    @property
    def reached(self) -> Reading | None:
        """The score of the final weights; of a run that has none, that of its last validation."""
        if self.score is not None:
            return Reading("score", self.score)
        return next(reversed(self.readings("validation_score")), None)

    @property
    def learned(self) -> bool | None:
        """Whether the weights beat the untuned model beyond what the number of items explains; None: not known.

        The same rule says of a study's row that its whole grid did not learn.
        """
        if self.reached is None or self.untuned_score is None:
            return None
        gain = self.reached.value - self.untuned_score
        return (gain if self.better == "higher" else -gain) > self.score_noise


@dataclass(frozen=True)
class Finding:
    """A symptom, the facts that show it, and what is usually behind it."""

    symptom: Symptom
    evidence: tuple[Fact, ...]
    advice: Advice


def diagnose(run: RunRecord) -> Finding | None:
    """The first symptom that holds, None for a run that nothing is found in.

    In the order of what follows from what: memory ends a run before it can diverge, and what diverged has neither
    converged nor learned.
    """
    rules = (_out_of_memory, _unstable_training, _slow_convergence, _poor_performance)
    return next((finding for rule in rules if (finding := rule(run)) is not None), None)


def _out_of_memory(run: RunRecord) -> Finding | None:
    if run.reason is None or not RAN_OUT.search(run.reason):
        return None
    batch, length = (
        Reading(of, value) for of, value in (("batch_size", run.batch_size), ("max_length", run.max_length))
    )
    asked: Fact = ("Memory ran out with ", batch, " items a step of up to ", length, " tokens each.")
    return Finding("out_of_memory", (asked, *_swapping(run)), OUT_OF_MEMORY)


def _swapping(run: RunRecord) -> list[Fact]:
    """Throughput that broke down before the end: the system was moving memory to disk."""
    speeds = run.readings("tokens_per_second")
    if len(speeds) < 2 * WINDOW:
        return []
    usual, last = _median(speeds), _median(speeds[-WINDOW:])
    if last.value > THROUGHPUT_FACTOR * usual.value:
        return []
    return [("Throughput fell from ", usual, " real tokens a second to ", last, " before it ended.")]


def _unstable_training(run: RunRecord) -> Finding | None:
    diverged = run.reason is not None and NOT_FINITE.search(run.reason) is not None
    if run.learned and not diverged:
        return None
    facts: list[Fact] = [("The loss was no number any more, which ended the run.",)] if diverged else []
    facts += [*_not_finite(run), *_loss_jump(run), *_norm_growth(run)]
    if not (facts or _rate_too_high(run)):
        return None
    return Finding("unstable_training", (*facts, *_highest_rate(run), *_score(run)), UNSTABLE)


def _rate_too_high(run: RunRecord) -> bool:
    """Whether a run that learned nothing had a learning rate that its method never takes."""
    rates = [rate.value for rate in run.readings("learning_rate")]
    if not rates or run.usual_rates is None or not _failed_to_learn(run):
        return False
    return max(rates) > RATE_FACTOR * run.usual_rates[1]


def _not_finite(run: RunRecord) -> list[Fact]:
    """Steps whose gradient could not be computed any more."""
    lost = [step for step, value in run.curves.get("gradient_norm", ()) if value is None]
    losses = run.readings("train_loss")
    if not lost or not losses:
        return []
    return [("The gradient was not finite any more; the training loss was ", losses[-1], " at last.")]


def _loss_jump(run: RunRecord) -> list[Fact]:
    """The worst stretch of the training loss, where it is far above the first batch's."""
    losses = run.readings("train_loss")
    if len(losses) < WINDOW:
        return []
    windows = np.lib.stride_tricks.sliding_window_view([loss.value for loss in losses], WINDOW)
    place = int(np.argmax(np.median(windows, axis=1)))
    worst = _median(losses[place : place + WINDOW])
    if worst.value < LOSS_FACTOR * losses[0].value:
        return []
    return [("Training loss rose from ", losses[0], " to ", worst, ", above that of a model that knows nothing.")]


def _norm_growth(run: RunRecord) -> list[Fact]:
    """Gradient norms of another order of magnitude at the end than at the start."""
    norms = run.readings("gradient_norm")
    if len(norms) < 4 * WINDOW:
        return []
    first, last = _median(norms[:WINDOW]), _median(_last_quarter(norms))
    if last.value < NORM_FACTOR * first.value:
        return []
    return [("The gradient norm grew from ", first, " to ", last, ".")]


def _slow_convergence(run: RunRecord) -> Finding | None:
    if not _failed_to_learn(run) or _steps_taken(run) < ENOUGH_STEPS or _learned_by_heart(run):
        return None
    losses = run.readings("train_loss")
    fall: Fact = ("Training loss went from ", losses[0], " to ", _median(_last_quarter(losses)), " and no further.")
    facts = (fall, *_score(run), *_steady_gradient(run), *_highest_rate(run))
    return Finding("slow_convergence", facts, STALLED if _rate_is_usual(run) else SLOW)


def _rate_is_usual(run: RunRecord) -> bool:
    """Whether the learning rate is no lower than what the method takes."""
    rates = [rate.value for rate in run.readings("learning_rate")]
    return bool(rates) and run.usual_rates is not None and max(rates) >= run.usual_rates[0]


def _steady_gradient(run: RunRecord) -> list[Fact]:
    """Gradients of the size that they had at the start: no step has changed what the next one asks for."""
    norms = run.readings("gradient_norm")
    if not norms:
        return []
    first, last = _median(norms[:WINDOW]), _median(_last_quarter(norms))
    return [("The gradient norm was ", first, " at the start and ", last, " at the end: no step moved the model far.")]


def _poor_performance(run: RunRecord) -> Finding | None:
    if not _failed_to_learn(run):
        return None
    losses = run.readings("train_loss")
    if _steps_taken(run) < ENOUGH_STEPS:
        taken: Fact = ("Training took ", Reading("steps_taken", _steps_taken(run)), " optimizer steps in all.")
        return Finding("poor_performance", (taken, *_score(run)), TOO_LITTLE)
    fall: Fact = ("Training loss fell from ", losses[0], " to ", _median(_last_quarter(losses)), ".")
    return Finding("poor_performance", (fall, *_score(run)), MEMORIES)


def _failed_to_learn(run: RunRecord) -> bool:
    """Whether a run that trained to its end is no better than the untuned model."""
    return run.ended and run.learned is False and bool(run.readings("train_loss"))


def _learned_by_heart(run: RunRecord) -> bool:
    losses = run.readings("train_loss")
    return _median(_last_quarter(losses)).value < LEARNED_BY_HEART * losses[0].value


def _steps_taken(run: RunRecord) -> int:
    return run.curves["train_loss"][-1][0]


def _score(run: RunRecord) -> list[Fact]:
    if run.reached is None or run.untuned_score is None:
        return []
    untuned = Reading("untuned", run.untuned_score)
    return [("It scores ", run.reached, " on the validation split, the untuned model ", untuned, ".")]


def _highest_rate(run: RunRecord) -> list[Fact]:
    rates = run.readings("learning_rate")
    if not rates:
        return []
    highest = max(rates, key=lambda rate: rate.value)
    if run.usual_rates is None:
        return [("The learning rate was ", highest, " at its highest.")]
    low, high = (
        Reading(of, rate) for of, rate in zip(("lowest_usual_rate", "highest_usual_rate"), run.usual_rates, strict=True)
    )
    return [("The learning rate was ", highest, " at its highest; this method usually takes ", low, " to ", high, ".")]


def _last_quarter(readings: list[Reading]) -> list[Reading]:
    return readings[-max(1, len(readings) // 4) :]


def _median(readings: list[Reading]) -> Reading:
    """Of readings of one curve: their median, or the reading itself where it is one."""
    if len(readings) == 1:
        return readings[0]
    value = float(np.median([reading.value for reading in readings]))
    return Reading(readings[0].of, value, (readings[0].steps[0], readings[-1].steps[0]))
