"""Every rule at its edges, on curves made by hand: what is named, what is not, and by which numbers."""

from collections.abc import Sequence
from typing import Any

import pytest

from peft_core.analysis.diagnosis import (
    ENOUGH_STEPS,
    LOSS_FACTOR,
    NORM_FACTOR,
    RATE_FACTOR,
    WINDOW,
    Curve,
    Finding,
    Reading,
    RunRecord,
    diagnose,
)

FLOOR, NOISE = 0.70, 0.02


def curve(values: Sequence[float | None]) -> list[tuple[int, float | None]]:
    return list(enumerate(values, start=1))


def falling(start: float, end: float, steps: int) -> list[float]:
    return [start + (end - start) * step / (steps - 1) for step in range(steps)]


def record(**changes: Any) -> RunRecord:
    """A healthy run of forty steps, changed."""
    curves: dict[str, Curve] = {
        "train_loss": curve(falling(0.7, 0.1, 40)),
        "gradient_norm": curve([1.0] * 40),
        "learning_rate": curve([*falling(1e-4, 1e-3, 4), *falling(1e-3, 0.0, 36)]),
        "tokens_per_second": curve([1_000.0] * 40),
        "validation_score": [(20, 0.85), (40, 0.9)],
    }
    fields: dict[str, Any] = {
        "ended": True,
        "reason": None,
        "batch_size": 8,
        "max_length": 64,
        "score": 0.9,
        "untuned_score": FLOOR,
        "score_noise": NOISE,
        "better": "higher",
        "usual_rates": (1e-4, 1e-3),
    }
    own = {key: value for key, value in changes.items() if key in fields}
    return RunRecord(
        curves=curves | {key: value for key, value in changes.items() if key not in fields}, **fields | own
    )


def failed(reason: str, **changes: Any) -> RunRecord:
    return record(ended=False, reason=reason, score=None, validation_score=[], **changes)


def symptom(run: RunRecord) -> str | None:
    finding = diagnose(run)
    return finding.symptom if finding else None


def read(finding: Finding | None, of: str) -> list[Reading]:
    """The numbers called `of` in the evidence."""
    assert finding is not None
    return [piece for fact in finding.evidence for piece in fact if isinstance(piece, Reading) and piece.of == of]


FLAT = curve([0.7] * 40)


# -- nothing found ----------------------------------------------------------------------------------------------------


def test_a_healthy_run_is_not_diagnosed() -> None:
    assert diagnose(record()) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"train_loss": curve([0.7, 0.7, 9.0, 0.7, 0.7] * 8)},
        {"train_loss": curve([0.7] * 10 + [5.0] * 10 + [0.2] * 20)},
        {"gradient_norm": curve([1.0] * 20 + [500.0] * 20)},
        {"train_loss": FLAT},
        {"learning_rate": curve([1.0] * 40)},
    ],
    ids=["spikes of one step", "a loss that came back", "large gradients", "a flat loss", "an unusual learning rate"],
)
def test_a_run_that_learned_is_not_diagnosed_whatever_its_curves_did(changes: dict[str, Any]) -> None:
    assert diagnose(record(**changes)) is None


def test_a_run_without_curves_is_not_diagnosed() -> None:
    empty: dict[str, Any] = {key: [] for key in record().curves}
    assert diagnose(record(**empty, score=FLOOR)) is None
    assert diagnose(record(**empty, ended=False, score=None)) is None


def test_a_failure_of_another_kind_is_none_of_the_four() -> None:
    assert diagnose(failed("KeyError: 'missing'. The run's log has the details.")) is None


def test_without_an_untuned_run_nothing_is_said_of_learning() -> None:
    assert diagnose(record(untuned_score=None, score=FLOOR, train_loss=FLAT)) is None


# -- out of memory ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reason",
    [
        "Out of memory: another 3.00 GiB did not fit, with batches of 256 items of up to 512 tokens.",
        "CUDA out of memory. Tried to allocate 20.00 GiB.",
        "The run's process was ended by SIGKILL. The system does this when memory runs out: use a smaller batch.",
    ],
)
def test_running_out_of_memory_is_told_with_what_was_asked_for(reason: str) -> None:
    finding = diagnose(failed(reason, batch_size=256, max_length=512))
    assert finding is not None
    assert finding.symptom == "out_of_memory"
    assert [read(finding, name)[0].value for name in ("batch_size", "max_length")] == [256, 512]
    assert "batch" in finding.advice.fixes[0]


def test_throughput_that_broke_down_before_is_part_of_the_evidence() -> None:
    swapping = curve([1_000.0] * 30 + [100.0] * 10)
    finding = diagnose(failed("Out of memory: 1 GiB did not fit.", tokens_per_second=swapping))
    assert [reading.value for reading in read(finding, "tokens_per_second")] == [1_000.0, 100.0]
    steady = diagnose(failed("Out of memory: 1 GiB did not fit."))
    assert read(steady, "tokens_per_second") == []


def test_memory_comes_before_what_the_curves_say() -> None:
    wild = curve([0.7] * 10 + [50.0] * 30)
    assert symptom(failed("Out of memory: 1 GiB did not fit.", train_loss=wild)) == "out_of_memory"


# -- unstable training ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_loss_that_is_no_number_is_unstable_training(value: str) -> None:
    run = failed(f"The loss was {value} at step 41. Lower the learning rate (it was 1).")
    assert symptom(run) == "unstable_training"


def test_a_gradient_that_is_no_number_is_unstable_training() -> None:
    run = record(score=FLOOR, gradient_norm=curve([1.0] * 39 + [None]))
    assert symptom(run) == "unstable_training"
    assert read(diagnose(run), "train_loss")[0].steps == (40,)


def test_a_loss_far_above_the_first_is_unstable_at_the_factor_and_not_below() -> None:
    def jumped(factor: float) -> RunRecord:
        return record(score=FLOOR, train_loss=curve([1.0] * 10 + [factor] * WINDOW + [1.0] * 25))

    finding = diagnose(jumped(LOSS_FACTOR))
    assert finding is not None
    assert finding.symptom == "unstable_training"
    first, worst = read(finding, "train_loss")
    assert (first.value, first.steps) == (1.0, (1,))
    assert (worst.value, worst.steps[1] - worst.steps[0]) == (LOSS_FACTOR, WINDOW - 1)
    assert symptom(jumped(LOSS_FACTOR - 0.01)) == "slow_convergence"


def test_the_luck_of_single_batches_is_not_unstable() -> None:
    spiky = curve([1.0, 1.0, 9.0, 1.0, 9.0] * 8)
    assert symptom(record(score=FLOOR, train_loss=spiky)) == "slow_convergence"


def test_gradients_that_grew_are_unstable_at_the_factor_and_not_below() -> None:
    def grown(factor: float) -> RunRecord:
        return record(score=FLOOR, train_loss=FLAT, gradient_norm=curve([1.0] * 10 + [factor] * 30))

    finding = diagnose(grown(NORM_FACTOR))
    assert finding is not None
    assert finding.symptom == "unstable_training"
    assert [reading.value for reading in read(finding, "gradient_norm")] == [1.0, NORM_FACTOR]
    assert symptom(grown(NORM_FACTOR - 1)) == "slow_convergence"


def test_gradients_that_shrank_are_no_sign_of_anything() -> None:
    shrunk = curve([100.0] * 10 + [0.1] * 30)
    assert symptom(record(score=FLOOR, train_loss=FLAT, gradient_norm=shrunk)) == "slow_convergence"


def test_calm_curves_at_a_rate_that_the_method_never_takes_are_unstable() -> None:
    def at(rate: float, **changes: Any) -> RunRecord:
        return record(score=FLOOR, train_loss=FLAT, learning_rate=curve([rate] * 40), **changes)

    finding = diagnose(at(1.01 * RATE_FACTOR * 1e-3))
    assert finding is not None
    assert finding.symptom == "unstable_training"
    assert read(finding, "highest_usual_rate")[0].value == 1e-3
    assert symptom(at(RATE_FACTOR * 1e-3)) == "slow_convergence"
    assert symptom(at(1.0, usual_rates=None)) == "slow_convergence"


def test_a_running_run_is_warned_about_until_it_learns() -> None:
    jumped = curve([0.7] * 10 + [5.0] * 10)
    running: dict[str, Any] = {"ended": False, "score": None, "train_loss": jumped}
    assert symptom(record(**running, validation_score=[])) == "unstable_training"
    assert symptom(record(**running, validation_score=[(20, FLOOR)])) == "unstable_training"
    assert symptom(record(**running, validation_score=[(20, 0.9)])) is None


# -- slow convergence and poor performance ----------------------------------------------------------------------------


def test_a_loss_that_does_not_fall_is_slow_convergence() -> None:
    finding = diagnose(record(score=FLOOR, train_loss=curve(falling(0.7, 0.6, 40))))
    assert finding is not None
    assert finding.symptom == "slow_convergence"
    first, last = read(finding, "train_loss")
    assert (first.steps, last.steps) == ((1,), (31, 40))
    assert read(finding, "untuned")[0].value == FLOOR
    assert "budget" in finding.advice.causes[0]


def test_a_rate_below_all_usual_ones_is_the_first_suspect() -> None:
    slow = record(score=FLOOR, train_loss=FLAT, learning_rate=curve([0.99e-4] * 40))
    usual = record(score=FLOOR, train_loss=FLAT, learning_rate=curve([1e-4] * 40))
    unknown = record(score=FLOOR, train_loss=FLAT, usual_rates=None)
    firsts = [found.advice.causes[0] for run in (slow, usual, unknown) if (found := diagnose(run)) is not None]
    assert ["rate is too low" in first for first in firsts] == [True, False, True]


def test_a_loss_that_fell_without_use_is_poor_performance() -> None:
    finding = diagnose(record(score=FLOOR))
    assert finding is not None
    assert finding.symptom == "poor_performance"
    assert "by heart" in finding.advice.causes[0]


def test_half_of_the_first_loss_is_where_slow_ends_and_poor_begins() -> None:
    def ending_at(loss: float) -> RunRecord:
        return record(score=FLOOR, train_loss=curve([1.0] * 10 + [loss] * 30))

    assert symptom(ending_at(0.51)) == "slow_convergence"
    assert symptom(ending_at(0.49)) == "poor_performance"


def test_a_handful_of_steps_is_too_little_training_and_not_slow_convergence() -> None:
    def after(steps: int) -> RunRecord:
        flat: dict[str, Any] = {key: curve([0.7] * steps) for key in ("train_loss", "gradient_norm")}
        return record(score=FLOOR, learning_rate=curve([1e-3] * steps), **flat)

    finding = diagnose(after(2))
    assert finding is not None
    assert finding.symptom == "poor_performance"
    assert read(finding, "steps_taken")[0].value == 2
    assert finding.advice.causes[0].startswith("Too little training")
    assert symptom(after(ENOUGH_STEPS - 1)) == "poor_performance"
    assert symptom(after(ENOUGH_STEPS)) == "slow_convergence"


@pytest.mark.parametrize(
    ("better", "untuned", "score", "learned"),
    [
        ("higher", 0.70, 0.721, True),
        ("higher", 0.70, 0.719, False),
        ("higher", 0.70, 0.50, False),
        ("lower", 4.00, 3.979, True),
        ("lower", 4.00, 3.981, False),
        ("lower", 4.00, 4.50, False),
    ],
)
def test_learning_is_a_gain_beyond_the_noise_in_the_scores_own_direction(
    better: str, untuned: float, score: float, learned: bool
) -> None:
    run = record(better=better, untuned_score=untuned, score=score, train_loss=FLAT)
    assert run.learned is learned
    assert symptom(run) == (None if learned else "slow_convergence")


def test_what_has_not_ended_is_not_judged_by_its_score() -> None:
    assert symptom(record(ended=False, score=None, validation_score=[(20, FLOOR)], train_loss=FLAT)) is None
