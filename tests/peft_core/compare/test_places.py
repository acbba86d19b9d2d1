"""Which method is best over a few studies, from draws."""

import numpy as np
import pytest

from peft_core.compare.places import places


def drawn(*means: float, spread: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(means, spread, (4_000, len(means)))


def test_one_that_leads_everywhere_is_best_and_first() -> None:
    found = places([[0.9, 0.5, 0.4]] * 2, [drawn(0.9, 0.5, 0.4, spread=0.02, seed=seed) for seed in (1, 2)])
    assert found[0].p_best == 1
    assert [one.rank for one in found] == [1, 2, 3]
    assert found[0].rank_interval == (1, 1)
    assert found[0].mean == pytest.approx(0.9)


def test_equal_methods_share_the_chances_and_the_places() -> None:
    found = places([[0.9, 0.9]] * 3, [drawn(0.9, 0.9, spread=0.02, seed=seed) for seed in range(3)])
    assert found[0].p_best == pytest.approx(0.5, abs=0.05)
    assert found[0].rank_interval == found[1].rank_interval == (1, 2)


def test_more_studies_leave_less_open() -> None:
    one = places([[0.91, 0.9]], [drawn(0.91, 0.9, spread=0.02, seed=0)])[0].p_best
    nine = places([[0.91, 0.9]] * 9, [drawn(0.91, 0.9, spread=0.02, seed=seed) for seed in range(9)])[0].p_best
    assert 0.5 < one < nine


def test_a_study_in_which_nothing_varies_is_taken_as_it_is() -> None:
    found = places([[0.9, 0.5], [0.1, 0.2]], [np.array([[0.9, 0.5]]), drawn(0.1, 0.2, spread=0.01, seed=1)])
    assert found[0].p_best == 1
