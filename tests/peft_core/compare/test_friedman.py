"""Friedman's and Nemenyi's tests against the example that Demsar (2006) works out, and against scipy."""

import numpy as np
import pytest
from scipy import stats

from peft_core.compare.friedman import Friedman, critical_difference, friedman, ranks

DEMSAR_RANKS = (
    *((4, 3, 2, 1), (1, 2, 3, 4), (4, 1, 2, 3), (4, 1, 3, 2), (4, 2, 3, 1), (1, 2.5, 4, 2.5), (3, 2, 4, 1)),
    *((2.5, 2.5, 4, 1), (4, 3, 2, 1), (2.5, 2.5, 2.5, 2.5), (4, 2.5, 1, 2.5), (3, 2, 4, 1), (4, 1, 2, 3), (3, 1, 4, 2)),
)
"""Table 6: C4.5, C4.5+m, C4.5+cf and C4.5+m+cf on fourteen data sets, by their printed ranks."""


def demsar() -> Friedman:
    return friedman([[-rank for rank in study] for study in DEMSAR_RANKS])


def test_the_example_of_the_paper() -> None:
    found = demsar()
    assert found.studies == 14
    assert found.mean_ranks == pytest.approx((3.143, 2.000, 2.893, 1.964), abs=5e-4)
    assert found.chi_square == pytest.approx(9.28, abs=0.005)
    assert found.statistic == pytest.approx(3.69, abs=0.005)
    assert found.rejected
    # The paper rounds q: 2.569 sqrt(20 / 84) is 1.2535, printed as 1.25.
    assert found.critical_difference == pytest.approx(1.25, abs=0.005)
    assert critical_difference(4, 14, alpha=0.10) == pytest.approx(1.12, abs=0.005)
    # "The post-hoc test is not powerful enough to detect any significant differences" at 5 %.
    assert found.groups == [(3, 1, 2, 0)]


@pytest.mark.parametrize(
    ("methods", "q"),
    [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (7, 2.949), (8, 3.031), (9, 3.102), (10, 3.164)],
)
def test_the_critical_values_of_table_5(methods: int, q: float) -> None:
    assert critical_difference(methods, 1) / np.sqrt(methods * (methods + 1) / 6) == pytest.approx(q, abs=2e-3)


def test_without_ties_the_chi_square_is_scipys() -> None:
    table = np.random.default_rng(3).normal(size=(12, 5)) + np.arange(5) / 3
    assert friedman(table.tolist()).chi_square == pytest.approx(stats.friedmanchisquare(*table.T).statistic)


def test_equal_qualities_share_the_mean_of_their_places() -> None:
    assert ranks(np.array([[0.9, 0.8, 0.9, 0.7]])).tolist() == [[1.5, 3, 1.5, 4]]


def test_groups_are_the_widest_runs_and_overlap() -> None:
    found = Friedman(20, (1.0, 1.6, 2.2, 4.0), 30, 20, 0.001, 0.8)
    assert found.groups == [(0, 1), (1, 2)]


def test_where_nothing_is_rejected_all_are_one_group() -> None:
    found = Friedman(20, (1.0, 4.0, 2.2), 1, 1, 0.4, 0.8)
    assert found.groups == [(0, 2, 1)]


def test_methods_in_the_same_order_everywhere_differ_beyond_doubt() -> None:
    found = friedman([[0.9, 0.8, 0.7]] * 8)
    assert (found.mean_ranks, found.p_value) == ((1, 2, 3), 0)
    assert found.chi_square == pytest.approx(16)
