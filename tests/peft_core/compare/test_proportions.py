"""Tests of two trained models on counted items: published worked examples, and intervals that agree with their test."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy import optimize, stats

from peft_core.compare.proportions import mcnemar, two_proportions
from peft_core.compare.statistics import ALPHA, Scores


def pairs(both: int, first: int, second: int, neither: int) -> tuple[Scores, Scores]:
    """Item scores with so many right for both, only the first, only the second, and neither."""
    ours = [1.0] * (both + first) + [0.0] * (second + neither)
    theirs = [1.0] * both + [0.0] * first + [1.0] * second + [0.0] * neither
    return np.array([ours]), np.array([theirs])


@pytest.mark.parametrize(
    ("table", "p_value"),
    [
        # Agresti, Categorical Data Analysis (2nd edition), table 10.1: approval of the prime minister, z = -4.17.
        ((794, 150, 86, 570), 3.1e-5),
        # Fagerland, Lydersen and Laake 2013, table 1: airway hyper-responsiveness, asymptotic test.
        ((1, 1, 7, 12), 0.0339),
        # Armitage and Berry 1994, page 127: two media for one culture, 10^2 / 14 = 7.14 without correction.
        ((20, 12, 2, 16), float(stats.chi2.sf(100 / 14, 1))),
    ],
)
def test_mcnemar_matches_published_examples(table: tuple[int, int, int, int], p_value: float) -> None:
    assert mcnemar(*pairs(*table)).p_value == pytest.approx(p_value, rel=5e-3)


def test_tangos_interval_matches_a_published_example() -> None:
    # Fagerland, Lydersen and Laake 2014, Recommended tests and intervals for paired proportions: the same airways.
    assert mcnemar(*pairs(1, 1, 7, 12)).interval() == pytest.approx((-0.517, -0.026), abs=5e-4)


@pytest.mark.parametrize("table", [(36, 12, 2, 0), (43, 0, 1, 0), (400, 31, 18, 60)])
def test_tangos_variance_is_that_of_the_likeliest_shares(table: tuple[int, int, int, int]) -> None:
    """At the interval's ends the score is z, with the discordant shares found by maximising the likelihood."""
    both, first, second, neither = table
    items, found = sum(table), mcnemar(*pairs(*table))
    for end in found.interval():

        def unlikely(share: float, end: float = end) -> float:
            rest = 1 - 2 * share - end
            return -float(first * np.log(share + end) + second * np.log(share) + (both + neither) * np.log(rest))

        bounds = (max(0.0, -end) + 1e-9, (1 - end) / 2 - 1e-9)
        share = optimize.minimize_scalar(unlikely, bounds=bounds, method="bounded", options={"xatol": 1e-10}).x
        variance = (2 * share + end * (1 - end)) / items
        assert abs(found.value - end) / variance**0.5 == pytest.approx(stats.norm.ppf(0.975), rel=1e-3)


@pytest.mark.parametrize(
    ("counts", "interval"),
    [
        # Newcombe 1998 (unpaired), table II, method 5 (Mee).
        ((56, 70, 48, 80), (0.0533, 0.3377)),
        ((9, 10, 3, 10), (0.1821, 0.8370)),
        ((6, 7, 2, 7), (0.0544, 0.8478)),
        ((5, 56, 0, 29), (-0.0313, 0.1926)),
        ((0, 10, 0, 20), (-0.1611, 0.2775)),
    ],
)
def test_mees_interval_matches_newcombes_examples(
    counts: tuple[int, int, int, int], interval: tuple[float, float]
) -> None:
    right, items, others, other_items = counts
    found = two_proportions(right / items, items, others / other_items, other_items)
    assert found.interval() == pytest.approx(interval, abs=5e-5)


def test_two_proportions_is_the_pooled_z_test() -> None:
    found = two_proportions(0.48, 1319, 0.45, 1319)
    table = np.array([[0.48 * 1319, 0.52 * 1319], [0.45 * 1319, 0.55 * 1319]])
    assert found.p_value == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue)


def test_equal_models_are_not_different() -> None:
    same = np.array([[1.0, 0.0, 1.0]])
    assert (mcnemar(same, same).value, mcnemar(same, same).p_value) == (0.0, 1.0)
    assert two_proportions(1.0, 50, 1.0, 50).p_value == 1.0


COUNTS = some.integers(0, 60)


@given(COUNTS, COUNTS, COUNTS, COUNTS, some.sampled_from([0.05, 0.01, 0.001]))
def test_mcnemar_and_its_interval_never_disagree(
    both: int, first: int, second: int, neither: int, alpha: float
) -> None:
    if both + first + second + neither < 2:
        return
    found = mcnemar(*pairs(both, first, second, neither))
    low, high = found.interval(alpha)
    assert -1 <= low <= found.value <= high <= 1
    if abs(found.p_value - alpha) > 1e-6:
        assert (found.p_value < alpha) == (not low <= 0 <= high)


@given(some.integers(0, 80), some.integers(1, 80), some.integers(0, 80), some.integers(1, 80))
def test_two_proportions_and_their_interval_never_disagree(
    right: int, wrong: int, others_right: int, others_wrong: int
) -> None:
    items, other_items = right + wrong, others_right + others_wrong
    found = two_proportions(right / items, items, others_right / other_items, other_items)
    low, high = found.interval()
    assert -1 <= low <= found.value <= high <= 1
    if abs(found.p_value - ALPHA) > 1e-6:
        assert (found.p_value < ALPHA) == (not low <= 0 <= high)
