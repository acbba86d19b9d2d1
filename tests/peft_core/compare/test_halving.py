"""Who goes on from a first rung."""

import pytest

from peft_core.compare.halving import going_on, places, ranked


@pytest.mark.parametrize(("tried", "half"), [(3, 1), (4, 2), (5, 2), (7, 3), (20, 10)])
def test_the_better_half_is_rounded_down(tried: int, half: int) -> None:
    assert going_on(tried) == half


def test_the_best_score_goes_first() -> None:
    assert ranked({1e-3: 0.7, 1e-2: 0.9, 1e-1: 0.8}) == [1e-2, 1e-1, 1e-3]
    assert ranked({}) == []


def test_of_equal_scores_the_rate_nearer_to_the_best_goes_first() -> None:
    assert ranked({1e-4: 0.7, 1e-3: 0.7, 1e-2: 0.8, 1e-1: 0.7}) == [1e-2, 1e-3, 1e-1, 1e-4]
    # Of two that are best the smaller one is what nearness is counted from.
    assert ranked({1e-4: 0.8, 1e-2: 0.8, 1e-3: 0.7}) == [1e-4, 1e-2, 1e-3]


def test_where_all_score_the_same_all_go_on() -> None:
    assert places({1e-3: 0.687, 1e-2: 0.687, 1e-1: 0.687}, tried=5) == 3
    assert places({1e-3: 0.687, 1e-2: 0.687, 1e-1: 0.69}, tried=5) == 2
    assert places({}, tried=5) == 0
