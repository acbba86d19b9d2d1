"""The Bayesian signed-rank test: its posterior mean in closed form, its limits, and the side that each number is on."""

import numpy as np
import pytest

from peft_core.compare.signed_rank import PRIOR_STRENGTH, ROPE, signed_rank

SPREAD = (0.05, 0.01, -0.03, 0.08, 0.002, 0.04, -0.01, 0.06)


BAYCOMP = (0.7016, 0.2977, 0.0008)
"""What baycomp 1.0.3 says of SPREAD: SignedRankTest.sample(0, SPREAD, rope=0.02, nsamples=200_000, random_state=1)."""


def posterior_mean(differences: tuple[float, ...], rope: float) -> list[float]:
    """E[w_i w_j] of a Dirichlet in closed form, summed over the pairs on each side of the region."""
    z, s = [0.0, *differences], [PRIOR_STRENGTH, *[1.0] * len(differences)]
    total, found = sum(s), [0.0, 0.0, 0.0]
    for i, first in enumerate(z):
        for j, second in enumerate(z):
            share = s[i] * (s[j] + (i == j)) / (total * (total + 1))
            for side, beyond in ((0, first + second - 2 * rope), (2, -first - second - 2 * rope)):
                # A sum on the edge of the region counts half.
                found[side] += share * (0.5 if beyond == 0 else float(beyond > 0))
    found[1] = 1 - found[0] - found[2]
    return found


@pytest.mark.parametrize("rope", [0.0, ROPE, 0.045])
def test_the_draws_have_the_posterior_mean_of_the_paper(rope: float) -> None:
    expected = posterior_mean(SPREAD, rope)
    found = signed_rank(SPREAD, rope, draws=100_000).draws.mean(axis=0)
    assert found == pytest.approx(expected, abs=0.002)


def test_the_figures_of_baycomp() -> None:
    found = signed_rank(SPREAD, 0.02, draws=200_000)
    assert (found.first, found.equal, found.second) == pytest.approx(BAYCOMP, abs=0.005)


def test_what_is_always_larger_is_better_and_the_sides_turn_with_the_sign() -> None:
    larger = (0.1, 0.2, 0.15, 0.3, 0.12, 0.22, 0.18, 0.11)
    found, turned = signed_rank(larger), signed_rank([-value for value in larger])
    assert found.first > 0.999
    assert turned.second > 0.999
    assert found.first + found.equal + found.second == pytest.approx(1)


def test_differences_inside_the_region_are_practically_none() -> None:
    assert signed_rank([0.01, -0.01, 0.005, 0.0, -0.015, 0.012, 0.003, -0.002]).equal > 0.999


def test_the_same_question_has_the_same_answer() -> None:
    assert np.array_equal(signed_rank(SPREAD).draws, signed_rank(SPREAD).draws)
    assert signed_rank(SPREAD, seed=1).first != signed_rank(SPREAD, seed=2).first
