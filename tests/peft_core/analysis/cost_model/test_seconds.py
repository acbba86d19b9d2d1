"""From measured steps to the seconds of others."""

from collections.abc import Callable

import pytest

from peft_core.analysis.cost_model.estimate import estimate
from peft_core.analysis.cost_model.flops import training_flops
from peft_core.analysis.cost_model.seconds import (
    Batch,
    Calibration,
    calibrate,
    seconds_of,
    seconds_of_the_rest,
    step_flops,
)
from peft_core.analysis.cost_model.setting import Setting

MakeSetting = Callable[..., Setting]


def test_steps_of_two_sizes_tell_speed_and_what_each_step_costs() -> None:
    # 0.1 s a step and 50 GFLOP/s.
    found = calibrate([(10e9, 0.3), (20e9, 0.5), (40e9, 0.9)], "here")
    assert found.flops_per_second == pytest.approx(50e9)
    assert found.step_seconds == pytest.approx(0.1)
    assert found.source == "here"


def test_steps_of_one_size_tell_the_speed_alone() -> None:
    found = calibrate([(10e9, 0.2), (10e9, 0.2)], "")
    assert found.flops_per_second == pytest.approx(50e9)
    assert found.step_seconds == 0.0


def test_steps_that_would_start_before_zero_tell_the_speed_alone() -> None:
    # Larger steps that are slower than in proportion: a line through them starts below zero.
    found = calibrate([(10e9, 0.1), (20e9, 0.4)], "")
    assert found.step_seconds == 0
    assert 20e9 / 0.4 < found.flops_per_second < 10e9 / 0.1


def test_a_batch_costs_by_its_own_length_and_size(setting: MakeSetting) -> None:
    asked = setting("lora")
    assert step_flops(asked, Batch(8, 64, 400)) == training_flops(asked)
    assert step_flops(asked, Batch(4, 64, 200)) == pytest.approx(training_flops(asked) / 2)
    assert step_flops(asked, Batch(8, 16, 100)) < training_flops(asked) / 4


def test_the_rest_of_a_run_is_told_from_its_first_steps(setting: MakeSetting) -> None:
    asked = setting("adapter")
    batches = [Batch(8, length, 8 * length) for length in (64, 20, 33, 47, 12, 64, 30, 51, 25, 40, 18, 60)]
    true = Calibration(40e9, 0.05, "the truth")
    seconds = [seconds_of(asked, [batch], true) for batch in batches]
    # The first step also pays for what a process does once, and must not count.
    seconds[0] += 7.0
    told = seconds_of_the_rest(asked, batches, seconds[:6])
    assert told == pytest.approx(sum(seconds[6:]))


def test_without_a_measured_speed_there_are_no_seconds(setting: MakeSetting) -> None:
    found = estimate(setting("lora"), total_steps=10)
    assert found.train_seconds is None
    assert "no speed has been measured" in found.how["train_seconds"]


def test_without_a_number_of_steps_there_are_no_seconds(setting: MakeSetting) -> None:
    found = estimate(setting("lora"), calibration=Calibration(50e9, 0.01, "a probe"))
    assert found.train_seconds is None
    assert "epochs" in found.how["train_seconds"]


def test_seconds_are_steps_times_flops_over_the_measured_speed(setting: MakeSetting) -> None:
    found = estimate(setting("lora"), total_steps=30, calibration=Calibration(50e9, 0.01, "a probe"))
    assert found.train_seconds == pytest.approx(30 * (0.01 + found.flops_per_step / 50e9))
    assert "50 GFLOP/s" in found.how["train_seconds"]
    assert "a probe" in found.how["train_seconds"]


def test_what_trains_nothing_takes_no_time(setting: MakeSetting) -> None:
    assert estimate(setting("untuned"), total_steps=0).train_seconds == 0


def test_every_figure_says_how_it_comes_about(setting: MakeSetting) -> None:
    found = estimate(setting("lora"))
    assert set(found.how) == set(vars(found)) - {"how"}
