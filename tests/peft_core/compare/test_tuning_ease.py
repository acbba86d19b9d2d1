"""Tuning ease in decades, by hand, and what it does to simplicity."""

import math

import pytest

from peft_core.compare.tuning_ease import tuning_ease, with_tuning_ease

RATES = (2e-4, 5e-4, 1e-3, 2e-3, 5e-3)


@pytest.mark.parametrize(
    ("scores", "decades"),
    [
        ((0.70, 0.80, 0.95, 0.80, 0.70), 0.0),
        ((0.70, 0.94, 0.95, 0.80, 0.70), math.log10(2)),
        ((0.70, 0.945, 0.95, 0.941, 0.70), math.log10(4)),
        ((0.95, 0.95, 0.95, 0.95, 0.95), math.log10(25)),
        # Only what is connected with the best: the rate at the end would not be found from it.
        ((0.95, 0.70, 0.95, 0.95, 0.945), 0.0),
        ((0.94, 0.70, 0.95, 0.95, 0.945), math.log10(5)),
        # Token losses with their signs turned.
        ((-3.40, -3.205, -3.20, -3.209, -3.30), math.log10(4)),
    ],
)
def test_the_interval_around_the_best_within_a_point(scores: tuple[float, ...], decades: float) -> None:
    assert tuning_ease(dict(zip(RATES, scores, strict=True))) == pytest.approx(decades)


def test_fewer_than_five_points_say_nothing() -> None:
    assert tuning_ease({1e-3: 0.9, 2e-3: 0.9, 5e-3: 0.9, 1e-2: 0.9}) is None


def test_simplicity_is_the_mean_of_the_parts_that_are_measured() -> None:
    # Checks 0.8 and footprint 0.4: a probe's mean is 0.6.
    assert with_tuning_ease(0.6, None) == 0.6
    assert with_tuning_ease(0.6, 0.3) == pytest.approx((0.8 + 0.4 + 0.3) / 3)
    assert with_tuning_ease(0.6, 1.4) == pytest.approx((0.8 + 0.4 + 1.0) / 3)
