"""Fixed anchors: known values, ends, and independence of the methods present."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peft_core.compare.normalise import QualityScale, linear_score, quality_score, ratio_score
from peft_core.metric import LinearAnchors, RatioAnchors, metrics

PARAMETERS = RatioAnchors(lo=1, hi=1e4)


def test_a_hundred_times_fewer_parameters_is_half_of_four_decades() -> None:
    assert ratio_score(1e4, 1e6, PARAMETERS, higher_is_better=False) == pytest.approx(0.5)


def test_as_many_parameters_as_full_is_zero_and_none_is_one() -> None:
    assert ratio_score(1e6, 1e6, PARAMETERS, higher_is_better=False) == 0
    assert ratio_score(0, 1e6, PARAMETERS, higher_is_better=False) == 1


def test_twice_the_throughput() -> None:
    speed = RatioAnchors(lo=0.5, hi=4)
    assert ratio_score(200, 100, speed, higher_is_better=True) == pytest.approx(math.log(4) / math.log(8))


def test_quality_runs_from_untuned_to_a_tenth_above_full() -> None:
    scale = QualityScale(floor=0.6, full=0.9, full_standard_error=0.01)
    assert quality_score(0.6, scale) == 0
    assert quality_score(0.9, scale) == pytest.approx(1 / 1.1)
    assert quality_score(0.99, scale) == 1
    assert quality_score(0.5, scale) == 0


def test_a_linear_score_runs_from_worst_to_best_and_ends_there() -> None:
    nats = LinearAnchors(worst=0.25, best=0)
    assert [linear_score(value, nats) for value in (-0.1, 0, 0.05, 0.25, 2)] == pytest.approx([1, 1, 0.8, 0, 0])


def test_a_gain_within_the_noise_has_no_scale() -> None:
    assert quality_score(0.7, QualityScale(floor=0.68, full=0.70, full_standard_error=0.01)) is None
    assert quality_score(0.7, QualityScale(floor=0.70, full=0.68, full_standard_error=0.0)) is None


@given(st.floats(1e-9, 1e15), st.floats(1e-9, 1e15))
def test_scores_stay_between_zero_and_one(value: float, reference: float) -> None:
    for metric in metrics().values():
        if isinstance(metric.anchors, RatioAnchors):
            score = ratio_score(value, reference, metric.anchors, higher_is_better=metric.better == "higher")
            assert 0 <= score <= 1
