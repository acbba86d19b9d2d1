"""One definition of "different": checked by hand, against scipy, and for agreement of interval and verdict."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from peft_core.compare.statistics import (
    ALPHA,
    PairedDifference,
    binomial_error,
    holm,
    paired_difference,
    t_interval,
    unpaired_difference,
    welch_satterthwaite,
    wilson,
)


def test_the_interval_over_seeds_is_students() -> None:
    values = [0.91, 0.94, 0.93]
    expected = stats.t.interval(0.95, 2, loc=np.mean(values), scale=stats.sem(values))
    assert t_interval(values) == pytest.approx(expected)


def test_one_seed_has_no_interval() -> None:
    assert t_interval([0.9]) is None


def test_wilson_matches_a_published_example() -> None:
    # Newcombe 1998, table I: 81 of 263, method 3.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_a_difference_by_hand() -> None:
    first = np.array([[1.0, 1.0, 0.0, 1.0], [1.0, 1.0, 1.0, 0.0]])
    second = np.array([[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0]])
    # Differences by seed: .25, .5; by item: .5, .5, .5, 0.
    found = paired_difference(first, second)
    seeds, items = 0.03125 / 2, 0.0625 / 4
    assert found.value == pytest.approx(0.375)
    assert found.standard_error == pytest.approx((seeds + items) ** 0.5)
    freedom = (seeds + items) ** 2 / (seeds**2 / 1 + items**2 / 3)
    assert found.degrees_of_freedom == pytest.approx(freedom)
    assert found.p_value == pytest.approx(2 * stats.t.sf(0.375 / found.standard_error, freedom))


def test_welch_and_satterthwaites_degrees_match_a_published_example() -> None:
    # NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.5.3: American and Japanese cars, unequal variances.
    american, japanese = (6.41470**2 / 249, 248), (6.10771**2 / 79, 78)
    assert welch_satterthwaite([american, japanese]) == pytest.approx(136.875, abs=5e-3)
    assert (20.14458 - 30.48101) / (american[0] + japanese[0]) ** 0.5 == pytest.approx(-12.94627, abs=5e-5)


def test_seeds_that_do_not_pair_are_welchs_test() -> None:
    first, second = [0.91, 0.94, 0.93, 0.95], [0.90, 0.89, 0.93]
    expected = stats.ttest_ind(first, second, equal_var=False)
    found = unpaired_difference(first, second)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.interval() == pytest.approx(tuple(expected.confidence_interval()))


def test_counted_items_add_their_binomial_variance() -> None:
    first, second = [0.91, 0.94, 0.93], [0.90, 0.89, 0.93]
    alone, counted = unpaired_difference(first, second), unpaired_difference(first, second, (400, 100))
    added = binomial_error(float(np.mean(first)), 400) ** 2 + binomial_error(float(np.mean(second)), 100) ** 2
    assert counted.standard_error**2 == pytest.approx(alone.standard_error**2 + added)
    assert counted.degrees_of_freedom > alone.degrees_of_freedom


def test_with_one_seed_it_is_the_paired_t_test_over_items() -> None:
    random = np.random.default_rng(0)
    first, second = random.integers(0, 2, (2, 1, 200)).astype(float)
    assert paired_difference(first, second).p_value == pytest.approx(stats.ttest_rel(first[0], second[0]).pvalue)


def test_equal_scores_are_not_different() -> None:
    same = np.ones((3, 10))
    found = paired_difference(same, same)
    assert (found.value, found.p_value, found.interval()) == (0.0, 1.0, (0.0, 0.0))


def test_two_equal_methods_are_rarely_called_different() -> None:
    """Seed noise of one point and item noise of a 90 % score: false alarms stay at or under the nominal 5 %."""
    random = np.random.default_rng(1)
    alarms = 0
    for _ in range(300):
        difficulty = random.normal(1.3, 1.0, 400)
        rows = [
            (difficulty + random.normal(0, 0.08) + random.normal(0, 1, 400) * 0.7 > 0).astype(float) for _ in range(6)
        ]
        alarms += paired_difference(np.stack(rows[:3]), np.stack(rows[3:])).p_value < ALPHA
    assert alarms / 300 <= 0.05


def test_holm_by_hand() -> None:
    # The worked example of the Wikipedia article on the Holm-Bonferroni method.
    found = holm([0.01, 0.04, 0.03, 0.005])
    assert [round(one.p_value, 6) for one in found] == [0.03, 0.06, 0.06, 0.02]
    assert [one.rejected for one in found] == [True, False, False, True]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_levels_agree_with_its_decisions(p_values: list[float]) -> None:
    for p_value, one in zip(p_values, holm(p_values), strict=True):
        assert one.rejected == (p_value < one.level)
        assert one.rejected == (one.p_value < ALPHA)


@given(
    st.floats(-1, 1),
    st.floats(1e-4, 0.5),
    st.floats(1.0, 500.0),
    st.lists(st.floats(0, 1), max_size=8),
)
def test_an_interval_and_its_verdict_never_disagree(
    value: float, error: float, freedom: float, others: list[float]
) -> None:
    p_value = float(2 * stats.t.sf(abs(value) / error, freedom))
    found = holm([p_value, *others])[0]
    if abs(p_value - found.level) < 1e-9:
        return
    low, high = PairedDifference(value, error, freedom, p_value, 3).interval(found.level)
    assert found.rejected == (not low <= 0 <= high)
